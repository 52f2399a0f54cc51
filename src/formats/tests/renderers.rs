//! What other renderers write, made by `tests/interop/renderers.py`, is read as it is, or refused by name.

use serde_json::Value;

use super::*;
use crate::sample::maps::{self, depth};

const NAMES: [&str; 3] = ["replicator", "solo", "blenderproc"];

fn made() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/renderers")
}

/// A copy of a renderer's frames, whose files can be changed.
fn copied(name: &str) -> tempfile::TempDir {
    let (from, to) = (made().join(name), tempfile::tempdir().unwrap());
    for file in crate::artifact::walk(&from).unwrap() {
        let copy = to.path().join(file.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(file, copy).unwrap();
    }
    to
}

/// The pictures of a folder of this format, and what is wrong with it.
#[track_caller]
fn read(name: &str, folder: &Path) -> (Vec<Picture>, Vec<String>) {
    let format = detect(folder).unwrap();
    assert_eq!(format.name, name);
    let mut pictures = Vec::new();
    let findings = format.visit(folder, false, &mut |picture| {
        pictures.push(picture);
        Ok(())
    });
    let flaws = findings.unwrap().flaws.into_iter();
    let flaws = flaws.map(|flaw| format!("{} {}", flaw.place, flaw.problem));
    (pictures, flaws.collect())
}

/// The mask of an object of the truth.
fn mask(object: &Value) -> Mask {
    let rows = object["mask"].as_array().unwrap().iter();
    let rows: Vec<&str> = rows.map(|row| row.as_str().unwrap()).collect();
    let bitmap: Vec<bool> = rows.concat().chars().map(|c| c == '1').collect();
    Mask::from_bitmap(&bitmap, rows[0].len() as u32, rows.len() as u32)
}

#[test]
fn frames_of_other_renderers_are_read_as_they_are() {
    let truth = std::fs::read(made().join("truth.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    for name in NAMES {
        let (pictures, flaws) = read(name, &made().join(name));
        assert_eq!(flaws, [""; 0], "{name}");
        let frames = truth["frames"].as_array().unwrap();
        assert_eq!(pictures.len(), frames.len(), "{name}");
        for (picture, frame) in pictures.iter().zip(frames) {
            let pixels = picture.pixels().unwrap();
            let sum: u64 = pixels.iter().map(|&value| u64::from(value)).sum();
            assert_eq!(Some(sum), frame["sum"].as_u64(), "{name}");
            assert_eq!(picture.extent, Some(Extent::new(16, 12)), "{name}");
            let expected = frame["objects"].as_array().unwrap();
            let objects = picture.labels.objects();
            assert_eq!(objects.len(), expected.len(), "{name}");
            for (object, expected) in objects.iter().zip(expected) {
                assert_eq!(object.class, expected["class"].as_str().unwrap(), "{name}");
                assert_eq!(object.mask, Some(mask(expected)), "{name}");
                let bbox: [f32; 4] = serde_json::from_value(expected["bbox"].clone()).unwrap();
                assert_eq!(object.bbox_xywh, bbox, "{name}");
            }
            if name != "blenderproc" {
                let camera = picture.labels.camera.unwrap().to_array();
                assert_eq!(camera, [20.0, 20.0, 8.0, 6.0], "{name}");
            }
            if name != "solo" {
                let png = picture.labels.maps.get(&depth::MAP).unwrap();
                let step = picture.labels.maps.step(&depth::MAP).unwrap();
                let (values, _) = maps::decode(&depth::MAP, png, name).unwrap();
                let expected = frame["depth"].as_array().unwrap();
                for (value, expected) in values.iter().zip(expected) {
                    let expected = expected.as_f64().unwrap();
                    match value[0] {
                        u16::MAX => assert_eq!(expected, 0.0, "{name}"),
                        steps => {
                            let metres = f64::from(steps) * f64::from(step);
                            assert!((metres - expected).abs() < 2e-4, "{name}: {metres}");
                        }
                    }
                }
            }
        }
    }
    let (pictures, _) = read("replicator", &made().join("replicator"));
    let visible: Vec<f32> = pictures[0]
        .labels
        .objects()
        .iter()
        .map(|o| o.visible_fraction)
        .collect();
    assert_eq!(visible, [0.75, 1.0, 1.0]);
    let (pictures, _) = read("solo", &made().join("solo"));
    let points = &pictures[0].labels.objects()[0].keypoints;
    let names: Vec<&str> = points.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["corner", "tip"]);
    assert_eq!(points[0].xyv(), [1.5, 2.5, 2.0]);
    assert_eq!(points[1].visibility, Visibility::Outside);
}

/// Checks what is said of a folder that `change` damages, as `words` of each flaw separated by `|`.
#[track_caller]
fn assert_told(name: &str, change: impl FnOnce(&Path), pictures: usize, words: &[&str]) {
    let folder = copied(name);
    change(folder.path());
    let (read, flaws) = read(name, folder.path());
    assert_eq!(read.len(), pictures, "{flaws:#?}");
    hostile::assert_flaws(&flaws, words);
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(text)).unwrap();
}

