//! Sizes of models that look as if their unit was mistaken.

use super::model::Model;

/// Metres between which the sizes of things that are photographed mostly lie.
const PLAUSIBLE: [f32; 2] = [1e-3, 10.0];

/// Whether a thing of this size is larger than what is mostly photographed, as a model in millimetres is that
/// was read as metres.
pub fn is_too_large(metres: f32) -> bool {
    metres > PLAUSIBLE[1]
}

/// Sizes in one list that differ by more are said.
const SPREAD: f32 = 20.0;

/// The most models that are named.
const MOST: usize = 5;

/// What is said of the sizes of `models`; nothing if they are plausible.
pub(super) fn warnings(models: &[Model]) -> Vec<String> {
    let odd = models
        .iter()
        .filter(|model| !(PLAUSIBLE[0]..=PLAUSIBLE[1]).contains(&model.size));
    let odd: Vec<&Model> = odd.collect();
    let mut said: Vec<String> = odd
        .iter()
        .take(MOST)
        .map(|model| implausible(model))
        .collect();
    if odd.len() > MOST {
        said.push(format!("so are {} more models", odd.len() - MOST));
    }
    let sized = |model: &Model| format!("{} is {} large", model.path, length(model.size));
    let by_size = |a: &&Model, b: &&Model| a.size.total_cmp(&b.size);
    let ends = models
        .iter()
        .min_by(by_size)
        .zip(models.iter().max_by(by_size));
    if let Some((least, most)) = ends.filter(|(least, most)| most.size > SPREAD * least.size) {
        said.push(format!(
            "sizes differ {:.0}-fold: {}, {}; if one is in another unit, give its `scale` in `models`",
            most.size / least.size,
            sized(least),
            sized(most)
        ));
    }
    said
}

fn implausible(model: &Model) -> String {
    let (path, size) = (&model.path, length(model.size));
    // A file in millimetres that was read as metres is a thousand times too large, and the other way round.
    match is_too_large(model.size) {
        true => format!(
            "{path} is {size} large; is it in millimetres? Then give it `scale = 0.001` in `models`"
        ),
        false => format!(
            "{path} is {size} large; if its unit is not what it was read as, give `scale`, the metres of a \
             unit, in `models`"
        ),
    }
}

/// A length in its own unit, with three digits.
pub fn length(metres: f32) -> String {
    if metres == 0.0 {
        return "0 m".into();
    }
    let (length, unit) = match metres {
        0.0..1e-4 => (metres * 1e6, "µm"),
        1e-4..0.01 => (metres * 1e3, "mm"),
        0.01..1.0 => (metres * 1e2, "cm"),
        1.0..1e3 => (metres, "m"),
        _ => (metres / 1e3, "km"),
    };
    let decimals = (2 - length.abs().max(1e-9).log10().floor() as i32).clamp(0, 3) as usize;
    format!("{length:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_three_digits_and_a_unit() {
        for (metres, expected) in [
            (0.0, "0 m"),
            (2e-6, "2.00 µm"),
            (0.0042, "4.20 mm"),
            (0.016, "1.60 cm"),
            (0.25, "25.0 cm"),
            (1.5, "1.50 m"),
            (120.0, "120 m"),
            (12_000.0, "12.0 km"),
        ] {
            assert_eq!(length(metres), expected);
        }
    }
}
