//! What the report shows of a gate: its verdicts, and the best, the median and the worst samples.

use std::collections::{BTreeMap, HashMap};

use crate::Result;
use crate::artifact::{Artifact, parts, verdicts};
use crate::sample::{Sample, Verdict};

use super::evidence::ancestor;

/// A gate's verdicts and some of its samples.
pub struct Gate {
    /// The stage's id.
    pub stage: String,
    pub criteria: Vec<Criterion>,
    pub verdicts: Vec<Verdict>,
    /// Groups of samples with their titles: best, median, worst.
    pub groups: Vec<(&'static str, Vec<Example>)>,
}

/// A criterion as the gate's summary describes it.
pub struct Criterion {
    pub name: String,
    pub about: String,
    pub limit: f64,
    pub rejects_above: bool,
}

/// A judged sample with its pictures, as far as they are at hand.
pub struct Example {
    pub verdict: Verdict,
    pub render: Option<Sample>,
    pub output: Option<Sample>,
}

/// Samples shown of each group; twice as many of the worst.
const SHOWN: usize = 8;

impl Gate {
    /// Reads a gate's artifact, and pictures from the artifacts that it judged.
    ///
    /// # Errors
    /// Where the verdicts or a part cannot be read.
    pub fn read(
        artifact: &Artifact,
        samples: Option<&Artifact>,
        renders: Option<&Artifact>,
    ) -> Result<Self> {
        let verdicts = verdicts::read(&artifact.folder.join(verdicts::FILE))?;
        let criteria = criteria(&artifact.manifest.summary);
        let mut album = Album {
            part_of: parts_of(samples)?,
            samples,
            renders,
            open: BTreeMap::new(),
        };
        let mut groups = Vec::new();
        for (title, rows) in choose(&verdicts, &criteria) {
            let examples: Result<Vec<Example>> = rows
                .into_iter()
                .map(|row| album.example(&verdicts[row]))
                .collect();
            groups.push((title, examples?));
        }
        Ok(Gate {
            stage: artifact.manifest.id.clone(),
            criteria,
            verdicts,
            groups,
        })
    }
}

fn criteria(summary: &serde_json::Value) -> Vec<Criterion> {
    let entries = summary["criteria"].as_object().into_iter().flatten();
    entries
        .map(|(name, entry)| Criterion {
            name: name.clone(),
            about: entry["about"].as_str().unwrap_or_default().to_owned(),
            limit: entry["limit"].as_f64().unwrap_or(f64::NAN),
            rejects_above: entry["rejects"] == "above",
        })
        .collect()
}

/// Rows of the best, the median and the worst samples.
///
/// A sample ranks by the criterion in which it stands worst among all, so that no scale is needed.
fn choose(verdicts: &[Verdict], criteria: &[Criterion]) -> [(&'static str, Vec<usize>); 3] {
    let mut worst_place = vec![1.0f64; verdicts.len()];
    for criterion in criteria {
        let score = |row: usize| {
            let score = verdicts[row].scores.get(&criterion.name)?;
            Some(if criterion.rejects_above {
                -score
            } else {
                *score
            })
        };
        let mut order: Vec<(f32, usize)> = (0..verdicts.len())
            .filter_map(|row| Some((score(row)?, row)))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut place = 0;
        for i in 0..order.len() {
            // Equal scores stand at the same place: the last of them.
            if i == 0 || order[i].0 != order[i - 1].0 {
                place = order.partition_point(|other| other.0 <= order[i].0);
            }
            let share = place as f64 / order.len() as f64;
            worst_place[order[i].1] = worst_place[order[i].1].min(share);
        }
    }
    let mut kept: Vec<usize> = (0..verdicts.len())
        .filter(|&row| verdicts[row].is_kept())
        .collect();
    kept.sort_by(|&a, &b| worst_place[b].total_cmp(&worst_place[a]));
    let middle = (kept.len() / 2).saturating_sub(SHOWN / 2);
    let mut worst = rejected_in_turn(verdicts);
    worst.extend(kept.iter().rev());
    worst.truncate(2 * SHOWN);
    [
        ("best", kept.iter().take(SHOWN).copied().collect()),
        (
            "median",
            kept.iter().skip(middle).take(SHOWN).copied().collect(),
        ),
        ("worst", worst),
    ]
}

/// Rejected rows, one of each first reason in turn, so that one reason does not hide the others;
/// those with most reasons first.
fn rejected_in_turn(verdicts: &[Verdict]) -> Vec<usize> {
    let mut by_reason: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        if let Some(first) = verdict.reasons.first() {
            by_reason.entry(first).or_default().push(row);
        }
    }
    for rows in by_reason.values_mut() {
        rows.sort_by_key(|&row| std::cmp::Reverse(verdicts[row].reasons.len()));
    }
    let mut queues: Vec<_> = by_reason.into_values().map(Vec::into_iter).collect();
    let mut found = Vec::new();
    loop {
        let round: Vec<usize> = queues.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            return found;
        }
        found.extend(round);
    }
}

