//! Loops compiled for the widest vector registers that the machine at hand has.

/// Defines a function whose body is compiled three times: for AVX-512, for AVX2, and for whatever
/// the whole program is compiled for. Which one runs is decided by the machine. The numbers are the
/// same: Rust never reorders or fuses floating-point operations by itself.
macro_rules! vectorised {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident(
        $($argument:ident: $type:ty),* $(,)?
    ) $(-> $output:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($argument: $type),*) $(-> $output)? {
                    body($($argument),*)
                }

                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $output)? {
                    body($($argument),*)
                }

                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the machine has what the function is compiled for.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    };
}

pub(super) use vectorised;
