//! What a gate shows: what it kept and rejected by class and by reason, its scores, and the best, the
//! median and the worst samples beside their renders.

use std::collections::{BTreeMap, BTreeSet};

use super::clips::{self, Flicker};
use super::objects;
use super::ruler;
use crate::Result;
use crate::artifact::{Artifact, parts, verdicts};
use crate::nn::ruler::Figures;
use crate::sample::{Sample, Verdict};
use crate::stage;
use crate::stage::exhibit::{
    Cell, Column, Content, Evidence, Exhibit, Figure, Histogram, Place, Row, Section, Sheet, Table,
    Tone, Value, Wanted, ancestor,
};

/// A criterion as the gate's summary describes it.
struct Criterion {
    name: String,
    about: String,
    limit: f64,
    rejects_above: bool,
}

/// Samples shown of each group; twice as many of the worst.
const SHOWN: usize = 8;

const SECTION: Section = (Place::Work, "Gate");

/// The exhibits of a gate's verdicts, with pictures from the artifacts that it judged.
///
/// # Errors
/// If the verdicts or a part cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let verdicts = verdicts::read(&evidence.artifact.folder.join(verdicts::FILE))?;
    let criteria = criteria(evidence.summary());
    let show = |title: &str, content| Exhibit::new(SECTION, title, content);
    let histograms = criteria
        .iter()
        .map(|criterion| histogram(&verdicts, criterion));
    let mut exhibits = vec![
        show("", overview(&verdicts, evidence.summary())),
        show("By class", by_class(&verdicts)),
        show("Reasons", by_reason(&verdicts, &criteria))
            .with_note("a sample can be rejected for several"),
        show("Scores", Content::Histograms(histograms.collect()))
            .with_note("blue: kept, red: rejected by this criterion, dashed line: its limit"),
    ];
    let figures = serde_json::from_value::<Figures>(evidence.summary()["ruler"].clone());
    if let Ok(figures) = figures {
        let note = "how well a classifier tells them from photos (50 % is guessing), and how far they are from photos";
        let table = show("Distance to the photos", ruler::table(&figures)).with_note(note);
        exhibits.insert(1, table);
    }
    let flicker = serde_json::from_value::<Flicker>(evidence.summary()["flicker"].clone());
    if let Ok(flicker) = flicker {
        let note = "mean difference between a pixel and where it is in the next frame; the renders' is the floor";
        exhibits.push(show("Flicker of clips", clips::table(&flicker)).with_note(note));
    }
    exhibits.extend(objects::table(evidence.summary()).map(|table| {
        show("Objects", table).with_note(
            "judged one by one in frames; a frame is shown below with those that were spoiled",
        )
    }));
    let spoiled = (0..verdicts.len()).filter(|&row| verdicts[row].objects.is_some());
    let spoiled = ("Spoiled objects", spoiled.take(SHOWN).collect());
    let groups = choose(&verdicts, &criteria).into_iter().chain([spoiled]);
    let groups: Vec<(&str, Vec<usize>)> = groups.collect();
    let chosen = groups.iter().flat_map(|(_, rows)| rows);
    let ids = chosen.map(|&row| verdicts[row].id.as_str()).collect();
    let renders = evidence.input("renders");
    let pictures = pictures(&ids, evidence.input("samples"), renders)?;
    let (columns, note): (&[&str], _) = match renders {
        Some(_) => (&["render", "translation"], "render and translation"),
        None => (&["picture"], ""),
    };
    for (title, rows) in groups.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        let row = |row: usize| {
            let mut row = pair(&verdicts[row], &criteria, &pictures);
            row.pictures.drain(..row.pictures.len() - columns.len());
            row
        };
        let sheet = Content::Pictures(Sheet {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: rows.into_iter().map(row).collect(),
            labels: false,
        });
        exhibits.push(show(title, sheet).with_note(note));
    }
    Ok(exhibits)
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

/// What the ruler says of the translations.
const RULER: [Wanted; 2] = [
    (
        "closed",
        "/ruler/closed/share",
        "of the distance to the photos closed",
        Value::Share,
    ),
    (
        "told apart",
        "/ruler/translations/two_sample/accuracy",
        "of translations and photos told apart (50 % is guessing)",
        Value::Share,
    ),
];

