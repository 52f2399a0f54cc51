//! What is measured of a picture. Adding a measure means one function and one entry in [`FEATURES`].

use image::RgbImage;

use crate::sample::colour::luma_64;

/// The measures of one picture, in the order of [`FEATURES`].
pub type Look = Vec<f64>;

/// One measure.
pub struct Feature {
    /// One word, unique in [`FEATURES`], e.g. `brightness`.
    pub name: &'static str,
    /// What it is, in the words of a user.
    pub about: &'static str,
    /// The smallest spread that counts: below it, differences are of no matter.
    pub grain: f64,
    /// What to change where renders have more of it than photos.
    pub if_more: &'static str,
    /// What to change where they have less.
    pub if_less: &'static str,
    of: fn(&Picture) -> f64,
}

/// Every measure.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "brightness",
        about: "mean brightness, 0 to 1",
        grain: 0.01,
        if_more: "lower the exposure or the brightness of surfaces and background",
        if_less: "raise the exposure or the brightness of surfaces and background",
        of: |p| mean(&p.luma.values),
    },
    Feature {
        name: "contrast",
        about: "deviation of the brightness within a picture",
        grain: 0.01,
        if_more: "soften light and shadows, or bring the colours of object and background closer",
        if_less: "let light and shadows be harder, or the colours differ more",
        of: |p| deviation(&p.luma.values),
    },
    Feature {
        name: "shadows",
        about: "brightness that the darkest 5 % stay below",
        grain: 0.01,
        if_more: "add dark parts: shadows, dark surfaces, a lower black level",
        if_less: "lift the dark parts: more even light, haze, a higher black level",
        of: |p| quantile(&p.luma.values, 0.05),
    },
    Feature {
        name: "highlights",
        about: "brightness that the brightest 5 % exceed",
        grain: 0.01,
        if_more: "lower the bright parts: less exposure, gloss and glare",
        if_less: "add bright parts: more exposure, gloss, sun or bright background",
        of: |p| quantile(&p.luma.values, 0.95),
    },
    Feature {
        name: "saturation",
        about: "mean distance of the strongest from the weakest colour channel",
        grain: 0.01,
        if_more: "choose greyer surfaces and backgrounds, or lower the saturation",
        if_less: "choose more colourful surfaces and backgrounds, or raise the saturation",
        of: |p| mean(&p.chroma),
    },
    Feature {
        name: "colourfulness",
        about: "saturation that the most colourful 5 % exceed",
        grain: 0.01,
        if_more: "choose paler colours for the object",
        if_less: "choose stronger colours for the object",
        of: |p| quantile(&p.chroma, 0.95),
    },
    Feature {
        name: "warmth",
        about: "mean of red less blue",
        grain: 0.01,
        if_more: "make the light bluer (white balance, tint)",
        if_less: "make the light redder (white balance, tint)",
        of: |p| mean(&p.warmth.values),
    },
    Feature {
        name: "tint",
        about: "mean of green less red and blue",
        grain: 0.005,
        if_more: "take green out of light or background",
        if_less: "add green to light or background",
        of: |p| mean(&p.tint),
    },
    Feature {
        name: "sharpness",
        about: "detail of one pixel over detail of two, as a logarithm",
        grain: 0.1,
        if_more: "blur more: focus, motion, a lower resolution, less sharpening",
        if_less: "blur less, or sharpen",
        of: |p| sharpness(&p.luma),
    },
    Feature {
        name: "detail",
        about: "detail of two pixels over detail of four, as a logarithm",
        grain: 0.1,
        if_more: "blur more, or take fine texture away",
        if_less: "blur less, or add texture to surfaces and background",
        of: |p| sharpness(&p.luma.halved()),
    },
    Feature {
        name: "colour_sharpness",
        about: "detail of the colour of one pixel over that of two, as a logarithm",
        grain: 0.1,
        if_more: "blur the colour more, as JPEG and sensors do; less noise of colour",
        if_less: "blur the colour less; more noise of colour",
        of: |p| sharpness(&p.warmth),
    },
    Feature {
        name: "noise",
        about: "noise of the brightness, as a logarithm (Immerkær 1996, with a median)",
        grain: 0.1,
        if_more: "lower the sensor's noise and the finest texture",
        if_less: "raise the sensor's noise",
        of: |p| noise(&p.luma),
    },
    Feature {
        name: "object_scale",
        about: "width of what stands out from the border, over the picture's",
        grain: 0.02,
        if_more: "show the object smaller, or crop the photos closer (`margin`)",
        if_less: "show the object larger, or crop the photos wider (`margin`)",
        of: |p| p.standing_out().scale,
    },
    Feature {
        name: "off_centre",
        about: "distance of what stands out from the middle, over the picture's width",
        grain: 0.01,
        if_more: "shift the object less, or put less beside it",
        if_less: "shift the object more, or put more beside it",
        of: |p| p.standing_out().off_centre,
    },
    Feature {
        name: "object_contrast",
        about: "mean distance of all colours from the border's",
        grain: 0.01,
        if_more: "bring the colours of object and background closer",
        if_less: "let the colours of object and background differ more",
        of: |p| p.standing_out().strength,
    },
    Feature {
        name: "background_brightness",
        about: "median brightness along the border",
        grain: 0.01,
        if_more: "choose darker backgrounds",
        if_less: "choose brighter backgrounds",
        of: |p| quantile(&p.border(&p.luma.values), 0.5),
    },
    Feature {
        name: "background_colour",
        about: "mean saturation along the border",
        grain: 0.01,
        if_more: "choose greyer backgrounds",
        if_less: "choose more colourful backgrounds",
        of: |p| mean(&p.border(&p.chroma)),
    },
    Feature {
        name: "background_texture",
        about: "deviation of the brightness along the border, as a logarithm",
        grain: 0.1,
        if_more: "choose plainer backgrounds, with less beside the object",
        if_less: "choose backgrounds with more structure, put more beside the object",
        of: |p| (deviation(&p.border(&p.luma.values)) + 0.004).ln(),
    },
];

