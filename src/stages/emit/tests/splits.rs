//! Splits, by their names.

use super::*;

#[test]
fn any_split_keeps_its_name_and_train_comes_first() {
    let mut samples = samples();
    let splits = ["train", "val", "test", "fold-2"];
    for (sample, split) in samples.iter_mut().zip(splits.iter().cycle()) {
        sample.provenance.split = Some((*split).into());
    }
    let out = tempfile::tempdir().unwrap();
    let summary = emit("", &samples, 5, out.path()).unwrap();
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    for expected in [
        "| class | train | val | test | fold-2 |\n",
        "| all | 3 | 3 | 3 | 3 |\n",
        "  - split: train\n    path: train/**\n  - split: validation\n    path: val/**\n  - split: test\n",
        "  - split: \"fold_2\"\n    path: fold-2/**\n",
    ] {
        assert!(card.contains(expected), "{expected}\n{card}");
    }
    let rows: Vec<SplitRow> = table::read(&out.path().join("manifest.parquet")).unwrap();
    for ((row, sample), split) in rows.iter().zip(&samples).zip(splits.iter().cycle()) {
        assert_eq!(row.split, *split);
        let bytes = std::fs::read(out.path().join(&row.file)).unwrap();
        assert!(row.file.starts_with(&format!("{split}/")) && bytes == sample.image);
    }
    for split in splits {
        let images = summary["images"][split].as_object().unwrap();
        assert_eq!(
            images
                .values()
                .filter_map(serde_json::Value::as_u64)
                .sum::<u64>(),
            3
        );
        let path = out
            .path()
            .join(format!("annotations/instances_{split}.json"));
        assert_eq!(
            hotcoco::COCO::new(&path)
                .unwrap()
                .get_img_ids(&[], &[])
                .len(),
            3
        );
        let lines = std::fs::read_to_string(out.path().join(split).join("metadata.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), 3);
    }
}

#[derive(serde::Deserialize)]
struct SplitRow {
    file: String,
    split: String,
}

#[test]
fn samples_without_a_split_are_train_if_all_are() {
    let mut samples = samples();
    for sample in &mut samples {
        sample.provenance.split = None;
    }
    let out = tempfile::tempdir().unwrap();
    let summary = emit("", &samples, 5, out.path()).unwrap();
    assert_eq!(
        summary["images"],
        serde_json::json!({ "train": { "one": 8, "two": 4 } })
    );

    samples[7].provenance.split = Some("test".into());
    let out = tempfile::tempdir().unwrap();
    let error = emit("", &samples, 5, out.path()).unwrap_err().to_string();
    assert!(
        error.contains("split-000000 has no split, but split-000007 has one"),
        "{error}"
    );
    assert!(artifact::walk(out.path()).unwrap().is_empty());
}

#[test]
fn a_split_that_leaves_the_folder_is_refused() {
    for split in ["", "../up", ".hidden", "latest"] {
        let mut samples = samples();
        samples[3].provenance.split = Some(split.into());
        let out = tempfile::tempdir().unwrap();
        let error = emit("", &samples, 5, out.path()).unwrap_err().to_string();
        assert!(
            error.contains("split-000003 is not a valid folder name"),
            "{error}"
        );
    }
}