/// What it kept and rejected, and what it measured of all.
fn overview(verdicts: &[Verdict], summary: &serde_json::Value) -> Content {
    let kept = verdicts.iter().filter(|v| v.is_kept()).count();
    let rejected = verdicts.len() - kept;
    let share = rejected as f64 / verdicts.len().max(1) as f64;
    let figures = [
        ("kept", Value::Count(kept as u64), "samples kept"),
        (
            "rejected",
            Value::Count(rejected as u64),
            "samples rejected",
        ),
        (
            "rejected share",
            Value::Share(share),
            "of all samples rejected",
        ),
    ];
    let [kept, rejected, share] =
        figures.map(|(name, value, about)| Figure::new(name, value, about));
    let mut figures = vec![kept, rejected, share.compared()];
    let measured = stage::exhibit::figures(summary, &RULER).into_iter();
    figures.extend(measured.map(Figure::compared));
    if let Ok(flicker) = serde_json::from_value::<Flicker>(summary["flicker"].clone()) {
        let value = Value::Number(flicker.times());
        let about = "times the warping error of the renders";
        figures.push(Figure::new("flicker", value, about).compared());
    }
    Content::Figures {
        figures,
        chance: None,
    }
}

fn by_class(verdicts: &[Verdict]) -> Content {
    let mut classes: BTreeMap<Option<&str>, [usize; 2]> = BTreeMap::new();
    for verdict in verdicts {
        let counts = classes.entry(verdict.class.as_deref()).or_default();
        counts[usize::from(!verdict.is_kept())] += 1;
    }
    let row = |(class, [kept, rejected]): (Option<&str>, [usize; 2])| {
        vec![
            Cell::text(class.unwrap_or("no class")),
            Cell::count(kept),
            Cell::count(rejected),
            Cell::share(rejected as f64 / (kept + rejected) as f64),
        ]
    };
    let mut columns = Column::plain(&["class", "kept", "rejected"]);
    columns.push(Column::new("share rejected", Tone::Bad));
    Content::Table(Table {
        columns,
        rows: classes.into_iter().map(row).collect(),
    })
}

fn by_reason(verdicts: &[Verdict], criteria: &[Criterion]) -> Content {
    let row = |criterion: &Criterion| {
        let failed = |v: &&Verdict| v.reasons.contains(&criterion.name);
        let rejected = verdicts.iter().filter(failed).count();
        let sign = if criterion.rejects_above {
            "at most"
        } else {
            "at least"
        };
        vec![
            Cell::text(&criterion.name),
            Cell::text(&criterion.about),
            Cell::text(sign),
            Cell::Value(Value::Number(criterion.limit)),
            Cell::count(rejected),
            Cell::share(rejected as f64 / verdicts.len().max(1) as f64),
        ]
    };
    let mut columns = Column::plain(&["reason", "meaning", "scores kept", "", "rejected"]);
    columns.push(Column::new("of all", Tone::Bad));
    Content::Table(Table {
        columns,
        rows: criteria.iter().map(row).collect(),
    })
}

/// The scores of one criterion, by whether it rejected the sample.
fn histogram(verdicts: &[Verdict], criterion: &Criterion) -> Histogram {
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        let side = match verdict.reasons.contains(&criterion.name) {
            true => &mut failed,
            false => &mut passed,
        };
        side.extend(
            verdict
                .scores
                .get(&criterion.name)
                .map(|score| f64::from(*score)),
        );
    }
    Histogram {
        name: criterion.name.clone(),
        passed,
        failed,
        limit: criterion.limit,
    }
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
        ("Best", kept.iter().take(SHOWN).copied().collect()),
        (
            "Median",
            kept.iter().skip(middle).take(SHOWN).copied().collect(),
        ),
        ("Worst", worst),
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

/// The render and the translation of each of the samples `ids`, as far as they are at hand. Only the
/// parts that hold them are read.
fn pictures(
    ids: &BTreeSet<&str>,
    samples: Option<&Artifact>,
    renders: Option<&Artifact>,
) -> Result<BTreeMap<String, [Option<Sample>; 2]>> {
    let mut found = BTreeMap::new();
    for (number, path) in samples.iter().flat_map(|s| s.parts()).enumerate() {
        if !parts::read_ids(&path)?
            .iter()
            .any(|id| ids.contains(id.as_str()))
        {
            continue;
        }
        // Stages map part by part, so the renders lie in the part of the same number.
        let renders = match renders.and_then(|renders| renders.parts().nth(number)) {
            Some(path) => parts::read_part(&path)?,
            None => Vec::new(),
        };
        let outputs = parts::read_part(&path)?.into_iter();
        for output in outputs.filter(|output| ids.contains(output.id.as_str())) {
            let render = ancestor(&renders, &output).cloned();
            found.insert(output.id.clone(), [render, Some(output)]);
        }
    }
    Ok(found)
}