/// Measures a picture of at least 4 × 4 pixels.
pub fn measure(pixels: &RgbImage) -> Look {
    measure_some(pixels, FEATURES.iter())
}

/// As [`measure`], of some measures, in their order.
pub fn measure_some<'f>(
    pixels: &RgbImage,
    features: impl IntoIterator<Item = &'f Feature>,
) -> Look {
    let picture = Picture::new(pixels);
    let features = features.into_iter();
    features.map(|f| (f.of)(&picture)).collect()
}

/// One value a pixel, row by row.
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

impl Plane {
    /// Each value the mean of 2 × 2; an odd last row or column is left out.
    fn halved(&self) -> Plane {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let values = (0..width * height).map(|i| {
            let (x, y) = (2 * (i % width), 2 * (i / width));
            (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0
        });
        Plane {
            width,
            height,
            values: values.collect(),
        }
    }

    /// Mean square of the differences of neighbours.
    fn gradient(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (y, row) in self.values.chunks_exact(self.width.max(1)).enumerate() {
            for x in 0..self.width {
                if x + 1 < self.width {
                    sum += (row[x + 1] - row[x]).powi(2);
                    count += 1;
                }
                if y + 1 < self.height {
                    sum += (self.values[(y + 1) * self.width + x] - row[x]).powi(2);
                    count += 1;
                }
            }
        }
        sum / f64::from(count.max(1))
    }
}

/// A picture taken apart into planes, sRGB values of 0..1.
struct Picture {
    luma: Plane,
    /// Red less blue.
    warmth: Plane,
    /// Green less the mean of red and blue.
    tint: Vec<f64>,
    /// Strongest less weakest channel.
    chroma: Vec<f64>,
    rgb: Vec<[f64; 3]>,
}

/// What stands out from the border's colour, as a cloud of weights.
struct StandingOut {
    scale: f64,
    off_centre: f64,
    strength: f64,
}

impl Picture {
    fn new(pixels: &RgbImage) -> Self {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let rgb: Vec<[f64; 3]> = pixels
            .pixels()
            .map(|pixel| pixel.0.map(|c| f64::from(c) / 255.0))
            .collect();
        let plane = |of: fn(&[f64; 3]) -> f64| Plane {
            width,
            height,
            values: rgb.iter().map(of).collect(),
        };
        Picture {
            luma: plane(|rgb| luma_64(*rgb)),
            warmth: plane(|[r, _, b]| r - b),
            tint: plane(|[r, g, b]| g - (r + b) / 2.0).values,
            chroma: plane(|[r, g, b]| r.max(*g).max(*b) - r.min(*g).min(*b)).values,
            rgb,
        }
    }

