//! Generators from the command line: pipelines that come with the program, and what is refused before anything runs.

use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;
use verismo::generators::GENERATORS;

use crate::project::{Project, Tiny};

#[test]
fn every_generator_has_a_pipeline_that_can_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for kind in GENERATORS {
        let file = format!("pipelines/generators/{}.toml", kind.name);
        assert!(root.join(&file).exists(), "{file}");
        let outputs = tempfile::tempdir().unwrap();
        let outputs = outputs.path().to_string_lossy().into_owned();
        let mut plan = Project::new().verismo(&["plan", &file, "--outputs", &outputs]);
        plan.current_dir(root).assert().success();
    }
}

/// The last stage is `text`.
fn refused(text: &str) -> assert_cmd::assert::Assert {
    let pipeline = Tiny::new("").dice(12, 32).stages(text).text();
    let project = Project::new().file("tiny.toml", pipeline);
    project.verismo(&["plan", "tiny.toml"]).assert().code(2)
}

#[test]
fn a_generator_is_no_adapter() {
    refused(
        "[stages.train]\nfrom = { renders = \"render\", photos = \"render\" }\nmodel = \"dcgan\"",
    )
    .stderr(contains("is a generator").and(contains("use = \"learn\"")));
    refused(
        "[stages.train]\nfrom = { renders = \"render\", photos = \"render\" }\n\
         [stages.generate]\nfrom = { model = \"train\" }",
    )
    .stderr(contains("an adapter"));
}

#[test]
fn sizes_and_settings_are_checked_before_anything_runs() {
    let learn = "[stages.learn]\nfrom = { samples = \"render\" }\n";
    let fvbn = format!("{learn}model = \"fvbn\"");
    let pipeline = Tiny::new("").dice(12, 64).stages(&fvbn).text();
    let project = Project::new().file("tiny.toml", pipeline);
    let plan = project.verismo(&["plan", "tiny.toml"]).assert().code(2);
    plan.stderr(contains("64×64").and(contains("at most 32×32")));
    refused(&format!("{learn}[stages.learn.dcgan]\nlatnet = 3"))
        .stderr(contains("did you mean `latent`?"));
    refused(&format!(
        "{learn}model = \"vae\"\n[stages.learn.dcgan]\nlatent = 3"
    ))
    .stderr(contains("another generator"));
}
