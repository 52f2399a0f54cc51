//! How the memory of tensors is taken from the system.

/// Lets this process keep memory that it has freed, rather than give it back to the system and fetch it again.
///
/// A training step makes and drops hundreds of tensors. The allocator of the GNU C library maps each large one into the
/// process anew, and the system fills it with zeros: with pictures of 64 pixels, that was half the time of some
/// trainings. Elsewhere this does nothing. Call it before other threads begin.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Threads of their own arenas give memory back however much is to be kept.
        let settings = [
            (libc::M_MMAP_MAX, 0),
            (libc::M_TRIM_THRESHOLD, i32::MAX),
            (libc::M_ARENA_MAX, 1),
        ];
        for (setting, value) in settings {
            // SAFETY: it changes settings of the allocator, under the allocator's own lock. One that is refused stays as
            // it was.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}
