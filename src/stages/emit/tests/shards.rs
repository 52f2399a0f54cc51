//! Pictures that lie in shards alone.

use super::*;
use crate::formats::verify::verify;
use crate::formats::{FormatName, Shelf};

/// The dataset of [`samples`] in these formats.
fn written(formats: &str) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    emit(&format!("formats = [{formats}]"), &samples(), 5, out.path()).unwrap();
    out
}

/// The names of all files that are pictures.
fn loose(root: &Path) -> Vec<String> {
    let files = artifact::walk(root).unwrap().into_iter();
    let names = files.map(|path| {
        path.strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    });
    let pictures = names.filter(|name| name.ends_with(".png") && name != sheet::FILE);
    pictures.collect()
}

#[test]
fn pictures_in_shards_are_not_written_again() {
    for (formats, file) in [
        ("'webdataset'", "train-000000.tar/split-000000.png"),
        ("'parquet'", "data/train-00000/split-000000.png"),
        (
            "'parquet', 'webdataset'",
            "train-000000.tar/split-000000.png",
        ),
    ] {
        let out = written(formats);
        assert_eq!(loose(out.path()), [""; 0], "{formats}");
        #[derive(Deserialize)]
        struct Row {
            file: String,
            blake3: String,
        }
        let rows: Vec<Row> = table::read(&out.path().join("manifest.parquet")).unwrap();
        assert_eq!(rows[0].file, file);
        let shelf = Shelf::of(out.path());
        for (row, sample) in rows.iter().zip(samples()) {
            let bytes = shelf.read(&row.file).unwrap();
            assert_eq!(bytes, sample.image, "{formats}: {}", row.file);
            assert_eq!(blake3::hash(&bytes).to_hex().as_str(), row.blake3);
        }
        let missing = shelf
            .read(&file.replace("000000.png", "9.png"))
            .unwrap_err();
        assert!(missing.to_string().contains("split-9.png"), "{missing}");
        for outside in ["../x.png", "/etc/passwd", "train-000000.tar/../../x.png"] {
            let refused = shelf.read(outside).unwrap_err().to_string();
            assert!(refused.contains("outside"), "{refused}");
        }
        // The manifest reads as that of any dataset, and all formats agree.
        let manifest = FormatName::find("manifest").unwrap().entry();
        let read = manifest.pictures(out.path()).unwrap();
        assert_eq!(*read[11].encoded().unwrap(), samples()[11].image);
        let report = verify(out.path(), &mut |_, _| Ok(())).unwrap();
        assert_eq!(report.pictures, 12);
        assert!(report.formats.contains(&"manifest"), "{:?}", report.formats);
        let wrong = report
            .doubts
            .iter()
            .filter(|d| ["files", "agreement", "labels"].contains(&d.kind));
        assert_eq!(
            wrong.map(|d| &d.problem).collect::<Vec<_>>(),
            [""; 0],
            "{formats}"
        );
        let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
        assert!(
            card.contains("the images lie in the files of the format"),
            "{card}"
        );
    }
}

#[test]
fn a_format_of_files_keeps_the_pictures_loose() {
    for formats in ["'webdataset', 'coco'", "", "'folders', 'parquet'"] {
        assert_eq!(loose(written(formats).path()).len(), 12, "{formats}");
    }
}
