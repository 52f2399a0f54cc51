//! Conversions of datasets with faults.

use super::hostile::{assert_flaws, folder};
use super::*;

#[test]
fn pictures_of_another_size_than_their_labels_are_not_converted() {
    let coco = serde_json::json!({
        "images": [
            { "id": 1, "file_name": "a.png", "width": 10, "height": 8 },
            { "id": 2, "file_name": "b.png", "width": 20, "height": 8 },
            { "id": 3, "file_name": "c.png", "width": 10, "height": 8 },
        ],
        "categories": [{ "id": 1, "name": "x" }], "annotations": [],
    });
    let folder = folder(&[
        ("in/instances_train.json", &coco.to_string()),
        ("in/a.png", ""),
        ("in/b.png", ""),
        ("in/c.png", ""),
    ]);
    // A header of 100000×100000 pixels in a few bytes.
    let path = folder.path().join("in/c.png");
    let mut bomb = std::fs::read(&path).unwrap();
    bomb[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let sum = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    std::fs::write(&path, bomb).unwrap();
    let from = folder.path().join("in");
    let conversion = |strict, to: &str| {
        convert::Conversion {
            from: &from,
            read_as: detect(&from).unwrap(),
            to: &folder.path().join(to),
            write_as: detect(&from).unwrap(),
            strict,
            link: false,
        }
        .run(&mut |_, _| Ok(()))
    };
    let converted = conversion(false, "out").unwrap();
    assert_eq!(converted.pictures, 1);
    let flaws = converted.findings.flaws.into_iter();
    let flaws = flaws.map(|flaw| format!("{} {}", flaw.place, flaw.problem));
    assert_flaws(
        &flaws.collect::<Vec<_>>(),
        &["b.png|10×8|20×8", "c.png|100000×100000|more than are read"],
    );
    let error = conversion(true, "strict").unwrap_err().to_string();
    assert!(
        error.contains("b.png") && error.contains("help:"),
        "{error}"
    );
}

/// The CRC-32 of PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn captions_of_a_table_are_read_and_kept() {
    let table =
        "file_name,text,label\na.png,\"a dark, red disc\",disc\nb.png,,disc\n../c.png,x,disc\n";
    let folder = folder(&[
        ("train/metadata.csv", table),
        ("train/a.png", ""),
        ("train/b.png", ""),
    ]);
    let format = detect(folder.path()).unwrap();
    assert_eq!(format.name, "huggingface");
    let pictures = format.pictures(folder.path()).unwrap();
    let captions: Vec<_> = pictures
        .iter()
        .map(|p| p.labels.caption.as_deref())
        .collect();
    assert_eq!(captions, [Some("a dark, red disc"), None]);
    assert_eq!(pictures[1].labels.class.as_deref(), Some("disc"));
    assert_eq!(pictures[1].split.as_deref(), Some("train"));
    let findings = format.visit(folder.path(), false, &mut |_| Ok(())).unwrap();
    assert!(
        format!("{findings:?}").contains("metadata.csv:4"),
        "{findings:?}"
    );
    // A table with corners is one of boxes.
    let boxes = "file_name,label,xmin,ymin,xmax,ymax\na.png,disc,0,0,1,1\n";
    std::fs::write(folder.path().join("train/metadata.csv"), boxes).unwrap();
    assert_eq!(detect(&folder.path().join("train")).unwrap().name, "csv");
}
