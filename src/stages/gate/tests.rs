//! Every reason provoked by translations broken on purpose, and none by good ones.

mod alone;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use image::{Rgb, RgbImage};
use rand::RngExt;

use super::*;
use crate::Error;
use crate::sample::Domain;
use crate::sample::image::encode_png;
use crate::seed::Seed;
use crate::testing;

/// Renders of discs and squares.
fn renders() -> Vec<Sample> {
    testing::shapes(60, 32, 5)
}

/// One in five is broken: some of both classes, fewer than may be lost.
fn is_broken(sample: &Sample) -> bool {
    sample.index.is_multiple_of(5)
}

/// `renders` as their translations: slightly darker and yellower, and `broken` where [`is_broken`].
fn translated(renders: &[Sample], broken: impl Fn(&Sample, &RgbImage) -> RgbImage) -> Vec<Sample> {
    let translate = |render: &Sample| {
        let mut picture = render.pixels().unwrap();
        for pixel in picture.pixels_mut() {
            let [r, g, b] = pixel.0;
            pixel.0 = [r - r / 10, g - g / 10, b - b / 5];
        }
        if is_broken(render) {
            picture = broken(render, &picture);
        }
        let mut sample = render.clone();
        sample.id = format!("translate-{:06}", render.index);
        sample.image = encode_png(&picture).unwrap();
        sample.provenance.parent = Some(render.id.clone());
        sample.provenance.domain = Domain::Translated;
        sample.provenance.gate = None;
        sample
    };
    renders.iter().map(translate).collect()
}

/// A task network that learned the shapes, in a folder of its own.
static TASK: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let task = testing::stage("task", "{ steps = 200, batch = 16, channels = 8 }");
    let samples = testing::shapes(300, 32, 1);
    testing::run_into(task.as_ref(), "task", &samples, 64, folder.path()).unwrap();
    folder
});

/// What the optional roles are given.
#[derive(Clone, Copy, PartialEq)]
enum Given {
    Nothing,
    Photos,
    Task,
}

fn run(
    gate: &Gate,
    given: Given,
    renders: &[Sample],
    samples: &[Sample],
    part_size: usize,
    out: &Path,
) -> Result<serde_json::Value> {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let publish = |place: usize, samples: &[Sample]| {
        testing::publish(folders[place].path(), samples, part_size)
    };
    let required = [
        ("samples", publish(0, samples)),
        ("renders", publish(1, renders)),
    ];
    match given {
        Given::Nothing => testing::run_with(gate, "gate", required, part_size, out),
        Given::Photos => {
            let photos = translated(&testing::shapes(200, 32, 9), |_, picture| picture.clone());
            let [samples, renders] = required;
            let photos = ("photos", publish(2, &photos));
            testing::run_with(gate, "gate", [samples, renders, photos], part_size, out)
        }
        Given::Task => {
            let [samples, renders] = required;
            let task = ("task", testing::publish(TASK.path(), &[], 1));
            testing::run_with(gate, "gate", [samples, renders, task], part_size, out)
        }
    }
}

/// Without the figures for the report, which take time.
fn gate() -> Gate {
    Gate {
        ruler: false,
        ..Gate::default()
    }
}

/// The verdicts on `samples`, by id, with the scores rounded as the note rounds them.
fn judge(
    gate: &Gate,
    given: Given,
    samples: &[Sample],
    part_size: usize,
) -> BTreeMap<String, Verdict> {
    let out = tempfile::tempdir().unwrap();
    run(gate, given, &renders(), samples, part_size, out.path()).unwrap();
    let verdicts = verdicts::read(&out.path().join(verdicts::FILE)).unwrap();
    verdicts.into_iter().map(|v| (v.id.clone(), v)).collect()
}

/// The broken samples, and they alone, are rejected, and all of them for `reason`.
fn assert_caught(given: Given, reason: &str, broken: impl Fn(&Sample, &RgbImage) -> RgbImage) {
    let samples = translated(&renders(), broken);
    let verdicts = judge(&gate(), given, &samples, 16);
    for sample in &samples {
        let verdict = &verdicts[&sample.id];
        let named = verdict.reasons.iter().any(|r| r == reason);
        assert_eq!(!verdict.is_kept(), is_broken(sample), "{verdict:?}");
        assert_eq!(named, is_broken(sample), "{verdict:?}");
    }
}

