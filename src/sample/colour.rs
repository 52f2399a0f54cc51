//! Colours: sRGB and linear light, and how bright a colour is.

/// From an sRGB value to linear light, both 0..1 (IEC 61966-2-1).
pub fn to_linear(value: f32) -> f32 {
    if value <= 0.04045 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

/// From linear light to an sRGB value, both 0..1; light outside is clipped.
pub fn to_srgb(light: f32) -> f32 {
    if light <= 0.003_130_8 {
        light.max(0.0) * 12.92
    } else {
        1.055 * light.min(1.0).powf(1.0 / 2.4) - 0.055
    }
}

/// Brightness of sRGB values: the luma of BT.601.
pub fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// The same in 64 bits.
pub fn luma_64([red, green, blue]: [f64; 3]) -> f64 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Brightness of linear light: the luminance of BT.709.
pub fn luminance([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_and_linear_are_inverse() {
        for value in 0..=255 {
            let value = f32::from(value as u8) / 255.0;
            assert!((to_srgb(to_linear(value)) - value).abs() < 1e-5);
        }
    }

    #[test]
    fn light_outside_is_clipped() {
        assert_eq!(to_srgb(-0.5), 0.0);
        assert_eq!(to_srgb(2.0), to_srgb(1.0));
    }

    #[test]
    fn white_is_as_bright_as_its_channels() {
        assert!((luma([0.7; 3]) - 0.7).abs() < 1e-6);
        assert!((luminance([0.7; 3]) - 0.7).abs() < 1e-6);
    }
}
