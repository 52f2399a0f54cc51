//! What the values of a training are called in a report, by the names that models and checks give them.

/// A value that is recorded while a model trains.
pub struct CurveKind {
    /// As in `history.json`.
    pub name: &'static str,
    /// What it tells, in words; also the text of a legend.
    pub words: &'static str,
    /// Values of one chart can be compared with each other: its title.
    pub chart: &'static str,
    /// What its axis counts.
    pub unit: &'static str,
}

const NEARNESS: (&str, &str) = ("Distance to the photos", "distance");
const GAME: (&str, &str) = ("Generator against discriminator", "loss");
const CONTENT: (&str, &str) = ("What the adapter changes", "loss");
const DRAWN: (&str, &str) = ("Photos drawn from their condition", "loss");
const LABELS: (&str, &str) = ("What would cost labels", "loss");
const CODING: (&str, &str) = ("Coding of a value", "bits");
const SHARES: (&str, &str) = ("Labels still read", "share of pictures");

const fn curve(
    (chart, unit): (&'static str, &'static str),
    name: &'static str,
    words: &'static str,
) -> CurveKind {
    CurveKind {
        name,
        words,
        chart,
        unit,
    }
}

/// Every value that a model or a check of a training records.
pub const CURVES: &[CurveKind] = &[
    curve(NEARNESS, "distance", "translations"),
    curve(
        NEARNESS,
        "distance_floor",
        "other photos, as near as it gets",
    ),
    curve(NEARNESS, "distance_ceiling", "renders as they are"),
    curve(GAME, "adversarial", "generator: what it makes is found out"),
    curve(
        GAME,
        "discriminator",
        "discriminator: mistaken for the other kind",
    ),
    curve(
        ("Discriminator right", "share of pictures"),
        "accuracy",
        "tells photos from what is made",
    ),
    curve(CODING, "bits", "all: an upper bound, or exactly"),
    curve(CODING, "latent_bits", "of the latent vectors alone"),
    curve(CONTENT, "cycle", "lost on the way there and back"),
    curve(CONTENT, "identity", "change of real photos"),
    curve(CONTENT, "self_regularisation", "change of renders"),
    curve(DRAWN, "l1", "difference of the pixels"),
    curve(
        DRAWN,
        "features",
        "difference of what the discriminator sees",
    ),
    curve(
        ("Appearance of photos", "nats"),
        "kl",
        "what is told of a photo beside its map",
    ),
    curve(
        ("Content kept", "contrastive loss"),
        "nce",
        "places of a translation mistaken for others",
    ),
    curve(CONTENT, "pixel", "error of enlarged photos"),
    curve(CONTENT, "content", "content lost"),
    curve(
        ("Held-out photos enlarged: PSNR", "dB"),
        "psnr",
        "PSNR of the model",
    ),
    curve(
        ("Held-out photos enlarged: PSNR", "dB"),
        "psnr_bicubic",
        "PSNR of bicubic enlargement",
    ),
    curve(
        ("Held-out photos enlarged: SSIM", "SSIM"),
        "ssim",
        "SSIM of the model",
    ),
    curve(
        ("Held-out photos enlarged: SSIM", "SSIM"),
        "ssim_bicubic",
        "SSIM of bicubic enlargement",
    ),
    curve(LABELS, "inside", "change inside of masks"),
    curve(LABELS, "outside", "change outside of masks"),
    curve(LABELS, "edges", "edges lost"),
    curve(LABELS, "boundary", "outlines lost"),
    curve(LABELS, "geometry", "shapes moved"),
    curve(LABELS, "perceptual", "change of what the task network sees"),
    curve(LABELS, "class", "classes no longer read"),
    curve(LABELS, "mask", "masks no longer seen"),
    curve(LABELS, "dice", "overlap of masks lost"),
    curve(SHARES, "agreement_class", "read as their class"),
    curve(SHARES, "agreement_mask", "overlap with their mask"),
];

/// The entry of a value, if it has one.
pub fn find(name: &str) -> Option<&'static CurveKind> {
    CURVES.iter().find(|curve| curve.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_words_are_unique_and_charts_have_one_unit() {
        let distinct =
            |of: fn(&CurveKind) -> &str| CURVES.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|c| c.name), CURVES.len());
        assert_eq!(distinct(|c| c.words), CURVES.len());
        for curve in CURVES {
            let alike = CURVES.iter().filter(|other| other.chart == curve.chart);
            assert!(
                alike.into_iter().all(|other| other.unit == curve.unit),
                "{}",
                curve.chart
            );
        }
    }
}