/// The number of the part in which each sample lies, by its id.
fn parts_of(samples: Option<&Artifact>) -> Result<HashMap<String, usize>> {
    let mut found = HashMap::new();
    for (number, path) in samples.iter().flat_map(|s| s.parts()).enumerate() {
        let ids = parts::read_ids(&path)?;
        found.extend(ids.into_iter().map(|id| (id, number)));
    }
    Ok(found)
}

/// Pictures by the sample's id, of which only the parts needed are read.
struct Album<'a> {
    part_of: HashMap<String, usize>,
    samples: Option<&'a Artifact>,
    renders: Option<&'a Artifact>,
    /// Parts read, with those of the renders of the same number.
    open: BTreeMap<usize, [Vec<Sample>; 2]>,
}

impl Album<'_> {
    fn example(&mut self, verdict: &Verdict) -> Result<Example> {
        let part = self.part_of.get(&verdict.id).copied();
        let [samples, renders] = match part {
            Some(part) => self.part(part)?,
            None => &[Vec::new(), Vec::new()],
        };
        let output = samples.iter().find(|s| s.id == verdict.id);
        Ok(Example {
            verdict: verdict.clone(),
            render: output.and_then(|output| ancestor(renders, output)).cloned(),
            output: output.cloned(),
        })
    }

    fn part(&mut self, number: usize) -> Result<&[Vec<Sample>; 2]> {
        let read = |artifact: Option<&Artifact>| {
            let path = artifact.and_then(|a| a.parts().nth(number));
            path.map_or(Ok(Vec::new()), |path| parts::read_part(&path))
        };
        if !self.open.contains_key(&number) {
            let both = [read(self.samples)?, read(self.renders)?];
            self.open.insert(number, both);
        }
        Ok(&self.open[&number])
    }
}

#[cfg(test)]
mod tests {
    use super::super::gates::section;
    use super::*;
    use crate::testing;
    use serde_json::json;

    /// A gate that judged 40 shapes: every tenth is rejected for its edges, `shape` says the scores.
    fn gate(folder: &std::path::Path, score: impl Fn(u64) -> f32) -> Gate {
        let folders = ["renders", "samples", "gate"].map(|name| folder.join(name));
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
        }
        let renders = testing::shapes(40, 16, 1);
        let mut samples = renders.clone();
        for sample in &mut samples {
            sample.provenance.parent = Some(std::mem::take(&mut sample.id));
            sample.id = format!("translate-{:06}", sample.index);
        }
        let verdict = |sample: &Sample| Verdict {
            id: sample.id.clone(),
            origin: sample.provenance.origin.clone(),
            source: "<b>.gltf".into(),
            class: sample.labels.class.clone(),
            reasons: match sample.index % 10 {
                0 => vec!["edges".into()],
                _ => Vec::new(),
            },
            scores: [("edges".to_owned(), score(sample.index))].into(),
        };
        let judged: Vec<Verdict> = samples.iter().map(verdict).collect();
        let renders = testing::publish(&folders[0], &renders, 16);
        let samples = testing::publish(&folders[1], &samples, 16);
        verdicts::write(&folders[2].join(verdicts::FILE), &judged).unwrap();
        let mut artifact = testing::publish(&folders[2], &[], 16);
        artifact.manifest.summary = json!({ "criteria": { "edges": {
            "about": "edges <moved>", "limit": 0.3, "rejects": "below",
        } } });
        Gate::read(&artifact, Some(&samples), Some(&renders)).unwrap()
    }

    #[test]
    fn the_section_counts_and_shows_best_median_and_worst_with_their_renders() {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate(folder.path(), |index| match index % 10 {
            0 => 0.1,
            n => 0.5 + index as f32 / 100.0 - n as f32 / 1000.0,
        });
        let sizes: Vec<usize> = gate.groups.iter().map(|(_, e)| e.len()).collect();
        assert_eq!(sizes, [SHOWN, SHOWN, 2 * SHOWN]);
        for (_, examples) in &gate.groups {
            for example in examples {
                let (render, output) = (example.render.as_ref(), example.output.as_ref());
                assert_eq!(output.unwrap().id, example.verdict.id);
                assert_eq!(
                    output.unwrap().provenance.parent,
                    render.map(|r| r.id.clone())
                );
            }
        }
        let best = &gate.groups[0].1[0].verdict;
        assert_eq!(best.id, "translate-000039");
        let worst = &gate.groups[2].1;
        assert!(worst[..4].iter().all(|e| !e.verdict.is_kept()));
        assert!(worst[4..].iter().all(|e| e.verdict.is_kept()));
        let page = section(&gate).into_string();
        for expected in [
            "kept 36 of 40 samples",
            "90.0 %",
            "edges &lt;moved&gt;",
            "≥ 0.3",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        assert!(!page.contains("<moved>"));
    }

    #[test]
    fn scores_that_are_all_alike_or_no_numbers_draw_finite_charts() {
        for value in [0.5, f32::NAN, f32::INFINITY] {
            let folder = tempfile::tempdir().unwrap();
            let gate = gate(folder.path(), |_| value);
            let page = section(&gate).into_string();
            let charts = page.split("<svg").skip(1);
            for chart in charts.map(|rest| rest.split("</svg>").next().unwrap()) {
                assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
            }
        }
    }
}
