//! Properties of drawn templates, and what is said of broken ones.

mod labels;
mod proof;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::super::{canvas, draw};
use super::*;
use crate::artifact::{self, parts};
use crate::seed::Seed;
use crate::stage::{DeviceChoice, Event, Share};

const DISC: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
  <circle cx="50" cy="50" r="50" fill="#ff0000"/></svg>"##;
const PLATE: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="120" height="60">
  <rect x="10" y="5" width="100" height="50" fill="#ff0000"/></svg>"##;

/// A folder of two red templates, and a configuration that draws them.
fn example() -> (tempfile::TempDir, Template) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a_disc.svg"), DISC).unwrap();
    std::fs::write(folder.path().join("b_plate.svg"), PLATE).unwrap();
    let config = Template {
        templates: folder.path().to_path_buf(),
        ..Template::default()
    };
    (folder, config)
}

/// Light and camera that change nothing, before a black background.
fn plain(mut config: Template) -> Template {
    config.surface = Surface {
        black: [0.0, 0.0],
        white: [1.0, 1.0],
        saturation: [1.0, 1.0],
        bleach_share: 0.0,
        paint_spread: 0.0,
        sticker_share: 0.0,
        dirt_share: 0.0,
        glare_share: 0.0,
        ..Surface::default()
    };
    config.surroundings = Surroundings {
        post_share: 0.0,
        board_share: 0.0,
        plate_share: 0.0,
        neighbour_share: 0.0,
    };
    config.background.brightness = [0.001, 0.001];
    config.light = Light {
        backlight_share: 0.0,
        gradient: [0.0, 0.0],
        shadow_share: 0.0,
        warmth: [0.0, 0.0],
        tint: [0.0, 0.0],
        haze_share: 0.0,
        exposure: [1.0, 1.0],
        ..Light::default()
    };
    config.camera = Camera {
        motion_share: 0.0,
        focus: [1e-4, 1e-4],
        fringe: [0.0, 0.0],
        black: [0.0, 0.0],
        resolution: [1.0, 1.0],
        shot_noise: [1e-6, 1e-6],
        read_noise: [1e-6, 1e-6],
        mosaic_share: 0.0,
        sharpening: [0.0, 0.0],
        contrast: [1.0, 1.0],
        jpeg_share: 0.0,
        ..Camera::default()
    };
    config
}

/// Signs of three quarters of the picture in its middle, not turned.
fn straight() -> Geometry {
    Geometry {
        scale: [0.75, 0.75],
        shift: [0.0, 0.0],
        yaw: [0.0, 0.0],
        pitch: [0.0, 0.0],
        roll: [0.0, 0.0],
        stretch: [1.0, 1.0],
        ..Geometry::default()
    }
}

/// A context that tells nobody.
fn quiet(out: &Path) -> Context<'_> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Context {
        id: "render",
        seed: Seed::new(1, "render"),
        inputs: BTreeMap::new(),
        share: Share::All,
        out,
        resume: None,
        part_size: 256,
        device: DeviceChoice::Cpu,
        events: &|_: Event| {},
        interrupted: &NEVER,
    }
}

fn render(
    config: &Template,
    count: u64,
    size: Extent,
    part_size: usize,
    backgrounds: Option<&artifact::Artifact>,
) -> Result<Vec<Sample>> {
    let out = tempfile::tempdir().unwrap();
    let backgrounds = backgrounds.map(|artifact| ("backgrounds", artifact.clone()));
    let context = Context {
        inputs: backgrounds.into_iter().collect(),
        part_size,
        ..quiet(out.path())
    };
    config.check().unwrap();
    let wanted = Wanted {
        classes: &[],
        count,
        size,
        min_visible: 0.2,
        maps: &[],
        clip: 1,
    };
    config.render(&context, wanted)?;
    let mut samples = Vec::new();
    for path in artifact::walk(out.path())? {
        samples.extend(parts::read_part(&path)?);
    }
    Ok(samples)
}

const SQUARE: Extent = Extent::square(32);

/// A square, one that is wide and one that is high.
const SHAPES: [Extent; 3] = [SQUARE, Extent::new(48, 32), Extent::new(32, 48)];

fn draw(config: &Template, count: u64, part_size: usize) -> Result<Vec<Sample>> {
    render(config, count, SQUARE, part_size, None)
}

