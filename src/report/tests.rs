//! The report as a whole: whole, interrupted, failed and damaged runs.

use std::collections::BTreeMap;

use super::exhibition::Exhibition;
use super::write;
use crate::artifact::run::{FailedStage, Judgement, RunRecord, Status};
use crate::artifact::{Artifact, MANIFEST};
use crate::stage::StageKind;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place};
use crate::stages::STAGES;
use crate::testing::dice_run::dice_run;
use crate::testing::{bare_record, stage_record};

fn kinds() -> Vec<&'static StageKind> {
    STAGES.iter().collect()
}

fn report(record: &RunRecord) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let started = std::time::Instant::now();
    write(record, &kinds(), &path).unwrap();
    println!("the report took {:?}", started.elapsed());
    std::fs::read_to_string(&path).unwrap()
}

/// The page without the embedded bytes, whose letters spell anything.
fn without_pictures(page: &str) -> String {
    let mut pieces = page.split("base64,");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += piece.split_once('"').unwrap().1;
    }
    text
}

/// `REPORT_TO=FOLDER` keeps the pages, to be looked at.
fn keep(page: &str, name: &str) {
    if let Ok(folder) = std::env::var("REPORT_TO") {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path.with_extension("html"), page).unwrap();
    }
}

#[test]
fn a_whole_run_is_one_file_with_every_section() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 1800);
    let page = report(&record);
    keep(&page, "whole");
    let sections = page.split("<section id=\"").skip(1);
    let anchors: Vec<&str> = sections
        .map(|section| section.split('"').next().unwrap())
        .collect();
    let expected = "verdict recognisers warnings pipeline pictures labels training gate pseudo-labels \
                    classes confusions measurements time-and-memory real-labels";
    assert_eq!(anchors.join(" "), expected);
    for outside in ["http://", "https://", "<script", "url(\"", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let text = without_pictures(&page);
    let measurements = text.split("<section id=\"measurements\"").nth(1).unwrap();
    let measurements = measurements.split("</section>").next().unwrap();
    // A stage whose figures stand in the head alone is listed, one with other figures is not.
    assert!(measurements.contains("<th>emit</th>") && !measurements.contains("<th>gate</th>"));
    for wrong in ["NaN", "class=\"none\""] {
        assert!(!text.contains(wrong), "{wrong}");
    }
    for shown in [
        "labelled pictures",
        "accuracy on real photos",
        "samples rejected",
        "Not good enough yet: adapter.",
        "Raise <code>steps</code> of <code>train</code>.",
        "lost on the way there and back",
        ">training step<",
    ] {
        assert!(text.contains(shown), "{shown}");
    }
}

#[test]
fn every_stage_exhibits_what_the_example_has_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 60);
    let artifacts = record.stages.iter();
    let artifacts: BTreeMap<_, _> = artifacts
        .map(|stage| (stage.id.as_str(), Artifact::open(&stage.folder).unwrap()))
        .collect();
    for kind in STAGES {
        let mut stages = record.stages.iter();
        let Some(stage) = stages.find(|stage| stage.stage == kind.name) else {
            let others = [
                "select", "join", "learn", "generate", "sculpt", "motion", "animate", "pose",
            ];
            assert!(others.contains(&kind.name), "{}", kind.name);
            continue;
        };
        let inputs = stage.from.iter();
        let evidence = Evidence {
            artifact: &artifacts[stage.id.as_str()],
            inputs: inputs
                .map(|(role, id)| (role.as_str(), &artifacts[id.as_str()]))
                .collect(),
        };
        let exhibits = (kind.exhibit)(&evidence).unwrap();
        for exhibit in &exhibits {
            super::exhibits::draw(&stage.id, exhibit);
        }
        // Without its inputs it shows less, but does not fail.
        let evidence = Evidence {
            inputs: BTreeMap::new(),
            ..evidence
        };
        assert_eq!((kind.exhibit)(&evidence).unwrap().len(), exhibits.len());
    }
}