#[test]
fn good_translations_pass() {
    let samples = translated(&renders(), |_, picture| picture.clone());
    for given in [Given::Nothing, Given::Photos, Given::Task] {
        for verdict in judge(&gate(), given, &samples, 16).values() {
            assert!(verdict.is_kept(), "{verdict:?}");
        }
    }
}

#[test]
fn a_render_translated_to_itself_passes_every_criterion_but_the_photos() {
    let mut samples = translated(&renders(), |_, picture| picture.clone());
    for (sample, render) in samples.iter_mut().zip(renders()) {
        sample.image = render.image;
    }
    for given in [Given::Nothing, Given::Task] {
        for verdict in judge(&gate(), given, &samples, 16).values() {
            assert!(verdict.is_kept(), "{verdict:?}");
            assert!(verdict.scores["edges"] > 0.999 && verdict.scores["clipped"] == 0.0);
        }
    }
}

#[test]
fn inverted_colours_are_rejected_for_luminance() {
    assert_caught(Given::Nothing, "luminance", |_, picture| {
        let mut inverted = picture.clone();
        image::imageops::invert(&mut inverted);
        inverted
    });
}

#[test]
fn a_blank_picture_is_rejected_for_contrast() {
    assert_caught(Given::Nothing, "contrast", |sample, picture| {
        let grey = 40 + sample.index as u8 * 3;
        RgbImage::from_pixel(picture.width(), picture.height(), Rgb([grey; 3]))
    });
}

/// A disc becomes a square and the other way round, at the same place in the same colours.
fn other_shape(sample: &Sample, picture: &RgbImage) -> RgbImage {
    let [x0, y0, width, height] = sample.labels.objects()[0].bbox_xywh;
    let (x, y) = (x0 + width / 2.0, y0 + height / 2.0);
    let disc = sample.labels.class.as_deref() == Some("disc");
    let (paint, ground) = (
        *picture.get_pixel(x as u32, y as u32),
        *picture.get_pixel(0, 0),
    );
    RgbImage::from_fn(picture.width(), picture.height(), |px, py| {
        let (dx, dy) = (px as f32 + 0.5 - x, py as f32 + 0.5 - y);
        let inside = match disc {
            true => dx.abs().max(dy.abs()) < 0.425 * width,
            false => dx.hypot(dy) < 0.59 * width,
        };
        if inside { paint } else { ground }
    })
}

#[test]
fn another_class_at_the_same_place_is_rejected_for_label() {
    assert_caught(Given::Task, "label", other_shape);
}

fn shifted(picture: &RgbImage, by: u32) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        *picture.get_pixel(x.saturating_sub(by), y)
    })
}

#[test]
fn a_shifted_object_is_rejected_for_mask_and_edges() {
    assert_caught(Given::Nothing, "edges", |_, picture| shifted(picture, 6));
    assert_caught(Given::Task, "mask", |_, picture| shifted(picture, 6));
}

#[test]
fn the_same_output_for_different_renders_is_rejected_for_duplicate() {
    let first = renders()[0].pixels().unwrap();
    assert_caught(Given::Nothing, "duplicate", |_, _| first.clone());
}

fn salted(sample: &Sample, picture: &RgbImage, share: f64) -> RgbImage {
    let mut stream = Seed::new(3, "salt").stream(sample.index);
    let mut salted = picture.clone();
    for pixel in salted.pixels_mut() {
        if stream.random_bool(share) {
            *pixel = Rgb([if stream.random_bool(0.5) { 255 } else { 0 }; 3]);
        }
    }
    salted
}

#[test]
fn salt_noise_is_rejected_for_clipped_pixels() {
    assert_caught(Given::Nothing, "clipped", |sample, picture| {
        salted(sample, picture, 0.2)
    });
}

#[test]
fn colour_speckle_is_rejected_for_speckle_whatever_the_gate_is_given() {
    for given in [Given::Nothing, Given::Photos] {
        let samples = translated(&renders(), speckled);
        for verdict in judge(&gate(), given, &samples, 16).values() {
            let named = verdict.reasons.iter().any(|r| r == "speckle");
            let broken = samples.iter().any(|s| s.id == verdict.id && is_broken(s));
            assert_eq!(named, broken, "{verdict:?}");
        }
    }
}

