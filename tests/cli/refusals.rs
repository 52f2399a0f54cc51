//! What a run would refuse, `plan` refuses: with the line and a remedy, and before anything runs.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, Tiny};

/// Checks that `plan` and `run` refuse the pipeline with these messages, and leave nothing behind.
fn refused(project: &Project, more: &[&str], messages: &[&str]) {
    for command in ["plan", "run"] {
        let arguments = [&[command, "p.toml"], more].concat();
        let mut output = project.verismo(&arguments).assert().code(2);
        for message in messages.iter().chain(&["help: "]) {
            output = output.stderr(contains(*message));
        }
        assert!(
            !project.path("outputs").exists(),
            "{command} made something"
        );
    }
}

#[test]
fn a_model_that_reads_maps_of_renders_without_any() {
    let text = "name = \"tiny\"\n[stages.render]\nsize = 16\n[stages.render.template]\ntemplates = \"signs\"\n\
                [stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n\
                [stages.train]\nmodel = \"gbuffer\"\n\
                from = { renders = \"render\", photos = \"photos\" }\n";
    let sign = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>"#;
    let project = |text: String| {
        Project::new()
            .photos("photos", 3)
            .file("signs/a.svg", sign)
            .file("p.toml", text)
    };
    let messages = ["p.toml:", "those of `render` have none", "maps = ["];
    refused(&project(text.into()), &[], &messages);
    let depth = text.replace(
        "size = 16\n[stages.render.t",
        "maps = [\"depth\"]\n[stages.render.t",
    );
    project(depth)
        .verismo(&["plan", "p.toml"])
        .assert()
        .code(2)
        .stderr(contains("no size in metres"));
    let normals = text.replace(
        "size = 16\n[stages.render.t",
        "size = 16\nmaps = [\"normals\"]\n[stages.render.t",
    );
    project(normals)
        .verismo(&["plan", "p.toml"])
        .assert()
        .success();
}

#[test]
fn a_model_that_reads_objects_without_a_task_network_or_labels() {
    let project = |settings: &str, inputs: &str, more: &str| {
        let pipeline = Tiny::new("").dice(4, 64).photos(64).stages(&format!(
            "[stages.train]\n{settings}\nfrom = {{ {inputs}photos = \"photos\" }}\n{more}"
        ));
        Project::new()
            .photos("photos", 3)
            .file("p.toml", pipeline.text())
    };
    let task = "[stages.task]\nfrom = { samples = \"render\" }\n";
    let all = "renders = \"render\", task = \"task\", ";
    for (model, settings) in [("pix2pix", "pix2pix.condition = \"both\""), ("spade", "")] {
        let reads = format!("`{model}` ");
        let model = format!("model = \"{model}\"\n{settings}");
        let messages = ["p.toml:", &reads, "use = \"task\""];
        refused(
            &project(&model, "renders = \"render\", ", ""),
            &[],
            &messages,
        );
        let messages = ["p.toml:", &reads, "those of `photos` are not known"];
        let photos = all.replace("\"render\"", "\"photos\"");
        refused(&project(&model, &photos, task), &[], &messages);
        let accepted = project(&model, all, task);
        accepted.verismo(&["plan", "p.toml"]).assert().success();
    }
    let edges = "model = \"pix2pix\"";
    let accepted = project(edges, "renders = \"render\", ", "");
    accepted.verismo(&["plan", "p.toml"]).assert().success();
}

const PHOTOS: &str = "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n";

#[test]
fn pictures_of_two_sizes() {
    let stages = |consumer: &str| {
        let pipeline = Tiny::new("").dice(4, 64).photos(96).stages(consumer);
        Project::new()
            .photos("photos", 3)
            .file("p.toml", pipeline.text())
    };
    for (consumer, messages) in [
        (
            "[stages.train]\nfrom = { renders = \"render\", photos = \"photos\" }",
            ["p.toml:14:8", "64×64", "(stage `photos`) of 96×96"],
        ),
        (
            "[stages.task]\nfrom = { samples = \"render\" }\n[stages.gate]\n\
             from = { samples = \"render\", renders = \"render\", photos = \"photos\", task = \"task\" }",
            [
                "p.toml:16:8",
                "(stage `task`) has pictures of 64×64",
                "96×96",
            ],
        ),
        (
            "[stages.pseudo_label]\nfrom = { samples = \"render\", photos = \"photos\" }",
            [
                "p.toml:14:8",
                "64×64",
                "give `render` and every `ingest` the same `size`",
            ],
        ),
        (
            "[stages.evaluate]\ntest_labels = \"photos\"\n\
             from = { source = \"render\", test = \"photos\" }",
            ["p.toml:15:8", "64×64", "96×96"],
        ),
    ] {
        refused(&stages(consumer), &[], &messages);
    }
}

