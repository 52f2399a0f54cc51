//! Generators from the command line: pipelines that come with the program, and what is refused before anything runs.

use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;
use verismo::generators::GENERATORS;

use crate::project::{Project, Tiny};

#[test]
fn every_generator_has_a_pipeline_that_can_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("pipelines/generators");
    for kind in GENERATORS {
        let file = folder.join(kind.name).with_extension("toml");
        assert!(file.exists(), "{}", file.display());
    }
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let file = file.to_string_lossy().into_owned();
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

#[test]
fn guides_and_what_else_says_what_is_drawn_exclude_each_other() {
    let guided = |setting: &str| {
        refused(&format!(
            "[stages.learn]\nfrom = {{ samples = \"render\" }}\n\
             [stages.generate]\nfrom = {{ model = \"learn\", guides = \"render\" }}\n{setting}"
        ))
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let strokes = root.join("pipelines/generators/strokes");
    guided(&format!("guide = {strokes:?}")).stderr(contains("`guide` and the role `guides`"));
    guided("captions = [\"a red one\"]").stderr(contains("`captions` and the role `guides`"));
}

/// A pipeline that makes `per_class` models after those of the repository and renders them, with `more` of the stages.
fn sculpted(more: &str) -> String {
    let lego = Path::new(env!("CARGO_MANIFEST_DIR")).join("renders/lego");
    format!(
        "name = \"tiny\"\n[stages.sculpt]\nmodels = [{{ path = {lego:?}, class = \"part\" }}]\nresolution = 16\n\
         per_class = 2\nheld_out = 0.0\nsteps = 3\nbatch = 2\n[stages.sculpt.gan3d]\nchannels = 4\n\
         [stages.render]\nfrom = {{ models = \"sculpt\" }}\ncount = 3\nsize = 32\n{more}"
    )
}

#[test]
fn models_that_were_made_are_rendered_and_more_of_them_need_no_training() {
    let project = Project::new().file("tiny.toml", sculpted("[stages.render.mesh]"));
    project.verismo(&["run", "tiny.toml"]).assert().success();
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let folder = |stage: usize| project.path(record["stages"][stage]["folder"].as_str().unwrap());
    let rendered = verismo::artifact::Artifact::open(&folder(1)).unwrap();
    for sample in rendered.samples() {
        let sample = sample.unwrap();
        assert_eq!(sample.labels.class.as_deref(), Some("part"));
        // Wherever the cache is.
        let source = &sample.provenance.source;
        assert!(
            source.contains("models/part/part-0000") && !source.contains("outputs"),
            "{source}"
        );
    }
    let first = |folder: &Path| std::fs::read(folder.join("models/part/part-00001.obj")).unwrap();
    let before = first(&folder(0));
    let more = ["run", "tiny.toml", "--set", "sculpt.per_class=3"];
    let run = project.verismo(&more).assert().success();
    run.stderr(contains("3 of 3 steps carried over"));
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let folder = project.path(record["stages"][0]["folder"].as_str().unwrap());
    assert_eq!(first(&folder), before);
    assert!(folder.join("models/part/part-00002.obj").exists());
}

#[test]
fn wrong_models_are_refused_before_anything_runs() {
    let plan = |text: &str| {
        let project = Project::new().file("tiny.toml", text);
        project.verismo(&["plan", "tiny.toml"]).assert().code(2)
    };
    plan(&sculpted("[stages.render.template]\ntemplates = \"signs\""))
        .stderr(contains("`models` are 3D models"));
    plan(&sculpted("classes = [\"plate\"]\n[stages.render.mesh]"))
        .stderr(contains("`classes` lists `plate`").and(contains("`part`")));
    let lego = Path::new(env!("CARGO_MANIFEST_DIR")).join("renders/lego");
    plan(&sculpted(&format!(
        "[stages.render.mesh]\nmodels = [{{ path = {lego:?}, class = \"Part\" }}]"
    )))
    .stderr(contains("differ in case alone"));
    plan("name = \"tiny\"\n[stages.render]\n[stages.render.mesh]")
        .stderr(contains("names no model").and(contains("parts/cup.glb")));
    let sculpt = |models: &str| plan(&format!("name = \"tiny\"\n[stages.sculpt]\n{models}"));
    sculpt("").stderr(contains("`models` names no model"));
    sculpt(&format!("models = [{lego:?}]")).stderr(contains("does not say what"));
    sculpt(&format!(
        "models = [{{ path = {lego:?}, class = \"part\", weight = 2.0 }}]"
    ))
    .stderr(contains("have no effect on shapes"));
    sculpt("models = [{ path = \"none.obj\", class = \"part\" }]").stderr(contains("none.obj"));
}

#[test]
fn motion_is_learned_from_clips_alone() {
    let motion = "[stages.motion]\nfrom = { clips = \"render\" }";
    refused(motion).stderr(contains("single pictures").and(contains("`clip = 8` of `render`")));
    refused(
        "[stages.clips]\nuse = \"render\"\nlike = \"render\"\nclip = 4\nsize = 36\n\
         [stages.motion]\nfrom = { clips = \"clips\" }",
    )
    .stderr(contains("multiple of 8"));
    refused(
        "[stages.task]\nfrom = { samples = \"render\" }\n\
         [stages.animate]\nfrom = { model = \"task\", sources = \"render\", clips = \"render\" }",
    )
    .stderr(contains("a task network"));
}
