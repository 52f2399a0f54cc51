//! What can be turned in a configuration: every range `[lowest, highest]` and every single number
//! with a decimal point. Whole numbers, texts, lists and ranges of no width stay as they are, and so
//! do what is 0, which was switched off, and ranges of 360: a full turn has no ends.

use serde_json::{Value, json};

/// A dial that changes the features by less, in deviations of the photos, is not worth a line.
const CRUMB: f64 = 0.01;

/// Furthest that an end may go from where it began, in widths of its range.
pub(super) const REACH: f64 = 2.0;

/// How things move in clips: no single picture, and so no photo, tells anything of it.
const UNSEEN: &str = "mesh.motion";

/// A number or a range of the configuration.
pub(super) struct Dial {
    /// Keys from the configuration's root.
    pub path: Vec<String>,
    setting: Setting,
}

enum Setting {
    /// Moves in widths, along logarithms if the highest is many times the lowest.
    Range { ends: [f64; 2], logarithmic: bool },
    /// Moves by factors: 2 a step.
    Number(f64),
}

impl Dial {
    /// What is written in pipeline files, e.g. `mesh.lens.noise`.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }

    /// Numbers that can be moved: 2 of a range.
    pub(super) fn ends(&self) -> usize {
        match self.setting {
            Setting::Range { .. } => 2,
            Setting::Number(_) => 1,
        }
    }

    /// The value after moving its ends by `x` widths.
    fn value(&self, x: &[f64], least_width: f64) -> Value {
        match self.setting {
            Setting::Number(start) => {
                json!(rounded(start * (x[0] * 2f64.ln()).exp()))
            }
            Setting::Range {
                ends: [low, high],
                logarithmic: true,
            } => {
                let start = [low.ln(), high.ln()];
                json!(moved(start, x, least_width).map(|end| rounded(end.exp())))
            }
            Setting::Range { ends, .. } => {
                // A quantity that had no negative values gets none.
                let least = if ends[0] >= 0.0 {
                    0.0
                } else {
                    f64::NEG_INFINITY
                };
                json!(moved(ends, x, least_width).map(|end| rounded(end.max(least))))
            }
        }
    }
}

/// The ends moved by `x` widths, at least `least_width` widths apart.
fn moved([low, high]: [f64; 2], x: &[f64], least_width: f64) -> [f64; 2] {
    let width = high - low;
    let low = low + x[0] * width;
    let high = high + x[1] * width;
    let (middle, half) = (f64::midpoint(low, high), width * least_width / 2.0);
    match high - low < 2.0 * half {
        true => [middle - half, middle + half],
        false => [low, high],
    }
}

/// Three digits: more would only look exact.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// All dials of a configuration.
pub(super) struct Panel {
    pub dials: Vec<Dial>,
    least_width: f64,
}