#[test]
fn photos_without_labels_cannot_be_tested_on() {
    let consumer = "[stages.evaluate]\nfrom = { source = \"render\", test = \"photos\" }";
    let pipeline = Tiny::new("").dice(12, 16).photos(16).stages(consumer);
    let project = Project::new().photos("photos", 3);
    let project = project.file("p.toml", pipeline.text());
    refused(&project, &[], &["have no labels", "set `test_labels`"]);
}

#[test]
fn what_does_not_fit_does_not_matter_to_stages_that_do_not_read_it() {
    let train = "[stages.train]\nfrom = { renders = \"photos\", photos = \"others\" }\n\
                 [stages.others]\nuse = \"ingest\"\npath = \"photos\"\nsize = 24";
    let pipeline = Tiny::new("").photos(16).stages(train);
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", pipeline.text());
    refused(&project, &[], &["16×16", "24×24"]);
    let only = ["run", "p.toml", "--only", "photos"];
    project.verismo(&only).assert().success();
}

#[test]
fn sizes_that_networks_cannot_read() {
    let train = "[stages.train]\nfrom = { renders = \"render\", photos = \"photos\" }\ncrop = 40";
    let pipeline = Tiny::new("").dice(4, 32).photos(32).stages(train);
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", pipeline.text());
    refused(
        &project,
        &[],
        &["p.toml:15:8", "cannot cut a width of 40 pixels out of 32"],
    );
    let task = Tiny::new("")
        .dice(4, 50)
        .stages("[stages.task]\nfrom = { samples = \"render\" }");
    let project = project.file("p.toml", task.text());
    refused(
        &project,
        &[],
        &["p.toml:10:8", "50 pixels", "multiple of 4"],
    );
}

#[test]
fn samples_without_the_labels_that_are_needed() {
    let project = |more: &str| {
        Project::new()
            .photos("photos", 3)
            .file("p.toml", format!("{PHOTOS}{more}"))
    };
    let emit = "[stages.emit]\nfrom = { samples = \"photos\" }\n";
    refused(
        &project(emit),
        &[],
        &["p.toml:6:8", "those of `photos` have none"],
    );
    let through = "[stages.augment]\nfrom = { samples = \"photos\" }\n\
                   [stages.split]\nfrom = { samples = \"augment\" }\n\
                   [stages.emit]\nfrom = { samples = \"split\" }\n";
    refused(
        &project(through),
        &[],
        &["p.toml:10:8", "those of `split` have none"],
    );
    let task = "[stages.task]\nfrom = { samples = \"photos\" }\n";
    refused(
        &project(task),
        &[],
        &["p.toml:6:8", "`photos` have no classes to learn from"],
    );
}

#[test]
fn files_that_are_not_there_are_all_named() {
    let pipeline = format!(
        "{PHOTOS}boxes = \"boxes.csv\"\n[stages.others]\nuse = \"ingest\"\npath = \"nowhere\"\n"
    );
    let project = Project::new().photos("photos", 1).file("p.toml", pipeline);
    refused(
        &project,
        &[],
        &[
            "p.toml:5:9: stage `photos`: boxes.csv does not exist",
            "--set photos.boxes=PATH",
            "also missing: nowhere (stage `others`)",
        ],
    );
    let set = ["--set", "photos.boxes=other.csv"];
    refused(
        &project,
        &set,
        &["--set photos.boxes=other.csv", "other.csv does not exist"],
    );
    let pipeline = Tiny::new("")
        .dice(4, 32)
        .text()
        .replace("/die.gltf", "/dye.gltf");
    let project = project.file("p.toml", pipeline);
    refused(
        &project,
        &[],
        &[
            "p.toml:7:11",
            "dye.gltf does not exist",
            "render.mesh.models=",
        ],
    );
    let pipeline = Tiny::new("")
        .dice(4, 32)
        .text()
        .replace("/die.gltf", "/d?e.ply");
    let project = project.file("p.toml", pipeline);
    refused(&project, &[], &["p.toml:7:11", "d?e.ply matches no file"]);
}

