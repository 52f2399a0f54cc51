//! How pictures are stored, how large shards become, and what the card tells the Hub.

use image::ImageFormat;

use super::*;
use crate::formats::verify::verify;
use crate::formats::{detect_all, detect_for};

/// The dataset of [`samples`] with these settings.
fn emitted(text: &str) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    emit(&format!("{CONFIG}\n{text}"), &samples(), 5, out.path()).unwrap();
    out
}

/// The pictures of a dataset as its manifest lists them.
fn pictures(root: &Path) -> Vec<crate::formats::Picture> {
    detect_all(root).unwrap()[0].pictures(root).unwrap()
}

#[test]
fn pictures_are_stored_as_asked_and_every_format_reads_them() {
    for (settings, ending, format) in [
        ("image = 'jpeg'", "jpg", ImageFormat::Jpeg),
        ("image = 'jpeg'\nquality = 30", "jpg", ImageFormat::Jpeg),
        ("image = 'webp'", "webp", ImageFormat::WebP),
        ("image = 'png'", "png", ImageFormat::Png),
    ] {
        let out = emitted(&format!("{settings}\nmaps = ['depth']"));
        let read = pictures(out.path());
        assert_eq!(read.len(), 12);
        for (picture, sample) in read.iter().zip(samples()) {
            let bytes = picture.encoded().unwrap();
            assert_eq!(image::guess_format(&bytes).unwrap(), format);
            assert!(picture.file.ends_with(format!("{}.{ending}", sample.id)));
            let (stored, made) = (picture.pixels().unwrap(), sample.pixels().unwrap());
            let most = stored.iter().zip(made.iter());
            let most = most.map(|(a, b)| a.abs_diff(*b)).max();
            assert_eq!(most == Some(0), ending != "jpg", "{settings}: {most:?}");
        }
        let report = verify(out.path(), &mut |_, _| Ok(())).unwrap();
        // The pictures of these samples are alike, and their masks lie under each other.
        let told = ["duplicate", "split", "mask", "keypoints"];
        let wrong = report
            .doubts
            .iter()
            .filter(|doubt| !told.contains(&doubt.kind));
        assert_eq!(wrong.map(|d| &d.problem).collect::<Vec<_>>(), [""; 0]);
        let map = std::fs::read(out.path().join("maps/depth/val/split-000009.png")).unwrap();
        assert_eq!(image::guess_format(&map).unwrap(), ImageFormat::Png);
        let sums = std::fs::read_to_string(out.path().join("SHA256SUMS")).unwrap();
        assert!(sums.contains(&format!("  train/two/split-000000.{ending}\n")));
        for kind in FORMATS.iter().filter(|format| format.write.is_some()) {
            let out = emitted(&format!("{settings}\nformats = ['{}']", kind.name));
            let read = kind.pictures(out.path()).unwrap();
            assert_eq!(read.len(), 12, "{}", kind.name);
            let bytes = read[0].encoded().unwrap();
            assert_eq!(
                image::guess_format(&bytes).unwrap(),
                format,
                "{}",
                kind.name
            );
        }
    }
}

#[test]
fn jpegs_have_colours_at_full_resolution() {
    // Columns of two colours of the same brightness, which subsampling would mix.
    let colour = |x, _| Rgb(if x % 2 == 0 { [255, 0, 0] } else { [0, 130, 0] });
    let pixels = RgbImage::from_fn(32, 32, colour);
    let mut sample = samples().remove(0);
    sample.image = encode_png(&pixels).unwrap();
    let config: Emit = toml::from_str("image = 'jpeg'\nquality = 100").unwrap();
    let stored = config.picture(&sample).unwrap();
    let stored = crate::sample::image::decode_rgb(&stored, "stored").unwrap();
    let most = stored.iter().zip(pixels.iter());
    let most = most.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(most < 12, "{most}");
}

#[test]
fn a_quality_without_jpeg_is_refused() {
    for (text, word) in [
        ("quality = 90", "jpeg"),
        ("image = 'webp'\nquality = 90", "jpeg"),
        ("image = 'jpeg'\nquality = 0", "1 and 100"),
        ("image = 'jpeg'\nquality = 101", "1 and 100"),
        ("shard_size = 0", "shard_size"),
        ("formats = ['solo']", "`solo`, which is only read"),
        ("formats = ['coco', 'coco-polygons']", "the same files"),
        (
            "formats = ['yolo', 'csv', 'yolo-pose']",
            "`yolo` and `yolo-pose`",
        ),
        ("date = '31.1.2026'", "2026-01-31"),
        ("url = 'example'", "https://"),
    ] {
        let config: Emit = toml::from_str(text).unwrap();
        let problem = config.check().unwrap_err();
        assert!(problem.contains(word), "{text}: {problem}");
    }
    let unknown = toml::from_str::<Emit>("image = 'tiff'").unwrap_err();
    assert!(unknown.message().contains("`jpeg`"), "{unknown}");
}

