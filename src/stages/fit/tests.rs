//! The stage on a renderer as small as it gets: a square on a table, with a lamp.

use image::Rgb;

use super::*;
use crate::sample::{Sample, image as picture};
use crate::testing;

/// Squares of `scale` under a lamp of `exposure`. `idle` does nothing; `lamp` is at most 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Toy {
    count: u64,
    exposure: [f64; 2],
    scale: [f64; 2],
    idle: [f64; 2],
    lamp: f64,
}

const TOY: Toy = Toy {
    count: 30,
    exposure: [0.3, 0.5],
    scale: [0.4, 0.6],
    idle: [0.0, 1.0],
    lamp: 0.9,
};

impl Stage for Toy {
    fn check(&self) -> Result<(), String> {
        let fine = self.exposure[0] > 0.0 && self.scale[1] <= 0.9 && self.lamp <= 1.0;
        fine.then_some(()).ok_or_else(|| "out of bounds".to_owned())
    }

    fn run(&self, context: &Context) -> Result<Value> {
        context.generate(self.count, "count", |index| {
            let mut stream = context.seed.stream(index);
            let mut draw = |[low, high]: [f64; 2]| low + (high - low) * stream.random::<f64>();
            let (exposure, scale, _) = (draw(self.exposure), draw(self.scale), draw(self.idle));
            let hue = draw([0.6, 1.0]);
            let pixels = RgbImage::from_fn(24, 24, |x, y| {
                // A pixel at the edge is partly covered, so that scale acts smoothly.
                let cover =
                    |v: u32| (12.0 * scale - (f64::from(v) - 11.5).abs() + 0.5).clamp(0.0, 1.0);
                let cover = cover(x) * cover(y);
                let mix = |square: f64, table: f64| cover * square + (1.0 - cover) * table;
                let colour = [mix(1.0, 0.7), mix(hue * 0.5, 0.7), mix(0.2, 0.6)];
                Rgb(colour.map(|c| (255.0 * self.lamp * exposure * c).min(255.0) as u8))
            });
            Ok(sample(index, &pixels))
        })?;
        Ok(json!({}))
    }
}

use ::image::RgbImage;
use serde_json::json;

fn sample(index: u64, pixels: &RgbImage) -> Sample {
    let mut sample = testing::unlabelled(pixels);
    (sample.id, sample.index) = (format!("toy-{index}"), index);
    sample.provenance.origin = sample.id.clone();
    sample.provenance.source = format!("{}.png", sample.id);
    sample
}

/// What `toy` makes, as an artifact in `folder`.
fn renders(folder: &std::path::Path, toy: &Toy, seed: &str) -> Artifact {
    let out = tempfile::tempdir().unwrap();
    testing::run_with(toy, seed, [], 64, out.path()).unwrap();
    let files = crate::artifact::walk(out.path()).unwrap();
    let samples: Vec<Sample> = files
        .iter()
        .flat_map(|f| crate::artifact::parts::read_part(f).unwrap())
        .collect();
    let mut artifact = testing::publish(folder, &samples, 64);
    artifact.manifest.config = json!(toy);
    artifact
}

/// Fits TOY to what `wanted` makes: settings, summary and warnings.
fn fit(settings: Settings, wanted: &Toy) -> Result<(Value, Value, Vec<String>)> {
    let [a, b, out] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let photos = Toy {
        count: 80,
        ..wanted.clone()
    };
    let inputs = [
        ("renders", renders(a.path(), &TOY, "renders")),
        ("photos", renders(b.path(), &photos, "photos")),
    ];
    let stage = Fit::<Toy> {
        settings,
        renderer: PhantomData,
    };
    stage.check().unwrap();
    let run = |context: &Context| stage.run(context);
    let (summary, warnings) = testing::in_context("fit", inputs, 64, out.path(), run);
    let summary = summary?;
    assert!(
        picture::read_rgb(&out.path().join("sheet.png"))
            .unwrap()
            .width()
            > 500
    );
    let text = std::fs::read_to_string(out.path().join("settings.json")).unwrap();
    // Nothing of the candidates stays.
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2);
    Ok((serde_json::from_str(&text).unwrap(), summary, warnings))
}

fn quick() -> Settings {
    Settings {
        pictures: 40,
        budget: 40,
        ..Settings::default()
    }
}