    /// The values of the outer sixteenth on each side.
    fn border<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let (width, height) = (self.luma.width, self.luma.height);
        let depth = (width.min(height) / 16).max(1);
        let inside = |i: usize| {
            let (x, y) = (i % width, i / width);
            x >= depth && x + depth < width && y >= depth && y + depth < height
        };
        let outer = (0..values.len()).filter(|i| !inside(*i));
        outer.map(|i| values[i]).collect()
    }

    fn standing_out(&self) -> StandingOut {
        let ring = self.border(&self.rgb);
        let channel = |c: usize| quantile(&ring.iter().map(|p| p[c]).collect::<Vec<_>>(), 0.5);
        let behind = [channel(0), channel(1), channel(2)];
        let distance = |p: &[f64; 3]| {
            let squares = p.iter().zip(&behind).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        // What the background itself varies by does not stand out.
        let usual = quantile(&ring.iter().map(distance).collect::<Vec<_>>(), 0.75);
        let weights = self.rgb.iter().map(|p| (distance(p) - usual).max(0.0));
        let (mut sum, mut at, mut squares) = (1e-9, [0.0; 2], 0.0);
        for (i, weight) in weights.enumerate() {
            let x = (i % self.luma.width) as f64 / self.luma.width as f64 - 0.5;
            let y = (i / self.luma.width) as f64 / self.luma.height as f64 - 0.5;
            sum += weight;
            at[0] += weight * x;
            at[1] += weight * y;
            squares += weight * (x * x + y * y);
        }
        let [x, y] = at.map(|a| a / sum);
        // The side of an evenly filled square of this second moment.
        let moment = (squares / sum - x * x - y * y).max(0.0);
        StandingOut {
            scale: (6.0 * moment).sqrt(),
            off_centre: x.hypot(y),
            strength: mean(&self.rgb.iter().map(distance).collect::<Vec<_>>()),
        }
    }
}

/// Detail of one pixel over that of two; half a step of 8 bits keeps flat pictures finite.
fn sharpness(plane: &Plane) -> f64 {
    let least = (0.5f64 / 255.0).powi(2);
    ((plane.gradient() + least) / (plane.halved().gradient() + least)).ln()
}

/// Immerkær's mask cancels planes and straight edges. The median in place of his mean keeps the
/// corners of objects out.
fn noise(plane: &Plane) -> f64 {
    const MASK: [f64; 9] = [1.0, -2.0, 1.0, -2.0, 4.0, -2.0, 1.0, -2.0, 1.0];
    let (width, height) = (plane.width, plane.height);
    let mut responses = Vec::new();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width - 1 {
            let sum: f64 = (0..9)
                .map(|i| MASK[i] * plane.values[(y + i / 3 - 1) * width + x + i % 3 - 1])
                .sum();
            responses.push(sum.abs());
        }
    }
    // The mask multiplies a deviation by 6, and the median of |x| is 0.6745 of it.
    (quantile(&responses, 0.5) / (6.0 * 0.6745) + 0.001).ln()
}