#[test]
fn networks_that_begin_with_a_discriminator_need_one() {
    let generator = |model: &str| {
        let rest = format!(
            "[stages.learn]\nmodel = \"{model}\"\nfrom = {{ samples = \"render\" }}\n\
             [stages.task]\nfrom = {{ samples = \"render\", init = \"learn\" }}\n"
        );
        let pipeline = format!("{}{rest}", Tiny::new("").dice(4, 32).text());
        Project::new().file("p.toml", pipeline)
    };
    refused(
        &generator("vae"),
        &[],
        &["stage `task`", "generator of `learn` leaves none", "dcgan"],
    );
    let plan = ["plan", "p.toml"];
    generator("dcgan").verismo(&plan).assert().success();
}

#[test]
fn files_of_a_kind_that_cannot_be_read() {
    let mut project = Project::new().photos("parts", 1).photos("photos", 1);
    for name in [
        "part.dae",
        "parts.zip",
        "photos.rar",
        "sign.svg",
        "texts/read.txt",
    ] {
        project = project.file(name, "something");
    }
    let models = |name: &str| {
        let text = Tiny::new("").dice(4, 32).text();
        let die = format!("{}/renders/dice/die.gltf", env!("CARGO_MANIFEST_DIR"));
        text.replace(&die, name)
    };
    let photos = |path: &str| PHOTOS.replace("\"photos\"", &format!("\"{path}\""));
    let template = "[stages.render]\n[stages.render.template]\ntemplates = \"sign.svg\"\n";
    for (pipeline, place, problem, remedy) in [
        (models("texts"), "p.toml:", "holds no .gltf", "help: "),
        (
            models("part.dae"),
            "p.toml:7:11",
            "part.dae is a COLLADA file",
            "help: ",
        ),
        (
            models("parts.zip"),
            "p.toml:7:11",
            "is an archive",
            "help: ",
        ),
        (
            photos("photos.rar"),
            "p.toml:3:8",
            "neither a folder nor a tar or zip",
            "holds the files",
        ),
        (
            PHOTOS.to_owned() + "boxes = \"parts\"\n",
            "p.toml:5:9",
            "names a folder",
            "CSV",
        ),
        (
            template.to_owned(),
            "p.toml:3:13",
            "sign.svg is a file",
            "folder",
        ),
    ] {
        project = project.file("p.toml", pipeline);
        refused(&project, &[], &[place, problem, remedy]);
    }
}

#[test]
fn a_version_that_is_published_with_other_content() {
    let settings = "[stages.render]\ncount = 4\nsize = 16\n[stages.render.template]\n\
                    templates = \"signs\"\n[stages.emit]\nversion = \"1.0\"\n\
                    from = { samples = \"render\" }\n";
    let sign = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">
        <rect width="8" height="8" fill="#c02020"/></svg>"##;
    let project = Project::new()
        .file("signs/red.svg", sign)
        .file("p.toml", settings);
    project.verismo(&["run", "p.toml"]).assert().success();
    let again = ["--set", "render.count=6"];
    for command in ["plan", "run"] {
        project.verismo(&[command, "p.toml"]).assert().success();
        project
            .verismo(&[&[command, "p.toml"][..], &again].concat())
            .assert()
            .code(2)
            .stderr(
                contains("p.toml:7:11")
                    .and(contains("`version` 1.0 is already published"))
                    .and(contains("render.count 4 -> 6"))
                    .and(contains("another `version`")),
            );
    }
    // Without the cache, the same content is made again and found published.
    std::fs::remove_dir_all(project.path("outputs/cache")).unwrap();
    project.verismo(&["plan", "p.toml"]).assert().success();
    project.verismo(&["run", "p.toml"]).assert().success();
}

