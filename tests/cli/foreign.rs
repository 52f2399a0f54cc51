//! Renders that were made elsewhere, with their labels, become a dataset.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::project::{Project, Tiny, names};

/// Twelve frames of 48 × 32 pixels with a square or a bar, and sometimes both, laid out as BlenderProc does.
fn project(stages: &str) -> Project {
    let mut project = Project::new();
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for number in 0..12_u32 {
        let square = [4 + number, 6, 10, 10];
        let bar = [26, 20 - number, 14, 5];
        let shapes = match number % 3 {
            0 => vec![(1, square)],
            1 => vec![(2, bar)],
            _ => vec![(1, square), (2, bar)],
        };
        let mut pixels = image::RgbImage::from_pixel(48, 32, image::Rgb([90, 100, 110]));
        for (category, [left, top, width, height]) in &shapes {
            for (x, y) in (0..*width).flat_map(|x| (0..*height).map(move |y| (x, y))) {
                pixels.put_pixel(
                    left + x,
                    top + y,
                    image::Rgb([200, 40 * *category as u8, 30]),
                );
            }
            let [after, between] = [32 * (48 - left - width) + 32 - top - height, 32 - height];
            let mut counts = vec![32 * left + top];
            for column in 0..*width {
                counts.push(*height);
                counts.push(if column + 1 < *width { between } else { after });
            }
            annotations.push(json!({
                "id": annotations.len() + 1, "image_id": number, "category_id": category, "iscrowd": 0,
                "bbox": [left, top, width, height], "area": width * height,
                "segmentation": { "counts": counts, "size": [32, 48] },
            }));
        }
        let file = format!("images/{number:06}.png");
        images.push(json!({ "id": number, "file_name": file, "width": 48, "height": 32 }));
        let png = verismo::sample::image::encode_png(&pixels).unwrap();
        project = project.file(&format!("made/{file}"), png);
    }
    let categories = json!([{ "id": 1, "name": "square" }, { "id": 2, "name": "bar" }]);
    let coco = json!({ "images": images, "annotations": annotations, "categories": categories });
    project
        .file("made/coco_annotations.json", coco.to_string())
        .photos("photos", 24)
        .file("tiny.toml", pipeline(stages))
}

fn pipeline(renders: &str) -> String {
    Tiny::new("")
        .photos(32)
        .stages(&format!(
            "[stages.renders]
use = \"ingest\"
path = \"made\"
format = \"coco\"
size = 32
{renders}
[stages.augment_source]
use = \"augment\"
from = {{ samples = \"renders\" }}
[stages.task]
from = {{ samples = \"augment_source\" }}
steps = 8
channels = 4
[stages.train]
from = {{ renders = \"renders\", photos = \"photos\", task = \"task\" }}
steps = 4
batch = 2
generator = {{ channels = 4, blocks = 1 }}
discriminator.channels = 4
[stages.translate]
from = {{ renders = \"renders\", model = \"train\" }}
[stages.gate]
from = {{ samples = \"translate\", renders = \"renders\", photos = \"photos\", task = \"task\" }}
max_lost = 1.0
[stages.augment]
from = {{ samples = \"translate\" }}
copies = 2"
        ))
        .publish("augment")
        + "formats = [\"yolo\", \"coco\"]\n"
}

#[test]
fn renders_from_elsewhere_are_translated_augmented_and_published() {
    let project = project("cut = \"objects\"");
    project.verismo(&["run", "tiny.toml"]).assert().success();
    let dataset = project.path("outputs/datasets/tiny/latest");
    let yaml = std::fs::read_to_string(dataset.join("data.yaml")).unwrap();
    assert!(yaml.contains("bar") && yaml.contains("square"), "{yaml}");
    // Eight squares and eight bars, twice each.
    let labels = names(&dataset.join("labels/train")).len();
    let validated = names(&dataset.join("labels/val")).len();
    assert_eq!(labels + validated, 32);
    project
        .verismo(&["verify", "outputs/datasets/tiny/latest"])
        .assert()
        .success();
    project
        .verismo(&["inspect", "tiny.toml", "renders"])
        .assert()
        .success();
}

#[test]
fn whole_frames_keep_all_their_objects() {
    let project = project("");
    project.verismo(&["run", "tiny.toml"]).assert().success();
    let coco = project.json("outputs/datasets/tiny/latest/annotations/instances_train.json");
    let annotations = coco["annotations"].as_array().unwrap().len();
    assert!(annotations >= 16, "{annotations}");
}

#[test]
fn another_format_is_named_before_anything_runs() {
    let project = project("");
    project
        .verismo(&["plan", "tiny.toml", "--set", "renders.format=\"bop\""])
        .assert()
        .code(2)
        .stderr(contains("looks like `coco`").and(contains("renders.format")));
    project
        .verismo(&["plan", "tiny.toml", "--set", "renders.cut=\"object\""])
        .assert()
        .code(2)
        .stderr(contains("frames"));
}
