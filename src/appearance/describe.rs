//! A caption from what can be measured: how bright an object is, its colour, how sharp it is, and its class.
//!
//! The same measures read a picture back: a generator that was told "a dark red die" can be asked what it drew.

use image::RgbImage;

use crate::sample::colour::luma;

/// Words for brightness.
pub const BRIGHTNESS: [&str; 3] = ["dark", "", "bright"];

/// Words for colours.
pub const COLOURS: [&str; 9] = [
    "red", "orange", "yellow", "green", "blue", "purple", "black", "grey", "white",
];

/// Words for sharpness.
pub const SHARPNESS: [&str; 2] = ["", "blurred"];

/// What can be measured of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// `dark`, `bright`, or nothing in between.
    pub brightness: &'static str,
    /// The name of the colour that most of it has.
    pub colour: &'static str,
    /// `blurred`, or nothing.
    pub sharpness: &'static str,
}

impl Looks {
    /// Measures the middle of a picture, an ellipse of half its width and height, where its object is.
    pub fn of(picture: &RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        let from_middle = |place: u32, side: u32| (place as f32 + 0.5) / side as f32 - 0.5;
        let inside = |x: u32, y: u32| {
            from_middle(x, width).powi(2) + from_middle(y, height).powi(2) <= 0.25 * 0.25
        };
        let pixels = picture
            .enumerate_pixels()
            .filter(|(x, y, _)| inside(*x, *y));
        let chosen: Vec<[u8; 3]> = pixels.map(|(_, _, pixel)| pixel.0).collect();
        let brightness = chosen.iter().map(|pixel| luma(pixel.map(f32::from)));
        let mean = brightness.sum::<f32>() / chosen.len().max(1) as f32;
        Looks {
            brightness: match mean {
                ..70.0 => "dark",
                165.0.. => "bright",
                _ => "",
            },
            colour: colour(&chosen),
            sharpness: if steepness(picture) < BLURRED {
                "blurred"
            } else {
                ""
            },
        }
    }

    /// A caption: `a dark blurred red die`.
    pub fn caption(self, class: &str) -> String {
        let class = class.replace(['_', '-'], " ");
        let words = [self.brightness, self.sharpness, self.colour, &class];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let first = words.first().and_then(|word| word.chars().next());
        let article = if first.is_some_and(|c| "aeiou".contains(c)) {
            "an"
        } else {
            "a"
        };
        format!("{article} {}", words.join(" "))
    }
}

/// The steepest edges of a picture whose neighbouring pixels differ by less than this many levels are blurred.
const BLURRED: f32 = 24.0;

/// The difference of neighbouring pixels that one in a hundred exceeds, in levels of brightness.
fn steepness(picture: &RgbImage) -> f32 {
    let grey = image::imageops::grayscale(picture);
    let mut steps = Vec::new();
    for (x, y, pixel) in grey.enumerate_pixels() {
        for (dx, dy) in [(1, 0), (0, 1)] {
            if x + dx < grey.width() && y + dy < grey.height() {
                steps.push(pixel.0[0].abs_diff(grey.get_pixel(x + dx, y + dy).0[0]));
            }
        }
    }
    steps.sort_unstable();
    let place = steps.len() * 99 / 100;
    steps.get(place).map_or(0.0, |step| f32::from(*step))
}

/// The name of the colour that most pixels have.
fn colour(pixels: &[[u8; 3]]) -> &'static str {
    let mut votes = [0_u32; COLOURS.len()];
    for pixel in pixels {
        votes[place(*pixel)] += 1;
    }
    let most = (0..COLOURS.len()).max_by_key(|place| (votes[*place], COLOURS.len() - place));
    COLOURS[most.unwrap_or_default()]
}

/// Hue in degrees, saturation and value in 0..1.
fn hsv(pixel: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = pixel.map(|value| f32::from(value) / 255.0);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = (most - least).max(1e-6);
    let sixth = match most {
        _ if most == r => (g - b) / spread,
        _ if most == g => 2.0 + (b - r) / spread,
        _ => 4.0 + (r - g) / spread,
    };
    [
        (60.0 * sixth).rem_euclid(360.0),
        (most - least) / most.max(1e-6),
        most,
    ]
}

/// The place of a pixel's colour in the list of names.
fn place([r, g, b]: [u8; 3]) -> usize {
    let [hue, saturation, value] = hsv([r, g, b]);
    match (saturation, value) {
        (_, ..0.2) | (..0.25, ..0.4) => 6,
        (..0.25, ..0.75) => 7,
        (..0.25, _) => 8,
        _ => match hue {
            ..15.0 => 0,
            ..40.0 => 1,
            ..70.0 => 2,
            ..170.0 => 3,
            ..255.0 => 4,
            ..330.0 => 5,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_brightness_and_blur_are_told() {
        let mut picture = RgbImage::from_pixel(32, 32, image::Rgb([200, 200, 200]));
        let inside = |x: u32, y: u32| (8..24).contains(&x) && (8..24).contains(&y);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if inside(x, y) {
                pixel.0 = [120, 20, 20];
            }
        }
        let looks = Looks::of(&picture);
        assert_eq!(looks.caption("stop_sign"), "a dark red stop sign");
        let blurred = image::imageops::blur(&picture, 6.0);
        assert_eq!(Looks::of(&blurred).sharpness, "blurred");
        let plain = RgbImage::from_pixel(8, 8, image::Rgb([250, 150, 20]));
        assert_eq!(
            Looks::of(&plain).caption("six"),
            "a bright blurred orange six"
        );
        for (colour, name) in [
            ([250, 150, 20], "orange"),
            ([230, 220, 30], "yellow"),
            ([20, 160, 60], "green"),
            ([30, 60, 200], "blue"),
            ([120, 30, 160], "purple"),
            ([10, 10, 12], "black"),
            ([128, 128, 128], "grey"),
        ] {
            assert_eq!(super::colour(&[colour; 3]), name);
        }
    }
}