#[test]
fn a_fit_with_too_small_a_budget() {
    let pipeline = Tiny::new("").dice(4, 32).photos(32);
    let train = "[stages.train]\nfrom = { renders = \"render\", photos = \"photos\" }";
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", pipeline.stages(train).text());
    project
        .verismo(&["fit", "p.toml", "--budget", "12"])
        .assert()
        .code(2)
        .stderr(contains("--budget 12: ").and(contains("set `budget` to at least ")));
    assert!(!project.path("outputs").exists());
}

#[test]
fn reasons_compare_with_the_last_run_of_the_same_pipeline() {
    let pipeline = |name: &str, size| format!("name = \"{name}\"\n{}", PHOTOS.replace("16", size));
    let project = Project::new()
        .photos("photos", 3)
        .file("a.toml", pipeline("a", "16"))
        .file("b.toml", pipeline("b", "24"));
    for name in ["a.toml", "b.toml"] {
        project.verismo(&["run", name]).assert().success();
    }
    project
        .verismo(&["plan", "a.toml", "--set", "photos.size=32"])
        .assert()
        .success()
        .stdout(contains("photos.size 16 -> 32"));
    let project = project.file("c.toml", pipeline("c", "20"));
    project
        .verismo(&["plan", "c.toml"])
        .assert()
        .success()
        .stdout(contains("no earlier result"));
}

#[test]
fn classes_of_real_photos_that_no_render_has() {
    let evaluate = "[stages.evaluate]\nfrom = { source = \"render\", test = \"photos\" }\n\
                    test_labels = \"labels.csv\"\n";
    let pipeline = |more: &str| {
        let tiny = Tiny::new("").dice(4, 16).photos(16);
        tiny.stages(&format!("{evaluate}{more}")).text()
    };
    let project = |csv: &str, more: &str| {
        Project::new()
            .photos("photos", 3)
            .file("labels.csv", csv)
            .file("p.toml", pipeline(more))
    };
    let wrong = "file,class\n000.png,one\n001.png,seven\n";
    refused(
        &project(wrong, ""),
        &[],
        &[
            "p.toml:15:15",
            "labels.csv line 3 (row 1): `seven` is not one of the classes five, four, one",
        ],
    );
    let fine = "file,class\n000.png,one\n001.png,2\n";
    let plan = |project: &Project| project.verismo(&["plan", "p.toml"]).assert();
    plan(&project(fine, "")).success();
    let require = "[require]\n\"evaluate.source_only.per_class.sevn\" = \">= 0.5\"\n";
    refused(
        &project(fine, require),
        &[],
        &[
            "p.toml:17:1",
            "per_class.sevn` names no class of `evaluate`",
            "classes: five, four",
        ],
    );
    let six = require.replace("sevn", "six");
    plan(&project(fine, &six)).success();
}

#[test]
fn photos_that_a_table_names_and_that_are_not_there() {
    let row = |name: &str| format!("{name},1,1,19,19\n");
    let rows = |names: &[&str]| names.iter().map(|name| row(name)).collect::<String>();
    let project = |names: &[&str]| {
        Project::new()
            .photos("photos", 3)
            .file("boxes.csv", format!("file,x1,y1,x2,y2\n{}", rows(names)))
            .file("p.toml", format!("{PHOTOS}boxes = \"boxes.csv\"\n"))
    };
    refused(
        &project(&["000.png", "a.png", "b.png", "001.png", "c.png", "d.png"]),
        &[],
        &[
            "p.toml:5:9",
            "4 of the 6 photos that `boxes` names are not in photos: `a.png` (line 3), `b.png` (line 4), \
             `c.png` (line 6) and 1 more",
            "correct `path` or the rows",
        ],
    );
    // Those that may be bad are left to the run, which lists them.
    let some = project(&["000.png", "001.png", "002.png", "a.png"]);
    refused(&some, &[], &["1 of the 4 photos"]);
    let allowed = ["plan", "p.toml", "--set", "photos.max_bad=0.3"];
    some.verismo(&allowed).assert().success();
}