fn pair(
    verdict: &Verdict,
    criteria: &[Criterion],
    pictures: &BTreeMap<String, [Option<Sample>; 2]>,
) -> Row {
    let scores = criteria.iter().filter_map(|criterion| {
        let score = verdict.scores.get(&criterion.name)?;
        Some(format!("{} {score:.3}", criterion.name))
    });
    let scores: Vec<String> = scores.collect();
    Row {
        pictures: pictures
            .get(&verdict.id)
            .cloned()
            .unwrap_or_default()
            .into(),
        caption: verdict.class.clone().unwrap_or_else(|| "no class".into()),
        fault: match &verdict.objects {
            None => verdict.reasons.join(", "),
            Some(objects) => objects.clone(),
        },
        details: scores.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    /// The exhibits of a gate that judged 40 shapes: every tenth is rejected for its edges.
    fn exhibits(folder: &std::path::Path) -> Vec<Exhibit> {
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
            objects: None,
            id: sample.id.clone(),
            origin: sample.provenance.origin.clone(),
            source: "shape.gltf".into(),
            class: sample.labels.class.clone(),
            reasons: match sample.index % 10 {
                0 => vec!["edges".into()],
                _ => Vec::new(),
            },
            scores: match sample.index % 10 {
                0 => [("edges".to_owned(), 0.1)].into(),
                n => [(
                    "edges".to_owned(),
                    0.5 + sample.index as f32 / 100.0 - n as f32 / 1000.0,
                )]
                .into(),
            },
        };
        let judged: Vec<Verdict> = samples.iter().map(verdict).collect();
        let renders = testing::publish(&folders[0], &renders, 16);
        let samples = testing::publish(&folders[1], &samples, 16);
        verdicts::write(&folders[2].join(verdicts::FILE), &judged).unwrap();
        let mut artifact = testing::publish(&folders[2], &[], 16);
        artifact.manifest.summary = json!({ "criteria": { "edges": {
            "about": "edges moved", "limit": 0.3, "rejects": "below",
        } } });
        let evidence = Evidence {
            artifact: &artifact,
            inputs: [("samples", &samples), ("renders", &renders)].into(),
        };
        exhibit(&evidence).unwrap()
    }

    #[test]
    fn best_median_and_worst_stand_beside_their_renders() {
        let folder = tempfile::tempdir().unwrap();
        let exhibits = exhibits(folder.path());
        let sheets = exhibits
            .iter()
            .filter_map(|exhibit| match &exhibit.content {
                Content::Pictures(sheet) => Some(sheet),
                _ => None,
            });
        let sheets: Vec<&Sheet> = sheets.collect();
        let sizes: Vec<usize> = sheets.iter().map(|sheet| sheet.rows.len()).collect();
        assert_eq!(sizes, [SHOWN, SHOWN, 2 * SHOWN]);
        for row in sheets.iter().flat_map(|sheet| &sheet.rows) {
            let [Some(render), Some(output)] = &row.pictures[..] else {
                panic!("a picture is missing");
            };
            assert_eq!(output.provenance.parent.as_ref(), Some(&render.id));
        }
        let best = sheets[0].rows[0].pictures[1].as_ref();
        assert_eq!(best.unwrap().id, "translate-000039");
        let faults = sheets[2].rows.iter().filter(|row| !row.fault.is_empty());
        assert_eq!(faults.count(), 4);
        assert_eq!(sheets[2].rows[0].fault, "edges");
    }

    #[test]
    fn gates_are_compared_by_what_they_rejected_and_what_the_ruler_says() {
        let summary = json!({
            "ruler": {
                "closed": { "share": 0.5 },
                "translations": { "two_sample": { "accuracy": 0.9 } },
            },
            "flicker": { "pairs": 7, "renders": 0.02, "translations": 0.03 },
        });
        let Content::Figures { figures, .. } = overview(&[], &summary) else {
            panic!("no figures");
        };
        let compared = figures.iter().filter(|figure| figure.compared);
        let names: Vec<&str> = compared.map(|figure| figure.name.as_str()).collect();
        assert_eq!(names, ["rejected share", "closed", "told apart", "flicker"]);
        assert_eq!(figures[5].value, Value::Number(1.5));
    }

    #[test]
    fn what_is_kept_and_rejected_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let exhibits = exhibits(folder.path());
        let Content::Figures { figures, .. } = &exhibits[0].content else {
            panic!("no figures");
        };
        let values: Vec<_> = figures.iter().map(|figure| figure.value.clone()).collect();
        assert_eq!(
            values,
            [Value::Count(36), Value::Count(4), Value::Share(0.1)]
        );
        let Content::Histograms(histograms) = &exhibits[3].content else {
            panic!("no histograms");
        };
        assert_eq!(
            (histograms[0].passed.len(), histograms[0].failed.len()),
            (36, 4)
        );
    }
}