#[test]
fn a_shift_of_exposure_and_scale_is_found_again() {
    let wanted = Toy {
        exposure: [0.5, 0.8],
        scale: [0.5, 0.8],
        ..TOY
    };
    let (settings, summary, _) = fit(quick(), &wanted).unwrap();
    let end = |key: &str, i: usize| settings[key][i].as_f64().unwrap();
    // The lamp may take a part of it: what counts is the light.
    let lamp = settings["lamp"].as_f64().unwrap_or(TOY.lamp) / TOY.lamp;
    let exposure = [0, 1].map(|i| lamp * end("exposure", i));
    // Moving has a price: the lower end comes up not quite all the way.
    assert!((0.4..0.56).contains(&exposure[0]), "{settings}");
    assert!((0.72..0.88).contains(&exposure[1]), "{settings}");
    assert!((end("scale", 0) - 0.5).abs() < 0.06, "{settings}");
    assert!((end("scale", 1) - 0.8).abs() < 0.1, "{settings}");
    assert!(settings.get("idle").is_none());
    let told = |when: &str| summary["two_sample"][when]["accuracy"].as_f64().unwrap();
    assert!(told("before") > 0.85 && told("after") < 0.72, "{summary}");
    assert_eq!(summary["findings"][0]["level"], "good", "{summary}");
    assert!(summary["tried"].is_null());
    assert!(summary["idle"].as_array().unwrap().contains(&json!("idle")));
}

#[test]
fn equal_domains_stay_as_they_are() {
    let (settings, summary, warnings) = fit(quick(), &TOY).unwrap();
    let distance = |when: &str| summary["distance"][when].as_f64().unwrap();
    assert!(distance("after") <= distance("before"));
    assert!(distance("before") < 0.3, "{summary}");
    // What gains nothing beyond the error is not recommended, but named.
    assert_eq!(settings, json!({}), "{summary}");
    assert_eq!(summary["changed"], json!([]));
    assert!(summary["tried"]["distance"].is_number(), "{summary}");
    assert!(
        warnings.iter().any(|w| w.contains("beyond the error")),
        "{warnings:?}"
    );
    assert_eq!(summary["unmatched"], json!([]), "{settings}");
    let unmatched = warnings.iter().filter(|w| w.contains("not matched"));
    assert_eq!(unmatched.count(), 0, "{warnings:?}");
}

#[test]
fn ranges_do_not_collapse_and_kept_settings_stay() {
    let wanted = Toy {
        exposure: [0.6, 0.6001],
        ..TOY
    };
    let settings = Settings {
        keep: vec!["scale".into(), "lamp".into()],
        ..quick()
    };
    let (settings, _, _) = fit(settings, &wanted).unwrap();
    let width =
        settings["exposure"][1].as_f64().unwrap() - settings["exposure"][0].as_f64().unwrap();
    assert!(width > 0.11, "{settings}");
    assert_eq!(settings.as_object().unwrap().len(), 1, "{settings}");
}

#[test]
fn what_no_setting_moves_is_said() {
    // No setting of these renders makes more than one exposure.
    let wanted = Toy {
        exposure: [0.9, 1.1],
        ..TOY
    };
    let settings = Settings {
        keep: vec!["exposure".into(), "lamp".into()],
        ..quick()
    };
    let (_, _, warnings) = fit(settings, &wanted).unwrap();
    let warning = warnings
        .iter()
        .find(|w| w.contains("not matched: brightness"));
    let warning = warning.unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(warning.contains("raise the exposure"), "{warning}");
}

#[test]
fn the_same_twice() {
    let wanted = Toy {
        exposure: [0.5, 0.8],
        ..TOY
    };
    let settings = Settings {
        budget: 14,
        pictures: 20,
        ..quick()
    };
    let first = fit(settings.clone(), &wanted).unwrap();
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let second = alone.install(|| fit(settings, &wanted)).unwrap();
    assert_eq!((first.0, first.1), (second.0, second.1));
}

#[test]
fn too_small_a_budget_and_nothing_to_fit_are_errors() {
    let message = |settings| fit(settings, &TOY).unwrap_err().to_string();
    let text = message(Settings {
        budget: 5,
        ..quick()
    });
    assert!(text.contains("set `budget` to at least 12"), "{text}");
    let keep = ["exposure", "scale", "idle", "lamp"]
        .map(String::from)
        .to_vec();
    assert!(message(Settings { keep, ..quick() }).contains("no range to fit"));
}
