//! The report as a whole: whole, interrupted, failed and damaged runs.

use super::evidence::Evidence;
use super::example::{bare_record, dice_run, stage};
use super::write;
use crate::artifact::run::{Judgement, RunRecord, Status};
use crate::artifact::{Artifact, MANIFEST};

fn report(record: &RunRecord) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let started = std::time::Instant::now();
    write(record, &path).unwrap();
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
    for anchor in [
        "recognisers",
        "pipeline",
        "pictures",
        "labels",
        "losses",
        "classes",
        "confusions",
        "measurements",
        "cost",
        "real-labels",
    ] {
        assert!(
            page.contains(&format!("<section id=\"{anchor}\"")),
            "{anchor}"
        );
    }
    assert!(!page.contains("id=\"left-out\""));
    for outside in ["http://", "https://", "<script", "url(\"", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!without_pictures(&page).contains("NaN"));
    assert!(page.matches("<figure class=\"strip\"").count() >= 24);
    assert!(
        !page.contains("class=\"none\""),
        "every row has its ancestors"
    );
    keep(&page, "whole");
}

#[test]
fn the_strips_show_one_origin_each() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 300);
    let evidence = Evidence::gather(&record);
    assert_eq!(evidence.sheets.len(), 1);
    let sheet = &evidence.sheets[0];
    assert_eq!(sheet.columns, ["render", "translate", "augment"]);
    for row in &sheet.rows {
        let origins: Vec<_> = row.iter().flatten().map(|s| &s.provenance.origin).collect();
        assert!(origins.len() == 3 && origins.iter().all(|o| *o == origins[0]));
    }
    let (photos, _) = sheet.photos.as_ref().unwrap();
    assert_eq!(photos, "photos");
}

#[test]
fn an_interrupted_run_without_artifacts_has_a_report() {
    let page = report(&bare_record());
    assert!(page.contains("interrupted") && page.contains("no label of a real photo was read"));
    let mut record = bare_record();
    record.status = Status::Failed;
    record.error = Some("train: out of <memory>".into());
    record.stages = vec![
        stage("render", "render", &[]),
        stage(
            "a\"b<c>",
            "translate",
            &[("renders", "render"), ("model", "train")],
        ),
    ];
    let page = report(&record);
    keep(&page, "failed");
    assert!(page.contains("out of &lt;memory&gt;") && page.contains("id=\"left-out\""));
    assert!(!page.contains("<c>") && !page.contains("<memory>"));
}

#[test]
fn requirements_stand_first() {
    let mut record = bare_record();
    record.status = Status::Unmet;
    record.requirements = vec![Judgement {
        path: "evaluate.adapted.mean".into(),
        condition: ">= 0.95".into(),
        value: Some(0.887),
        met: false,
    }];
    let page = report(&record);
    keep(&page, "unmet");
    let mut sections = page.split("<section id=\"").skip(1);
    let section = sections.next().unwrap();
    assert!(section.starts_with("requirements"));
    for text in ["evaluate.adapted.mean", "0.887", "&gt;= 0.95", "not met"] {
        assert!(section.contains(text), "{text}");
    }
    record.requirements.clear();
    assert!(!report(&record).contains("id=\"requirements\""));
}

#[test]
fn broken_artifacts_are_left_out_with_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let record = dice_run(folder.path(), 300);
    let open = |id: &str| Artifact::open(&folder.path().join(id)).unwrap();
    std::fs::write(folder.path().join("train/history.json"), "{").unwrap();
    std::fs::write(open("augment").parts().next().unwrap(), "cut").unwrap();
    std::fs::write(folder.path().join("render").join(MANIFEST), "[]").unwrap();
    let page = report(&record);
    let left_out = page.split("id=\"left-out\"").nth(1).unwrap();
    for subject in ["history.json", "part-00000.parquet", "render"] {
        assert!(left_out.contains(subject), "{subject}");
    }
}
