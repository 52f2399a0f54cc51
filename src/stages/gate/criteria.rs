//! What a translation is judged by. Adding a criterion means one entry here, one limit in [`Gate`]
//! and its score in [`measure`](super::measure).

use super::config::Gate;

/// One entry of the registry of criteria.
pub(super) struct Criterion {
    /// The key of its limit, and the reason given for a rejection.
    pub name: &'static str,
    /// What a rejection means, in one line.
    pub about: &'static str,
    /// What to do where it rejects too much.
    pub advice: &'static str,
    pub limit: fn(&Gate) -> f64,
    /// Whether scores above the limit fail, else those below.
    pub rejects_above: bool,
}

impl Criterion {
    const fn below(name: &'static str, limit: fn(&Gate) -> f64) -> Self {
        Criterion {
            name,
            about: "",
            advice: "",
            limit,
            rejects_above: false,
        }
    }

    const fn above(name: &'static str, limit: fn(&Gate) -> f64) -> Self {
        Criterion {
            rejects_above: true,
            ..Self::below(name, limit)
        }
    }

    /// Whether a sample with `score` is rejected.
    pub(super) fn fails(&self, gate: &Gate, score: f32) -> bool {
        let (score, limit) = (f64::from(score), (self.limit)(gate));
        // A score that is not a number was measured on a picture that is none.
        score.is_nan()
            || if self.rejects_above {
                score > limit
            } else {
                score < limit
            }
    }
}

/// Every criterion, in the order in which reasons are given.
pub(super) const CRITERIA: &[Criterion] = &[
    Criterion {
        about: "the task network no longer reads the labelled class",
        advice: "train longer or raise the adapter's cycle and identity weights, so that it changes \
                 less; or give `train` the role `task`",
        ..Criterion::below("label", |gate| gate.label)
    },
    Criterion {
        about: "the task network no longer sees the object where the mask says",
        advice: "train longer or raise the adapter's cycle and identity weights, so that shapes stay",
        ..Criterion::below("mask", |gate| gate.mask)
    },
    Criterion {
        about: "the edges in and around the object are not those of the render",
        advice: "train longer or raise the adapter's cycle and identity weights, so that shapes stay",
        ..Criterion::below("edges", |gate| gate.edges)
    },
    Criterion {
        about: "light and dark are inverted",
        advice: "raise the adapter's identity weight, or start `train` from another `seed`",
        ..Criterion::below("luminance", |gate| gate.luminance)
    },
    Criterion {
        about: "the picture is blank",
        advice: "the training collapsed: lower `rate` of `train`, or start it from another `seed`",
        ..Criterion::below("contrast", |gate| gate.contrast)
    },
    Criterion {
        about: "pixels are clipped to black, white or pure colours",
        advice: "lower `rate` of `train`, or render with an exposure nearer to the photos'",
        ..Criterion::above("clipped", |gate| gate.clipped)
    },
    Criterion {
        about: "it has grain, colour speckle or a checkerboard that neither its render nor the photos have",
        advice: "the training is too short or went wrong: raise `steps` of `train` or lower its `rate`, \
                 and look whether its photos show the same things as the renders",
        ..Criterion::above("speckle", |gate| off_at_zero(gate.speckle))
    },
    Criterion {
        about: "different renders became the same picture",
        advice: "the training collapsed: lower `rate` of `train`, or start it from another `seed`",
        ..Criterion::below("duplicate", |gate| gate.duplicate)
    },
    Criterion {
        about: "it is further from the photos than they are from each other",
        advice: "train longer, or bring the renders nearer to the photos (size, light, background)",
        ..Criterion::above("photo", |gate| off_at_zero(gate.photo))
    },
];

/// A limit of 0 stands for none.
fn off_at_zero(limit: f64) -> f64 {
    match limit {
        0.0 => f64::INFINITY,
        limit => limit,
    }
}