#[test]
fn shards_have_the_size_that_is_asked_for_and_no_picture_is_cut() {
    let noise = |seed: u32| {
        let value =
            |x: u32, y: u32| (x * 7919 + y * 104_729 + seed * 31).wrapping_mul(2_654_435_761);
        RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
            Rgb([0, 8, 16].map(|shift| (value(x, y) >> shift) as u8))
        })
    };
    let samples: Vec<Sample> = (0..700)
        .map(|index| {
            let mut sample = samples().remove(0);
            sample.id = format!("split-{index:06}");
            sample.image = encode_png(&noise(index)).unwrap();
            sample
        })
        .collect();
    let out = tempfile::tempdir().unwrap();
    let config = "formats = ['webdataset', 'parquet']\nshard_size = 1";
    emit(config, &samples, 50, out.path()).unwrap();
    for (name, folder, ending) in [("webdataset", "", "tar"), ("parquet", "data", "parquet")] {
        let files = std::fs::read_dir(out.path().join(folder))
            .unwrap()
            .flatten();
        let shards = files.filter(|file| file.path().extension().is_some_and(|e| e == ending));
        let names = shards.filter(|file| file.file_name() != "manifest.parquet");
        let sizes: Vec<u64> = names.map(|file| file.metadata().unwrap().len()).collect();
        assert!(sizes.len() > 2, "{sizes:?}");
        // The end of a tar takes two blocks, and a table has labels and a footer.
        assert!(
            sizes.iter().all(|size| *size <= (1 << 20) + (64 << 10)),
            "{sizes:?}"
        );
        let format = FORMATS.iter().find(|f| f.name == name).unwrap();
        assert_eq!(format.pictures(out.path()).unwrap().len(), 700);
    }
    assert!(
        out.path()
            .join("data/train-00000-of-00003.parquet")
            .is_file()
    );
}

#[test]
fn the_card_names_the_files_and_tasks_for_the_hub() {
    let out = emitted("formats = ['parquet']\ncitation = '@misc{x}'");
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    for expected in [
        "  - split: train\n    path: data/train-*.parquet\n",
        "task_categories:\n- image-classification\n- object-detection\n- image-segmentation\n- keypoint-detection\n",
        "![Some of the images](samples.png)",
        "## Citation\n\n```\n@misc{x}\n```\n",
        "- the images lie in the files of the format `parquet`\n",
    ] {
        assert!(card.contains(expected), "{expected}\n{card}");
    }
    let sheet = crate::sample::image::read_rgb(&out.path().join("samples.png")).unwrap();
    // Twelve pictures in rows of eight.
    assert_eq!(sheet.dimensions(), (8 * 98 + 2, 2 * 98 + 2));
    let out = emitted("formats = ['webdataset']");
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(card.contains("path: train-*.tar\n"), "{card}");
    assert!(!card.contains("ImageFolder"), "{card}");
}

#[test]
fn croissant_says_what_the_settings_say() {
    let out = emitted(
        "creator = 'Example Robotics'\nurl = 'https://example.org'\ndate = '2026-01-31'\n\
         citation = '@misc{x}'\ndescription = 'Blocks.'",
    );
    let text = std::fs::read_to_string(out.path().join("croissant.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, value) in [
        ("name", "blocks"),
        ("description", "Blocks."),
        ("url", "https://example.org"),
        ("datePublished", "2026-01-31"),
        ("citeAs", "@misc{x}"),
        ("version", "1.2"),
    ] {
        assert_eq!(document[key], value);
    }
    assert_eq!(document["creator"]["name"], "Example Robotics");
    assert_eq!(document["license"]["name"], "CC-BY-4.0");
    let made = &document["prov:wasGeneratedBy"];
    assert_eq!(made[0]["prov:label"], "render");
    assert_eq!(
        made[0]["prov:used"][0]["prov:label"],
        "die.gltf (12 pictures)"
    );
    assert_eq!(
        document["rai:dataPreprocessingProtocol"],
        serde_json::json!(["blur"])
    );
    // Every file that it names has the hash that it says.
    for file in document["distribution"].as_array().unwrap() {
        let Some(name) = file["contentUrl"].as_str() else {
            continue;
        };
        let hash = crate::artifact::soundness::sha256_file(&out.path().join(name)).unwrap();
        assert_eq!(file["sha256"], hash, "{name}");
    }
    let holds = FORMATS
        .iter()
        .find(|f| f.name == "croissant")
        .unwrap()
        .holds;
    assert_eq!(detect_for(out.path(), holds).unwrap().name, "croissant");
}
