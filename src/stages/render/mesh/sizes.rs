//! Sizes of models that look as if their unit was mistaken.

use super::model::Model;

/// Metres between which the sizes of things that are photographed mostly lie.
const PLAUSIBLE: [f32; 2] = [1e-3, 10.0];

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
    match model.size > PLAUSIBLE[1] {
        true => format!(
            "{path} is {size} large; is it in millimetres? Then give it `scale = 0.001` in `models`"
        ),
        false => format!(
            "{path} is {size} large; if its unit is not what it was read as, give `scale`, the metres of a \
             unit, in `models`"
        ),
    }
}

/// A length with its unit.
fn length(metres: f32) -> String {
    let (value, unit) = match metres {
        m if m >= 1.0 => (m, "m"),
        m if m >= 0.01 => (m * 100.0, "cm"),
        m if m >= 0.001 => (m * 1e3, "mm"),
        m => (m * 1e6, "µm"),
    };
    // Three digits.
    match value {
        v if v >= 100.0 => format!("{v:.0} {unit}"),
        v => format!("{} {unit}", (v * 10.0).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_unit_that_suits_them() {
        let said = [250.0, 1.25, 0.16, 0.0016, 2e-6].map(length);
        assert_eq!(said, ["250 m", "1.3 m", "16 cm", "1.6 mm", "2 µm"]);
    }
}