#[test]
fn parts_and_threads_do_not_change_the_samples() {
    let (_folder, config) = example();
    let with_threads = |threads, part_size| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| draw(&config, 20, part_size))
            .unwrap()
    };
    let expected = with_threads(1, 256);
    assert_eq!(expected.len(), 20);
    assert_eq!(with_threads(2, 256), expected);
    assert_eq!(with_threads(2, 7), expected);
    assert_eq!(draw(&config, 5, 256).unwrap(), expected[..5]);
}

#[test]
fn light_and_paint_fill_any_shape() {
    // All that is drawn around, in front of and behind a sign, and every step of the camera.
    let (_folder, mut config) = example();
    config.surface.dirt_share = 1.0;
    config.surface.glare_share = 1.0;
    config.surface.sticker_share = 1.0;
    config.surroundings.post_share = 1.0;
    config.surroundings.board_share = 1.0;
    config.surroundings.plate_share = 1.0;
    config.light.shadow_share = 1.0;
    config.camera.motion_share = 1.0;
    config.camera.mosaic_share = 1.0;
    config.camera.jpeg_share = 1.0;
    for size in [Extent::new(48, 16), Extent::new(16, 48)] {
        for sample in render(&config, 12, size, 256, None).unwrap() {
            assert_eq!(sample.pixels().unwrap().dimensions(), size.dimensions());
            let mask = sample.labels.objects()[0].mask.as_ref().unwrap();
            assert_eq!(mask.counts.iter().sum::<u32>() as usize, size.area());
        }
    }
}

#[test]
fn surroundings_stand_behind_the_sign() {
    let (_folder, config) = example();
    let before = draw(&plain(config.clone()), 12, 256).unwrap();
    for which in 0..3 {
        let mut config = plain(config.clone());
        let around = &mut config.surroundings;
        [
            &mut around.post_share,
            &mut around.board_share,
            &mut around.plate_share,
        ]
        .into_iter()
        .nth(which)
        .map(|share| *share = 1.0)
        .unwrap();
        let mut changed = 0;
        for (sample, before) in draw(&config, 12, 256).unwrap().iter().zip(&before) {
            assert_eq!(sample.labels, before.labels);
            let mask = sample.labels.objects()[0]
                .mask
                .as_ref()
                .unwrap()
                .to_bitmap(32, 32);
            let (pixels, before) = (sample.pixels().unwrap(), before.pixels().unwrap());
            for (i, (new, old)) in pixels.pixels().zip(before.pixels()).enumerate() {
                assert!(!mask[i] || new.0[0] >= 150, "the sign stays in front");
                changed += u32::from(!mask[i] && new != old);
            }
        }
        assert!(changed > 100, "{which}: {changed}");
    }
}

#[test]
fn stickers_hide_paint_and_keep_labels() {
    let (_folder, config) = example();
    let mut config = plain(config);
    let before = draw(&config, 20, 256).unwrap();
    config.surface.sticker_share = 1.0;
    let after = draw(&config, 20, 256).unwrap();
    let pairs = || before.iter().zip(&after);
    assert!(pairs().all(|(a, b)| a.labels == b.labels));
    assert!(pairs().filter(|(a, b)| a.image != b.image).count() > 15);
}

#[test]
fn a_mosaic_keeps_plain_colours_and_fringes_detail() {
    let plain = canvas::Canvas::from_fn(Extent::square(9), |_, _| [0.3, 0.5, 0.7]);
    let lines = canvas::Canvas::from_fn(Extent::square(9), |x, _| {
        [f32::from((x * 9.0) as u8 % 2); 3]
    });
    for phase in [[false, false], [true, false], [false, true], [true, true]] {
        for pixel in plain.mosaiced(phase).pixels {
            assert!(
                pixel
                    .iter()
                    .zip([0.3, 0.5, 0.7])
                    .all(|(a, b)| (a - b).abs() < 1e-5)
            );
        }
        let coloured = |pixel: &[f32; 3]| (pixel[0] - pixel[2]).abs() > 0.4;
        let fringes = lines.mosaiced(phase).pixels.into_iter().filter(coloured);
        assert!(fringes.count() > 20);
    }
}

