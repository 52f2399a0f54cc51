//! What `learn` makes of its input, and what it refuses.

use super::*;
use crate::generators::{GENERATORS, Trained};
use crate::sample::Sample;
use crate::sample::image::encode_png;
use crate::stage::StageKind;
use crate::testing;

/// The stage as `text` in TOML configures it.
fn configured(text: &str) -> Result<Box<dyn Stage>, toml::de::Error> {
    let table = toml::de::DeTable::parse(text)?;
    let span = table.span();
    let table = toml::de::DeValue::Table(table.into_inner());
    let StageKind { parse, .. } = STAGE;
    parse(toml::Spanned::new(span, table))
}

const SMALL: &str =
    "model = \"vae\"\nsteps = 6\nbatch = 4\nwatch_every = 3\n[vae]\nchannels = 8\nlatent = 4\n";

fn problem(samples: &[Sample]) -> String {
    let out = tempfile::tempdir().unwrap();
    let stage = configured(SMALL).unwrap();
    let refused = testing::run_into(stage.as_ref(), "learn", samples, 16, out.path());
    refused.unwrap_err().to_string()
}

#[test]
fn the_chosen_generator_s_table_alone_is_configured() {
    for kind in GENERATORS {
        let stage = configured(&format!("model = \"{0}\"\n[{0}]\n", kind.name)).unwrap();
        assert_eq!(stage.check(), Ok(()), "{}", kind.name);
        let resolved = stage.resolved();
        for other in GENERATORS {
            let has_table = resolved.get(other.name).is_some();
            assert_eq!(has_table, other.name == kind.name, "{}", other.name);
        }
    }
    let other = configured("model = \"vae\"\n[dcgan]\n").err().unwrap();
    assert!(other.message().contains("another generator"), "{other}");
    for text in [
        "steps = 0",
        "batch = 1",
        "held_out = 0.9",
        "rate = nan",
        "ema = 1.0",
    ] {
        assert!(configured(text).unwrap().check().is_err(), "{text}");
    }
}

#[test]
fn what_it_writes_is_shown_and_can_be_drawn_with() {
    let out = tempfile::tempdir().unwrap();
    let stage = configured(SMALL).unwrap();
    let samples = testing::shapes(60, 16, 1);
    let summary = testing::run_into(stage.as_ref(), "learn", &samples, 16, out.path()).unwrap();
    assert_eq!(
        summary["classes"].as_object().unwrap().len(),
        2,
        "{summary}"
    );
    assert!(summary["bits"]["known"].as_f64().unwrap() > 0.0);
    let chosen = device::choose(crate::stage::DeviceChoice::Cpu).unwrap();
    let (trained, _) = Trained::load(out.path(), &chosen).unwrap();
    assert_eq!(trained.classes, ["disc", "square"]);
    for file in [
        "sheet-000000003.png",
        "sheet-000000006.png",
        "history.json",
        looking::FILE,
    ] {
        assert!(out.path().join(file).exists(), "{file}");
    }
}

#[test]
fn what_is_told_by_captions_is_measured() {
    let out = tempfile::tempdir().unwrap();
    let text =
        "model = \"stackgan\"\nsteps = 4\nbatch = 4\n[stackgan]\nchannels = 8\nfirst_steps = 2\n";
    let stage = configured(text).unwrap();
    let mut samples = testing::shapes(60, 32, 1);
    for sample in &mut samples {
        sample.labels.caption = None;
    }
    let summary = testing::run_into(stage.as_ref(), "learn", &samples, 16, out.path()).unwrap();
    let known = &summary["told"]["known"];
    let number = |name: &str| known[name].as_f64().unwrap();
    assert!(number("pictures") > 1.0, "{summary}");
    assert!((0.0..=1.0).contains(&number("right")) && (0.0..=1.0).contains(&number("by_chance")));
    let chosen = device::choose(crate::stage::DeviceChoice::Cpu).unwrap();
    let (trained, _) = Trained::load(out.path(), &chosen).unwrap();
    assert!(
        trained.words.iter().any(|word| word == "disc"),
        "{:?}",
        trained.words
    );
    let [disc, square] = [0, 1].map(|class| trained.condition(class, trained.caption(class, 0)));
    assert_ne!(disc, square);
    assert_eq!(trained.condition(0, "zebra"), vec![0.0; trained.columns()]);
}

#[test]
fn captions_of_the_user_are_learned_with_the_class() {
    let mut samples = testing::shapes(60, 32, 1);
    for sample in &mut samples {
        let tint = ["red", "blue"][sample.index as usize % 2];
        sample.labels.caption = Some(format!("a {tint} thing, no. {}", sample.index));
    }
    let out = tempfile::tempdir().unwrap();
    let text =
        "model = \"stackgan\"\nsteps = 4\nbatch = 4\n[stackgan]\nchannels = 8\nfirst_steps = 2\n";
    let stage = configured(text).unwrap();
    let summary = testing::run_into(stage.as_ref(), "learn", &samples, 16, out.path()).unwrap();
    // What captions say is known to be seen only where it was measured.
    assert!(summary["told"].is_null(), "{summary}");
    let chosen = device::choose(crate::stage::DeviceChoice::Cpu).unwrap();
    let (trained, _) = Trained::load(out.path(), &chosen).unwrap();
    assert_eq!(
        trained.words,
        ["a", "blue", "disc", "no", "red", "square", "thing"]
    );
    assert!(trained.caption(0, 0).starts_with("disc, a "));
    let columns = |caption| trained.condition(0, caption);
    assert_ne!(columns("a red disc"), columns("a blue disc"));
}

#[test]
fn captions_that_have_no_word_in_common_are_refused() {
    let mut samples = testing::shapes(60, 32, 1);
    for sample in &mut samples {
        sample.labels.caption = Some(format!("w{}", sample.index));
    }
    let out = tempfile::tempdir().unwrap();
    let stage =
        configured("model = \"stackgan\"\nsteps = 2\nbatch = 2\nstackgan.first_steps = 1\n")
            .unwrap();
    let refused = testing::run_into(stage.as_ref(), "learn", &samples, 16, out.path());
    let problem = refused.unwrap_err().to_string();
    assert!(problem.contains("without a word in common"), "{problem}");
}

#[test]
fn pictures_from_which_nothing_can_be_learned_are_refused() {
    let samples = testing::shapes(60, 16, 1);
    let mut few = samples.clone();
    few.retain(|sample| sample.labels.class.as_deref() == Some("disc") || sample.index < 6);
    let text = problem(&few);
    assert!(
        text.contains("fewer than 10") && text.contains("`square` (3)"),
        "{text}"
    );
    let mut grey = samples.clone();
    let picture = encode_png(&image::RgbImage::from_pixel(16, 16, image::Rgb([90; 3]))).unwrap();
    for sample in &mut grey {
        sample.image.clone_from(&picture);
    }
    assert!(problem(&grey).contains("one single colour"));
    let mut unlabelled = samples;
    for sample in &mut unlabelled {
        sample.labels.class = None;
    }
    assert!(problem(&unlabelled).contains("no pictures with a class"));
    let text = problem(&testing::shapes(60, 15, 1));
    assert!(text.contains("15") && text.contains("halved"), "{text}");
}
