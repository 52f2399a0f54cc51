//! Models and templates as people have them: tables, folders and patterns, and what is refused by `plan`.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, names};

/// A box of this many units as OBJ.
fn cuboid([x, y, z]: [f32; 3]) -> String {
    let corner = |i: i32| {
        let at = |bit: i32, side: f32| if i >> bit & 1 == 1 { side } else { 0.0 };
        format!("v {} {} {}\n", at(0, x), at(1, y), at(2, z))
    };
    let faces = "f 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n";
    (0..8).map(corner).collect::<String>() + faces
}

/// A box that is no cube.
fn part() -> String {
    cuboid([4.0, 2.0, 3.0])
}

const SIGN: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 40">
  <rect width="60" height="40" fill="#c02020"/></svg>"##;

/// A pipeline that publishes 8 pictures of `models`.
fn pipeline(render: &str, models: &str) -> String {
    format!(
        "name = \"parts\"\n[stages.render]\ncount = 8\nsize = 24\n{render}\n[stages.render.mesh]\n{models}\n\
         [stages.split]\nfrom = {{ samples = \"render\" }}\n[stages.emit]\nname = \"parts\"\n\
         from = {{ samples = \"split\" }}\n"
    )
}

/// `plan` and `run` both refuse `p.toml` with a place in it and these words, and nothing is made.
fn assert_refused(project: &Project, [problem, remedy]: [&str; 2]) {
    for command in ["plan", "run"] {
        let refused = project.verismo(&[command, "p.toml"]).assert().code(2);
        refused.stderr(
            contains("p.toml:")
                .and(contains(problem))
                .and(contains(remedy)),
        );
    }
    assert!(!project.path("outputs").exists());
}

#[test]
fn folders_patterns_and_tables_become_classes_under_built_in_light() {
    let models = "models = [\n  \"parts/spoon.obj\",\n  { path = \"parts/cups\", class = \"cup\", scale = 0.02 },\n  \
                  { path = \"parts/mug-*.obj\", class = \"mug\", scale = 0.03, up = \"z\" },\n]";
    let mut project = Project::new().file(
        "p.toml",
        pipeline("classes = [\"mug\", \"cup\", \"spoon\"]", models),
    );
    for file in ["spoon", "cups/a", "cups/b", "mug-1", "mug-2"] {
        project = project.file(&format!("parts/{file}.obj"), part());
    }
    let run = project.verismo(&["run", "p.toml"]).assert().success();
    // The spoon is four metres long, the others a few centimetres.
    run.stderr(contains("sizes differ 50-fold"));
    let dataset = project.path("outputs/datasets/parts/latest");
    for split in ["train", "val"] {
        let mut classes = names(&dataset.join(split));
        classes.retain(|name| dataset.join(split).join(name).is_dir());
        assert_eq!(classes, ["cup", "mug", "spoon"], "{split}");
    }
}

#[test]
fn what_cannot_be_classes_is_refused_before_anything_runs() {
    let faces = r#"{"asset":{"version":"2.0"},"nodes":[{"name":"face.yes/no"}]}"#;
    for (render, models, parts) in [
        (
            "",
            "models = [\"mug/model.obj\", \"bottle/model.obj\"]",
            ["mug/model.obj and bottle/model.obj", "class = \"bottle\""],
        ),
        ("", "", ["`mesh.models` names no model", "path = "]),
        (
            "",
            "models = [\"slash.gltf\"]",
            ["slash.gltf", "holds a slash"],
        ),
        (
            "",
            "models = [{ path = \"mug\", class = \"Mug\" }, { path = \"bottle\", class = \"mug\" }]",
            ["`Mug` (mug/model.obj)", "differ in case alone"],
        ),
        (
            "classes = [\"mug\", \"jar\"]",
            "models = [{ path = \"mug\", class = \"mug\" }]",
            ["`jar`, which no file is of", "there are `mug`"],
        ),
        (
            "",
            "models = [{ path = \"mug\", scale = -1.0 }]",
            ["`scale` of mug", "1e-9"],
        ),
        (
            "",
            "models = [\"empty\"]",
            ["the folder `empty`", "holds no .gltf"],
        ),
        (
            "",
            "models = [{ path = \"mug\", clas = \"mug\" }]",
            ["unknown key `clas`", "did you mean `class`?"],
        ),
    ] {
        let project = Project::new()
            .file("mug/model.obj", part())
            .file("bottle/model.obj", part())
            .file("slash.gltf", faces)
            .file("empty/notes.txt", "no model")
            .file("p.toml", pipeline(render, models));
        assert_refused(&project, parts);
    }
}

#[test]
fn a_part_that_cannot_be_seen_stops_the_run_with_its_name() {
    let project = Project::new()
        .file("wire.obj", cuboid([1000.0, 2.0, 2.0]))
        .file(
            "p.toml",
            pipeline("", "models = [{ path = \"wire.obj\", scale = 0.001 }]"),
        );
    project
        .verismo(&["run", "p.toml"])
        .assert()
        .code(1)
        .stderr(contains("wire.obj").and(contains("thinner than a quarter of a pixel")));
}

#[test]
fn templates_one_level_too_high_are_said_and_odd_names_refused() {
    let text = "name = \"signs\"\n[stages.render]\ncount = 4\nsize = 16\n[stages.render.template]\n\
                templates = \"set\"\n";
    let project = Project::new()
        .file("set/svg/stop.svg", SIGN)
        .file("set/svg/yield.svg", SIGN)
        .file("p.toml", text);
    let run = project.verismo(&["run", "p.toml"]).assert().success();
    run.stderr(contains("all 2 templates lie in one folder").and(contains("set/svg")));
    let project = project.file("set/Svg.svg", SIGN);
    let refused = project.verismo(&["plan", "p.toml"]).assert().code(2);
    refused.stderr(contains("differ in case alone"));
}

#[test]
fn models_that_cannot_be_read_and_materials_that_are_not_there_are_refused_by_plan() {
    let draco =
        r#"{"asset":{"version":"2.0"},"extensionsRequired":["KHR_draco_mesh_compression"]}"#;
    let painted = "{ path = \"box.obj\", material = { lid = { colour = \"#c02020\" } } }";
    for (models, parts) in [
        (
            "\"box.gltf\"",
            [
                "box.gltf is compressed by Draco",
                "export it without compression",
            ],
        ),
        (
            painted,
            [
                "names `lid`, which no file of the entry has",
                "there are default",
            ],
        ),
    ] {
        let project = Project::new()
            .file("box.gltf", draco)
            .file("box.obj", part())
            .file("p.toml", pipeline("", &format!("models = [{models}]")));
        assert_refused(&project, parts);
    }
    let models = format!("models = [{}]", painted.replace("lid", "default"));
    let project = Project::new()
        .file("box.obj", part())
        .file("p.toml", pipeline("", &models));
    project.verismo(&["plan", "p.toml"]).assert().success();
}