/// Noise of another colour in every pixel, as a network that learned too little paints it.
fn speckled(sample: &Sample, picture: &RgbImage) -> RgbImage {
    let mut stream = Seed::new(3, "speckle").stream(sample.index);
    let mut speckled = picture.clone();
    for Rgb(pixel) in speckled.pixels_mut() {
        *pixel = pixel.map(|v| v.saturating_add_signed(stream.random_range(-25..=25)));
    }
    speckled
}

#[test]
fn compression_and_the_noise_of_a_sensor_are_no_speckle() {
    let mut samples = translated(&renders(), |_, picture| picture.clone());
    for (number, sample) in samples.iter_mut().enumerate() {
        let mut picture = sample.pixels().unwrap();
        let mut stream = Seed::new(4, "sensor").stream(number as u64);
        let deviation = stream.random_range(0.0..6.0);
        for value in picture.iter_mut() {
            let noise = deviation * crate::seed::standard_normal(&mut stream);
            *value = (f64::from(*value) + noise).clamp(0.0, 255.0) as u8;
        }
        let mut jpeg = Vec::new();
        let quality = 70 + (number % 26) as u8;
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality)
            .encode_image(&picture)
            .unwrap();
        let back = image::load_from_memory(&jpeg).unwrap().to_rgb8();
        sample.image = encode_png(&back).unwrap();
    }
    // The photos here have no noise at all, so these pictures are far from them.
    let gate = Gate {
        photo: 0.0,
        ..gate()
    };
    for verdict in judge(&gate, Given::Photos, &samples, 16).values() {
        assert!(verdict.is_kept(), "{verdict:?}");
    }
}

#[test]
fn what_no_photo_looks_like_is_rejected_for_photo() {
    assert_caught(Given::Photos, "photo", |_, picture| {
        let mut grainy = picture.clone();
        for (x, y, pixel) in grainy.enumerate_pixels_mut() {
            let up = (x + y) % 2 == 0;
            pixel.0 = pixel.0.map(|v| {
                if up {
                    v.saturating_add(50)
                } else {
                    v.saturating_sub(50)
                }
            });
        }
        grainy
    });
}

#[test]
fn verdicts_depend_on_neither_part_size_nor_order() {
    let mut samples = translated(&renders(), |_, picture| shifted(picture, 3));
    for given in [Given::Photos, Given::Task] {
        let notes = |verdicts: BTreeMap<String, Verdict>| -> Vec<String> {
            verdicts.values().map(Verdict::note).collect()
        };
        let first = notes(judge(&gate(), given, &samples, 64));
        assert_eq!(first, notes(judge(&gate(), given, &samples, 7)));
        samples.reverse();
        assert_eq!(first, notes(judge(&gate(), given, &samples, 16)));
        samples.reverse();
    }
}

#[test]
fn parts_hold_the_kept_alone_and_the_rejected_lie_beside_them_with_reasons() {
    let samples = translated(&renders(), |_, picture| shifted(picture, 6));
    let out = tempfile::tempdir().unwrap();
    let summary = run(
        &gate(),
        Given::Nothing,
        &renders(),
        &samples,
        16,
        out.path(),
    )
    .unwrap();
    assert_eq!(
        (&summary["kept"], &summary["rejected"]),
        (&json!(48), &json!(12))
    );
    assert_eq!(summary["criteria"]["edges"]["rejected"], 12);
    let read = |prefix: &str| -> Vec<Sample> {
        let paths = artifact::walk(out.path()).unwrap().into_iter();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let chosen = paths.filter(|path| name(path).starts_with(prefix));
        chosen
            .flat_map(|path| parts::read_part(&path).unwrap())
            .collect()
    };
    let (kept, rejected) = (read("part-"), read("rejected-"));
    let before = samples.iter().filter(|s| !is_broken(s));
    for (kept, before) in kept.iter().zip(before) {
        assert_eq!(
            (&kept.id, &kept.image, &kept.labels),
            (&before.id, &before.image, &before.labels)
        );
        let note = kept.provenance.gate.as_deref().unwrap();
        assert!(
            note.contains("\"edges\":") && !note.contains("reasons"),
            "{note}"
        );
    }
    assert_eq!((kept.len(), rejected.len()), (48, 12));
    for rejected in rejected {
        let note = rejected.provenance.gate.unwrap();
        assert!(note.contains("\"reasons\":[\"edges\""), "{note}");
    }
}