#[test]
fn a_stage_that_nobody_knows_is_drawn_by_what_it_exhibits() {
    fn exhibit(evidence: &Evidence) -> crate::Result<Vec<Exhibit>> {
        let text = format!("fired at {} <degrees>", evidence.summary()["heat"]);
        let section = (Place::Work, "Kiln & glaze");
        Ok(vec![Exhibit::new(section, "", Content::Text(text))])
    }
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 12);
    let kilns = STAGES.iter().map(|kind| StageKind {
        exhibit,
        inputs: &[],
        ..*kind
    });
    let kilns: Vec<StageKind> = kilns.collect();
    let path = folder.path().join("report.html");
    let figures = write(&record, &kilns.iter().collect::<Vec<_>>(), &path).unwrap();
    assert!(figures.is_empty());
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("<h2>Kiln &amp; glaze</h2>"));
    assert!(page.contains("&lt;degrees&gt;") && page.contains("No stage of this run read any"));
}

#[test]
fn the_strips_follow_one_origin_each_through_what_changes_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 300);
    let kinds = kinds();
    let exhibition = Exhibition::of(&record, &kinds);
    assert_eq!(exhibition.lineages.len(), 1);
    let lineage = &exhibition.lineages[0];
    // What neither changes nor joins pictures has no column.
    assert_eq!(lineage.sheet.columns, ["render", "translate", "augment"]);
    for row in &lineage.sheet.rows {
        let samples = row.pictures.iter().flatten();
        let origins: Vec<_> = samples.map(|s| &s.provenance.origin).collect();
        assert!(origins.len() == 3 && origins.iter().all(|o| *o == origins[0]));
    }
    let (photos, _) = lineage.photos.as_ref().unwrap();
    assert_eq!(photos, "photos");
}

#[test]
fn an_interrupted_run_without_artifacts_has_a_report() {
    let page = report(&bare_record());
    assert!(page.contains("interrupted") && page.contains("No stage of this run read any"));
    let mut record = bare_record();
    record.status = Status::Failed;
    record.error = Some("form: out of <memory>".into());
    record.stages = vec![
        stage_record("clay", "dig", &[]),
        stage_record("a\"b<c>", "throw", &[("clay", "clay"), ("form", "form")]),
    ];
    record.failed = Some(FailedStage {
        id: "form".into(),
        stage: "learn".into(),
        from: [("clay".into(), "clay".into())].into(),
        reason: "form: out of <memory>".into(),
    });
    let page = report(&record);
    keep(&page, "failed");
    assert!(page.contains("out of &lt;memory&gt;") && page.contains("id=\"not-shown\""));
    assert!(page.contains("class=\"stage broken\"") && page.contains("did not finish"));
    assert!(!page.contains("<c>") && !page.contains("<memory>"));
}

#[test]
fn requirements_stand_first() {
    let mut record = bare_record();
    record.status = Status::Unmet;
    record.requirements = vec![Judgement {
        path: "evaluation.adapted.mean".into(),
        condition: ">= 0.95".into(),
        value: Some(0.887),
        met: false,
    }];
    let page = report(&record);
    keep(&page, "unmet");
    let mut sections = page.split("<section id=\"").skip(1);
    let section = sections.next().unwrap();
    assert!(section.starts_with("requirements"));
    for text in ["evaluation.adapted.mean", "0.887", "&gt;= 0.95", "not met"] {
        assert!(section.contains(text), "{text}");
    }
    record.requirements.clear();
    assert!(!report(&record).contains("id=\"requirements\""));
}

#[test]
fn broken_artifacts_are_left_out_with_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 300);
    let mut histories = record
        .stages
        .iter()
        .map(|stage| stage.folder.join("history.json"));
    std::fs::write(histories.find(|path| path.exists()).unwrap(), "{").unwrap();
    let shown = Exhibition::of(&record, &kinds())
        .lineages
        .remove(0)
        .sheet
        .columns;
    let part = folder.path().join(&shown[2]).join("part-00000.parquet");
    std::fs::write(part, "cut").unwrap();
    std::fs::write(record.stages[0].folder.join(MANIFEST), "[]").unwrap();
    let page = report(&record);
    let left_out = page.split("id=\"not-shown\"").nth(1).unwrap();
    for subject in ["history.json", "part-00000.parquet", &record.stages[0].id] {
        assert!(left_out.contains(subject), "{subject}");
    }
}

/// Names of stages are known to the stages alone: a report by name would need a change for each new one.
#[test]
fn no_file_of_the_report_names_a_stage() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report");
    let files = crate::artifact::walk(&folder).unwrap().into_iter();
    for path in files.filter(|path| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for kind in STAGES {
            let literal = format!("\"{}\"", kind.name);
            assert!(!text.contains(&literal), "{}: {literal}", path.display());
        }
    }
}