#[test]
fn backgrounds_come_from_the_border_of_photos() {
    let (_folder, config) = example();
    let mut config = plain(config);
    config.background.photo_share = 1.0;
    config.background.brightness = [0.5, 0.5];
    let photos = tempfile::tempdir().unwrap();
    let photo = ::image::RgbImage::from_fn(32, 32, |x, y| {
        let border = x.min(y).min(31 - x).min(31 - y) < 12;
        ::image::Rgb(if border { [0, 0, 200] } else { [0, 200, 0] })
    });
    let mut sample = parts::tests::examples().remove(1);
    sample.image = image::encode_png(&photo).unwrap();
    parts::write_part(&photos.path().join(artifact::part_name(0)), &[sample]).unwrap();
    let artifact = artifact::Artifact {
        folder: photos.path().to_path_buf(),
        manifest: artifact::Manifest {
            schema: artifact::SCHEMA,
            kind: artifact::Kind::Samples,
            stage: "ingest".into(),
            id: "photos".into(),
            key: String::new(),
            config: serde_json::Value::Null,
            digest: String::new(),
            count: 1,
            classes: BTreeMap::new(),
            files: artifact::list_files(photos.path()).unwrap(),
            summary: serde_json::Value::Null,
            cost: artifact::Cost::default(),
        },
    };
    let samples = SHAPES.map(|size| render(&config, 10, size, 256, Some(&artifact)).unwrap());
    for sample in samples.iter().flatten() {
        let pixels = sample.pixels().unwrap();
        assert!(
            pixels.pixels().all(|pixel| pixel.0[1] < 10),
            "green is in the middle only"
        );
        assert!(
            pixels.pixels().any(|pixel| pixel.0[2] > 100),
            "the border is blue"
        );
    }
}

#[test]
fn a_class_may_have_several_drawings() {
    let (folder, config) = example();
    std::fs::create_dir(folder.path().join("a_disc")).unwrap();
    let blue = DISC.replace("#ff0000", "#0000ff");
    std::fs::write(folder.path().join("a_disc/blue.svg"), blue).unwrap();
    let mut config = plain(config);
    config.variants = 0.25;
    let mut of_discs = BTreeMap::new();
    for sample in draw(&config, 200, 256).unwrap() {
        let class = sample.labels.class.clone().unwrap();
        assert_eq!(class, ["a_disc", "b_plate"][sample.index as usize % 2]);
        if class == "a_disc" {
            let [red, _, blue] = sample.pixels().unwrap().get_pixel(16, 16).0;
            let of_file = sample.provenance.source.ends_with("blue.svg");
            assert_eq!(blue > red, of_file);
            *of_discs.entry(of_file).or_insert(0) += 1;
        }
    }
    let of_folder = of_discs[&true];
    assert!((15..=35).contains(&of_folder), "{of_folder} of 100");

    std::fs::remove_file(folder.path().join("a_disc.svg")).unwrap();
    let drawn = draw(&config, 20, 256).unwrap();
    let discs = drawn.iter().step_by(2);
    assert!(
        discs
            .into_iter()
            .all(|disc| disc.provenance.source.ends_with("blue.svg"))
    );
}

#[test]
fn the_sun_bleaches_red_paint_alone() {
    let (folder, config) = example();
    let mut config = plain(config);
    let blue = DISC.replace("#ff0000", "#0000ff");
    std::fs::write(folder.path().join("b_plate.svg"), blue).unwrap();
    config.surface.bleach_share = 1.0;
    config.surface.bleach = [1.0, 1.0];
    for sample in draw(&config, 20, 256).unwrap() {
        let [red, green, blue] = sample.pixels().unwrap().get_pixel(16, 16).0;
        assert!(blue > 240, "white or blue");
        let white = sample.labels.class.as_deref() == Some("a_disc");
        assert_eq!(red > 240 && green > 240, white);
    }
}

#[test]
fn templates_that_are_not_kept_are_drawn_again_alike() {
    let (folder, _) = example();
    let context = quiet(folder.path());
    let texels = |most: usize| -> Vec<[f32; 4]> {
        let classes = classes::load_within(folder.path(), 32, most, &context).unwrap();
        let mut stream = Seed::new(1, "classes").stream(0);
        let textures = classes
            .iter()
            .map(|class| class.draw(0.0, &mut stream).texture(&|| Ok(())).unwrap());
        textures
            .flat_map(|texture| [8.0, 100.0].map(|at| texture.sample(glam::Vec2::splat(at), 2.0)))
            .collect()
    };
    assert_eq!(texels(usize::MAX), texels(0));
}