/// 0 for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Standard deviation around the mean, over the number of values.
pub fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (squares / values.len().max(1) as f64).sqrt()
}

/// The value below which the share `q` lies, between neighbours in a line; 0 for no values.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// As [`quantile`], of values in order.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, standard_normal};
    use image::Rgb;

    /// A red square of `side` pixels on a grey table of 64 × 64, `left` of the middle.
    fn scene(side: i32, left: i32) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| {
            let inside =
                (x as i32 - 32 + left).abs() * 2 < side && (y as i32 - 32).abs() * 2 < side;
            Rgb(if inside {
                [180, 60, 50]
            } else {
                [120, 120, 118]
            })
        })
    }

    fn change(pixels: &RgbImage, mut of: impl FnMut(f64) -> f64) -> RgbImage {
        let mut changed = pixels.clone();
        for value in changed.iter_mut() {
            *value = (of(f64::from(*value) / 255.0) * 255.0)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
        changed
    }

    /// By how many grains `name` rises from `a` to `b`.
    fn rise(name: &str, a: &RgbImage, b: &RgbImage) -> f64 {
        let i = FEATURES.iter().position(|f| f.name == name).unwrap();
        (measure(b)[i] - measure(a)[i]) / FEATURES[i].grain
    }

    #[test]
    fn each_change_moves_its_feature() {
        let plain = scene(30, 0);
        let mut stream = Seed::new(1, "test").stream(0);
        let noisy = change(&plain, |v| v + 0.03 * standard_normal(&mut stream));
        let dark = change(&plain, |v| v * 0.6);
        let flat = change(&plain, |v| 0.5 + 0.4 * (v - 0.5));
        let blurred = image::imageops::blur(&noisy, 1.5);
        let grey = image::DynamicImage::from(plain.clone()).to_luma8();
        let grey = image::DynamicImage::from(grey).to_rgb8();
        let mut warm = plain.clone();
        warm.pixels_mut().for_each(|p| p.0[2] -= 40);
        let mut green = plain.clone();
        green.pixels_mut().for_each(|p| p.0[1] += 40);
        for (name, more, less) in [
            ("brightness", &plain, &dark),
            ("background_brightness", &plain, &dark),
            ("shadows", &plain, &dark),
            ("highlights", &plain, &dark),
            ("contrast", &plain, &flat),
            ("object_contrast", &plain, &flat),
            ("saturation", &plain, &grey),
            ("colourfulness", &plain, &grey),
            ("warmth", &warm, &plain),
            ("background_colour", &warm, &plain),
            ("tint", &green, &plain),
            ("noise", &noisy, &plain),
            ("background_texture", &noisy, &plain),
            ("sharpness", &noisy, &blurred),
            ("colour_sharpness", &noisy, &blurred),
            ("object_scale", &scene(44, 0), &plain),
            ("off_centre", &scene(30, 8), &plain),
        ] {
            let grains = rise(name, less, more);
            assert!(grains > 2.0, "{name}: {grains}");
        }
    }

    #[test]
    fn sizes_are_measured_in_pictures() {
        let i = FEATURES
            .iter()
            .position(|f| f.name == "object_scale")
            .unwrap();
        for side in [20, 32, 44] {
            let measured = measure(&scene(side, 0))[i];
            let wanted = f64::from(side) / 64.0;
            assert!((measured - wanted).abs() < 0.03, "{measured} for {wanted}");
        }
    }

    #[test]
    fn one_colour_and_tiny_pictures_give_finite_numbers() {
        for size in [4, 5, 33] {
            let look = measure(&RgbImage::from_pixel(size, size, Rgb([7, 7, 7])));
            assert!(look.iter().all(|v| v.is_finite()), "{look:?}");
        }
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [3.0, 1.0, 2.0];
        let found = [0.0, 0.25, 0.5, 1.0].map(|q| quantile(&values, q));
        assert_eq!(found, [1.0, 1.5, 2.0, 3.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