impl Panel {
    /// Finds the dials of `config` but those whose path begins with an entry of `keep`, and those that pictures do not
    /// show.
    pub(super) fn new(config: &Value, keep: &[String], least_width: f64) -> Self {
        let mut dials = Vec::new();
        find(config, &mut Vec::new(), &mut dials);
        let kept = |dial: &Dial| {
            let name = dial.name();
            let mut prefixes = keep.iter().map(String::as_str).chain([UNSEEN]);
            prefixes.any(|prefix| {
                let rest = name.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        dials.retain(|dial| !kept(dial));
        Panel { dials, least_width }
    }

    /// Numbers that can be moved in all.
    pub(super) fn ends(&self) -> usize {
        self.dials.iter().map(Dial::ends).sum()
    }

    /// By end: the sign of moves that narrow its range; 0 for a single number.
    pub(super) fn inwards(&self) -> Vec<f64> {
        let of = |dial: &Dial| match dial.setting {
            Setting::Range { .. } => vec![1.0, -1.0],
            Setting::Number(_) => vec![0.0],
        };
        self.dials.iter().flat_map(of).collect()
    }

    /// Each dial with its part of `x`.
    pub(super) fn parts<'a, T>(&'a self, x: &'a [T]) -> impl Iterator<Item = (&'a Dial, &'a [T])> {
        let mut start = 0;
        self.dials.iter().map(move |dial| {
            start += dial.ends();
            (dial, &x[start - dial.ends()..start])
        })
    }

    /// `config` with its dials moved by `x`, and how far they went: where a value is not `valid`
    /// there, its dial goes half as far, and half again, or stays.
    pub(super) fn project(
        &self,
        config: &Value,
        x: &[f64],
        is_valid: &dyn Fn(&Value) -> bool,
    ) -> (Value, Vec<f64>) {
        let mut config = config.clone();
        let mut went = Vec::new();
        for (dial, wish) in self.parts(x) {
            let mut part: Vec<f64> = wish.iter().map(|x| x.clamp(-REACH, REACH)).collect();
            let before = at(&mut config, &dial.path).clone();
            for attempt in 0.. {
                if part.iter().all(|x| *x == 0.0) {
                    break;
                }
                *at(&mut config, &dial.path) = dial.value(&part, self.least_width);
                if is_valid(&config) {
                    break;
                }
                *at(&mut config, &dial.path) = before.clone();
                let share = if attempt < 4 { 0.5 } else { 0.0 };
                part.iter_mut().for_each(|x| *x *= share);
            }
            went.extend(part);
        }
        (config, went)
    }

    /// `x` without the dials whose moves hardly matter: `weights` tells how much, by end.
    pub(super) fn without_crumbs(&self, x: &[f64], weights: &[f64]) -> Vec<f64> {
        let parts = self.parts(x).zip(self.parts(weights));
        let kept = parts.map(|((_, part), (_, weights))| {
            let share = if weights.iter().sum::<f64>() < CRUMB {
                0.0
            } else {
                1.0
            };
            part.iter().map(move |x| x * share)
        });
        kept.flatten().collect()
    }
}

/// The value at `path`, which [`find`] has walked.
fn at<'a>(config: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter()
        .fold(config, |value, key| &mut value[key.as_str()])
}

fn find(value: &Value, path: &mut Vec<String>, found: &mut Vec<Dial>) {
    let decimal = |value: &Value| value.as_f64().filter(|_| value.is_f64());
    let setting = match value {
        Value::Object(map) => {
            for (key, inner) in map {
                path.push(key.clone());
                find(inner, path, found);
                path.pop();
            }
            None
        }
        Value::Array(pair) => match pair
            .iter()
            .map(decimal)
            .collect::<Option<Vec<_>>>()
            .as_deref()
        {
            Some(&[low, high]) if low < high && high - low != 360.0 => Some(Setting::Range {
                ends: [low, high],
                logarithmic: low > 0.0 && high > 10.0 * low,
            }),
            _ => None,
        },
        other => decimal(other).filter(|n| *n > 0.0).map(Setting::Number),
    };
    if let Some(setting) = setting {
        found.push(Dial {
            path: path.clone(),
            setting,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Value {
        json!({
            "count": 10, "size": 64, "name": "x", "off": 0.0, "fixed": [0.5, 0.5],
            "counts": [0, 3], "turn": [-180.0, 180.0], "list": [0.1, 0.2, 0.3],
            "lens": { "noise": [0.0, 0.004], "share": 0.2, "exposure": [0.02, 2.0] },
            "mesh": { "motion": { "shift": [0.0, 0.1] } },
        })
    }

    #[test]
    fn ranges_and_decimal_numbers_are_dials() {
        let panel = Panel::new(&config(), &[], 0.5);
        let names: Vec<String> = panel.dials.iter().map(Dial::name).collect();
        assert_eq!(names, ["lens.exposure", "lens.noise", "lens.share"]);
        assert_eq!(panel.ends(), 5);
        let kept = Panel::new(&config(), &["lens.noise".into(), "lens.sh".into()], 0.5);
        assert_eq!(kept.dials.len(), 2);
        assert_eq!(Panel::new(&config(), &["lens".into()], 0.5).ends(), 0);
    }

    #[test]
    fn ends_move_in_widths_and_keep_apart() {
        let panel = Panel::new(&config(), &[], 0.5);
        let any = |_: &Value| true;
        let (moved, _) = panel.project(&config(), &[0.0, 0.5, -1.0, 1.0, -1.0], &any);
        assert_eq!(moved["lens"]["exposure"], json!([0.02, 20.0]));
        assert_eq!(moved["lens"]["noise"], json!([0.0, 0.008]));
        assert_eq!(moved["lens"]["share"], json!(0.1));
        let (narrow, _) = panel.project(&config(), &[0.0, 0.0, 0.5, -0.5, 0.0], &any);
        assert_eq!(narrow["lens"]["noise"], json!([0.001, 0.003]));
        let (same, went) = panel.project(&config(), &[0.0; 5], &any);
        assert_eq!((same, went), (config(), vec![0.0; 5]));
    }

    #[test]
    fn what_the_stage_refuses_is_approached() {
        let panel = Panel::new(&config(), &[], 0.5);
        let at_most = |c: &Value| c["lens"]["share"].as_f64().is_some_and(|s| s <= 0.5);
        let (moved, went) = panel.project(&config(), &[0.0, 0.0, 0.0, 0.0, 9.0], &at_most);
        assert_eq!(moved["lens"]["share"], json!(0.4));
        assert_eq!(went[4], 1.0);
        let (stuck, went) = panel.project(&config(), &[1.0; 5], &|c| *c == config());
        assert_eq!((stuck, went), (config(), vec![0.0; 5]));
    }
}