#[test]
fn what_is_wrong_with_a_frame_is_named_and_the_others_are_read() {
    let cut = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let name = "replicator";
    let boxes = "bounding_box_2d_tight";
    // Without boxes that can be read, the instances are the objects.
    assert_told(
        name,
        |folder| cut(folder.join(format!("{boxes}_0001.npy"))),
        2,
        &["bounding_box_2d_tight_0001.npy|cut off"],
    );
    assert_told(
        name,
        |folder| {
            edit(&folder.join(format!("{boxes}_labels_0000.json")), |_| {
                "{}".into()
            });
        },
        2,
        &[
            "row 0|semantic id 0",
            "row 1|semantic id 1",
            "row 2|semantic id 0",
        ],
    );
    let segments = "instance_segmentation";
    assert_told(
        name,
        |folder| {
            let file = folder.join(format!("{segments}_semantics_mapping_0000.json"));
            std::fs::remove_file(file).unwrap();
            let small = encode_png(&RgbImage::new(8, 6)).unwrap();
            std::fs::write(folder.join(format!("{segments}_0001.png")), small).unwrap();
            cut(folder.join("distance_to_camera_0001.npy"));
        },
        2,
        &[
            "instance_segmentation_0000.png|semantics_mapping",
            "instance_segmentation_0001.png|8×6",
            "distance_to_camera_0001.npy|cut off",
        ],
    );
    assert_told(
        "solo",
        |folder| {
            let frame = folder.join("sequence.0/step0.frame_data.json");
            edit(&frame, |text| {
                text.replace("\"step0.camera.png\"", "\"../../x.png\"")
            });
            let frame = folder.join("sequence.1/step0.frame_data.json");
            edit(&frame, |text| text.replace("[7.0, 6.0]", "[0.0, 6.0]"));
            std::fs::remove_file(folder.join("sequence.1/step0.camera.instance segmentation.png"))
                .unwrap();
        },
        1,
        &[
            "sequence.0|outside its folder",
            "instance segmentation.png|",
            "capture 0|0 wide",
        ],
    );
    assert_told(
        "blenderproc",
        |folder| cut(folder.join("0.hdf5")),
        1,
        &["0.hdf5|"],
    );
    let folder = copied("blenderproc");
    for number in 0..2 {
        cut(folder.path().join(format!("{number}.hdf5")));
    }
    let format = detect(folder.path()).unwrap();
    let error = format.pictures(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("0.hdf5") && error.contains("help:"),
        "{error}"
    );
}

#[test]
fn a_format_that_is_only_read_says_so() {
    for name in NAMES {
        let format = FORMATS.iter().find(|format| format.name == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let conversion = convert::Conversion {
            from: &made().join(name),
            read_as: format,
            to: &folder.path().join("to"),
            write_as: format,
            strict: true,
            link: false,
        };
        let error = conversion.run(&mut |_, _| Ok(())).unwrap_err().to_string();
        assert!(
            error.contains("only read") && error.contains("coco"),
            "{error}"
        );
        assert!(!folder.path().join("to").exists());
    }
}

#[test]
fn mutated_frames_are_read_or_refused() {
    for name in NAMES {
        let folder = copied(name);
        let format = detect(folder.path()).unwrap();
        let mut kinds = BTreeSet::new();
        let files = crate::artifact::walk(folder.path()).unwrap();
        let is_new = |path: &PathBuf| {
            let digits = |c: char| c.is_ascii_digit();
            kinds.insert(file_name(path).replace(digits, ""))
        };
        for path in files.into_iter().filter(is_new) {
            let sound = std::fs::read(&path).unwrap();
            assert_survived(
                &format!("{name} {}", file_name(&path)),
                &sound,
                |_| {},
                |bytes| {
                    std::fs::write(&path, bytes).unwrap();
                    format.pictures(folder.path())
                },
            );
            std::fs::write(&path, sound).unwrap();
        }
    }
}