#[test]
fn a_class_that_loses_too_much_fails_the_run_with_advice() {
    let renders = renders();
    let mut samples = translated(&renders, |_, picture| picture.clone());
    for sample in samples.iter_mut().filter(|s| s.index % 2 == 0) {
        sample.image = encode_png(&shifted(&sample.pixels().unwrap(), 6)).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    let fail = |gate: &Gate| -> Option<Error> {
        run(gate, Given::Nothing, &renders, &samples, 16, out.path()).err()
    };
    let error = fail(&gate()).unwrap();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    for expected in [
        "gate: class `disc` lost 100 % of its 30 samples",
        "50 % are allowed",
        "30 by `edges`",
        "help: mostly the edges",
        "cycle and identity",
        "`max_lost = 1`",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let lenient = Gate {
        max_lost: 1.0,
        ..gate()
    };
    assert!(fail(&lenient).is_none());
    let off = Gate {
        edges: -1.0,
        ..gate()
    };
    assert!(fail(&off).is_none());
}

#[test]
fn a_sample_without_its_render_is_an_error_that_names_it() {
    let renders = renders();
    let samples = translated(&renders, |_, picture| picture.clone());
    let out = tempfile::tempdir().unwrap();
    let error = run(
        &gate(),
        Given::Nothing,
        &renders[..59],
        &samples,
        16,
        out.path(),
    );
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("translate-000059 has no render") && text.contains("`renders`"),
        "{text}"
    );
}

#[test]
fn a_render_is_found_by_origin_where_the_parent_is_unknown() {
    let mut samples = translated(&renders(), |_, picture| picture.clone());
    for sample in &mut samples {
        sample.provenance.parent = Some("elsewhere".into());
    }
    let all_kept = |samples: &[Sample]| {
        let verdicts = judge(&gate(), Given::Nothing, samples, 16);
        assert!(verdicts.values().all(Verdict::is_kept));
    };
    all_kept(&samples);
    // As two translations of each render are joined.
    let count = samples.len() as u64;
    let mut others = samples.clone();
    for sample in &mut others {
        sample.id = format!("other-{}", sample.id);
        sample.index += count;
    }
    samples.extend(others);
    all_kept(&samples);
}

#[test]
fn pictures_of_another_size_than_the_task_network_reads_are_an_error() {
    let renders = testing::shapes(20, 64, 5);
    let samples = translated(&renders, |_, picture| picture.clone());
    let out = tempfile::tempdir().unwrap();
    let error = run(&gate(), Given::Task, &renders, &samples, 16, out.path());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("32×32") && text.contains("64×64"), "{text}");
}

#[test]
fn every_criterion_can_be_switched_off() {
    let mut samples = translated(&renders(), |_, picture| picture.clone());
    for sample in &mut samples {
        let noise = salted(sample, &RgbImage::new(32, 32), 0.5);
        sample.image = encode_png(&noise).unwrap();
    }
    let off: Gate = toml::from_str(
        "label = 0.0\nmask = 0.0\nedges = -1.0\nluminance = -1.0\ncontrast = 0.0\nclipped = 1.0\n\
         speckle = 0.0\nduplicate = 0.0\nphoto = 0.0\nruler = false",
    )
    .unwrap();
    assert_eq!(off.check(), Ok(()));
    for given in [Given::Photos, Given::Task] {
        let verdicts = judge(&off, given, &samples, 16);
        assert!(verdicts.values().all(Verdict::is_kept));
    }
}

#[test]
fn limits_out_of_range_are_refused() {
    for text in [
        "label = 1.5",
        "edges = -2.0",
        "photo = -1.0",
        "speckle = -1.0",
        "max_lost = nan",
        "contrast = nan",
    ] {
        let gate: Gate = toml::from_str(text).unwrap();
        assert!(gate.check().is_err(), "{text}");
    }
    assert_eq!(Gate::default().check(), Ok(()));
}

#[test]
fn every_criterion_has_a_limit_of_its_name_and_words_for_the_user() {
    let limits = serde_json::to_value(Gate::default()).unwrap();
    for criterion in CRITERIA {
        assert_eq!(
            limits[criterion.name],
            json!((criterion.limit)(&Gate::default()))
        );
        assert!(!criterion.about.is_empty() && !criterion.advice.is_empty());
    }
}