#[test]
fn classes_are_checked_before_anything_is_drawn() {
    let (folder, config) = example();
    assert_eq!(config.check(), Ok(()));
    let add = |name: &str| std::fs::write(folder.path().join(name), DISC).unwrap();
    add(".hidden.svg");
    add("._a_disc.svg");
    let listed = classes::list(folder.path(), &|| Ok(())).unwrap();
    let note = listed.left_out.note(folder.path()).unwrap();
    assert!(note.contains("left out 2 hidden"), "{note}");
    assert_eq!(config.check(), Ok(()));
    add("A_disc.svg");
    let problem = config.check().unwrap_err();
    assert!(
        problem.contains("`A_disc`") && problem.contains("differ in case alone"),
        "{problem}"
    );
    std::fs::remove_file(folder.path().join("A_disc.svg")).unwrap();
    add("ends .svg");
    let problem = config.check().unwrap_err();
    assert!(
        problem.contains("ends .svg: the class \"ends \" ends with"),
        "{problem}"
    );
}

#[test]
fn a_folder_one_level_too_high_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("svg")).unwrap();
    for name in ["stop.svg", "yield.svg"] {
        std::fs::write(folder.path().join("svg").join(name), DISC).unwrap();
    }
    let misplaced = |folder: &std::path::Path| {
        let listed = classes::list(folder, &|| Ok(())).unwrap();
        listed.misplaced
    };
    let said = misplaced(folder.path()).unwrap();
    assert!(
        said.contains("all 2 templates lie in one folder") && said.contains("svg\""),
        "{said}"
    );
    assert_eq!(misplaced(&folder.path().join("svg")), None);
}

#[test]
fn missing_empty_and_broken_templates_are_named() {
    let (folder, mut config) = example();
    let message = |text: &str| {
        std::fs::write(folder.path().join("b_plate.svg"), text).unwrap();
        draw(&config, 2, 8).unwrap_err().to_string()
    };
    let text = message("<svg xmlns=");
    assert!(
        text.contains("b_plate.svg: is not a readable SVG"),
        "{text}"
    );
    let empty = r#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>"#;
    let text = message(empty);
    assert!(text.contains("b_plate.svg: draws nothing opaque"), "{text}");
    config.templates = folder.path().join("nowhere");
    let text = draw(&config, 2, 8).unwrap_err().to_string();
    assert!(text.contains("nowhere: "), "{text}");
    std::fs::create_dir(&config.templates).unwrap();
    let text = config.check().unwrap_err();
    assert!(text.contains("holds no .svg file"), "{text}");
}

#[test]
fn ranges_are_checked() {
    let (_folder, mut config) = example();
    config.geometry.yaw = [30.0, -30.0];
    let problem = config.check().unwrap_err();
    assert!(problem.contains("template.geometry.yaw"), "{problem}");
    config = Template::default();
    assert!(config.check().unwrap_err().contains("template.templates"));
}

#[test]
fn blur_and_resizing_keep_the_light() {
    let mut stream = Seed::new(1, "canvas").stream(0);
    let size = Extent::new(36, 24);
    let field = canvas::Field::new(4, 2, canvas::span(size), &mut stream);
    let flat = canvas::Canvas::from_fn(size, |_, _| [0.3, 0.5, 0.7]);
    let rough = canvas::Canvas::from_fn(size, |x, y| [2.0 + field.at(x, y).clamp(-1.0, 1.0); 3]);
    let smeared = flat.smeared(glam::Vec2::new(3.0, 2.0));
    for pixel in smeared.pixels {
        assert!((pixel[0] - 0.3).abs() < 1e-5 && (pixel[2] - 0.7).abs() < 1e-5);
    }
    let [small, large] = [Extent::new(12, 8), Extent::new(72, 48)];
    for changed in [
        rough.resized(small),
        rough.blurred(0.6),
        rough.resized(large),
    ] {
        assert!((changed.brightness() - rough.brightness()).abs() < 0.03);
    }
}

#[test]
fn the_normal_draw_has_mean_0_and_deviation_1() {
    let mut stream = Seed::new(1, "draw").stream(0);
    let values: Vec<f32> = (0..20_000).map(|_| draw::normal(&mut stream)).collect();
    let mean = values.iter().sum::<f32>() / 20_000.0;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 20_000.0;
    assert!(
        mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
        "{mean} {variance}"
    );
}
