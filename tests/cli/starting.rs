//! The first minutes: `new` from one's own files, `inspect` of models and stages, completions and manual pages.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::sample::image::read_rgb;

use crate::project::{Project, Tiny};

/// A cube of 2 cm with a coloured material, in metres.
fn cube() -> String {
    let corners = (0..8).map(|i| {
        let side = |bit: i32| if i >> bit & 1 == 1 { 0.01 } else { -0.01 };
        format!("v {} {} {}\n", side(0), side(1), side(2))
    });
    let faces = "usemtl shell\nf 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n";
    corners.collect::<String>() + faces
}

const LABELS: &str = "file,xmin,ymin,xmax,ymax,class\n\
    000.png,2,2,20,18,box\n001.png,1,2,22,18,box\n002.png,2,2,20,18,box\n003.png,4,2,20,18,box\n";

fn project() -> Project {
    Project::new()
        .file("parts/box.obj", cube())
        .photos("photos", 4)
        .file("labels.csv", LABELS)
}

#[test]
fn a_pipeline_from_ones_own_files_passes_plan() {
    let project = project();
    project
        .verismo(&[
            "new",
            "boxes",
            "--models",
            "parts",
            "--photos",
            "photos",
            "--labels",
            "labels.csv",
        ])
        .assert()
        .success()
        .stdout(
            contains("1 model, 1 class: box")
                .and(contains("pictures of 32×32 pixels"))
                .and(contains("verismo plan pipelines/boxes.toml")),
        );
    let text = std::fs::read_to_string(project.path("pipelines/boxes.toml")).unwrap();
    for part in [
        "#:schema pipeline.schema.json\n",
        "\"parts/box.obj\",  # 0.020 × 0.020 × 0.020 m",
        "# Materials: ",
        "boxes = \"labels.csv\"",
        "share = [0, 2]",
        "task = \"classification\"",
        "class_column = \"class\"",
        "min_box = 0",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let settings = text
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with("from"));
    assert!(settings.count() > 25);
    assert!(project.json("pipelines/pipeline.schema.json")["$defs"]["render"].is_object());
    project
        .verismo(&["plan", "pipelines/boxes.toml"])
        .assert()
        .success()
        .stdout(contains("to run in roughly"));
}

#[test]
fn a_pipeline_without_evaluate_is_told_why() {
    let photo = image::RgbImage::from_pixel(96, 80, image::Rgb([90, 120, 60]));
    let photo = verismo::sample::image::encode_png(&photo).unwrap();
    let project = project()
        .file("large/000.png", photo)
        .file(
            "one.csv",
            "file,xmin,ymin,xmax,ymax,class\n000.png,2,2,20,18,box\n",
        )
        .file("rows.csv", "file,class\n000.png,box\n")
        .file("boxes.csv", "file,xmin,ymin,xmax,ymax\n000.png,2,2,20,18\n");
    let new = |name, labels, task| {
        let files = ["--models", "parts", "--photos", "large", "--labels", labels];
        let mut arguments = vec!["new", name, "--task", task];
        arguments.extend(files);
        let made = project.verismo(&arguments).assert().success();
        let file = format!("pipelines/{name}.toml");
        project.verismo(&["plan", &file]).assert().success();
        made
    };
    for (name, labels, task, lack) in [
        ("a", "one.csv", "segmentation", "a table has no masks"),
        ("b", "rows.csv", "classification", "no columns of boxes"),
        ("c", "boxes.csv", "detection", "no column of classes"),
    ] {
        new(name, labels, task).stdout(contains(lack).and(contains("so no `evaluate` is written")));
    }
}

#[test]
fn units_and_templates_are_guessed() {
    let millimetres = cube().replace("0.01", "30.0");
    let sign = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 4 4\"><path d=\"M0 0H4V4z\"/></svg>";
    let project = Project::new()
        .file("parts/box.stl.obj", &millimetres)
        .file("signs/stop.svg", sign)
        .file("signs/yield/turned.svg", sign)
        .file("notes/all.txt", "none")
        .photos("photos", 2);
    let new = |name, models| ["new", name, "--models", models, "--photos", "photos"];
    project
        .verismo(&new("boxes", "parts"))
        .assert()
        .success()
        .stdout(contains("one unit of a model is 0.001 m").and(contains("z points up")));
    let text = std::fs::read_to_string(project.path("pipelines/boxes.toml")).unwrap();
    for part in [
        "{ path = \"parts/box.stl.obj\", scale = 0.001, up = \"z\" },",
        "# Guessed: z points up (`up`), as in CAD programs and STL files.",
        "m (wide, high, deep)",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    project
        .verismo(&new("signs", "signs"))
        .assert()
        .success()
        .stdout(contains("2 classes: stop, yield"));
    for name in ["boxes", "signs"] {
        let file = format!("pipelines/{name}.toml");
        project.verismo(&["plan", &file]).assert().success();
    }
    for (arguments, problem) in [
        (new("x", "photos"), "is given as models and as photos"),
        (new("x", "notes"), "has no model"),
        (new("x", "nowhere"), "nowhere"),
        (
            ["new", "x", "--task", "juggling", "--size", "64"],
            "tasks: classification",
        ),
    ] {
        let refused = project.verismo(&arguments).assert().failure();
        refused.stderr(contains(problem).and(contains("help: ")));
    }
}

#[test]
fn a_model_is_shown_from_all_sides() {
    let project = project();
    project
        .verismo(&[
            "inspect",
            "parts/box.obj",
            "--sheet",
            "box.png",
            "--tile",
            "64",
        ])
        .assert()
        .success()
        .stdout(
            contains("2.00 cm wide")
                .and(contains("triangles  12"))
                .and(contains("shell"))
                .and(contains("classes    box"))
                .and(contains("contact sheet: box.png")),
        );
    let sheet = read_rgb(&project.path("box.png")).unwrap();
    assert_eq!(sheet.dimensions(), (4 * 66 + 2, 2 * 66 + 2));
    project
        .verismo(&["inspect", "parts/box.obj", "--unit-metres", "1000"])
        .assert()
        .success()
        .stdout(contains("20.0 m wide"));
    let broken = project.file("parts/broken.stl", "not a model");
    broken
        .verismo(&["inspect", "parts/broken.stl"])
        .assert()
        .failure()
        .stderr(contains("broken.stl").and(contains("help: ")));
}

#[test]
fn the_newest_result_of_a_stage_needs_no_hash() {
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", Tiny::new("").photos(16).text());
    project
        .verismo(&["inspect", "p.toml", "photos"])
        .assert()
        .code(2)
        .stderr(contains("has no runs").and(contains("verismo run p.toml")));
    project.verismo(&["run", "p.toml"]).assert().success();
    for path in [
        "p.toml",
        "outputs",
        "outputs/runs/tiny",
        "outputs/runs/tiny/latest",
    ] {
        project
            .verismo(&[
                "inspect", path, "photos", "--sheet", "s.png", "--tile", "40",
            ])
            .assert()
            .success()
            .stdout(
                contains("3 samples")
                    .and(contains("settings:"))
                    .and(contains("size           = 16")),
            );
        assert_eq!(
            read_rgb(&project.path("s.png")).unwrap().width(),
            3 * 42 + 2
        );
        project
            .verismo(&["inspect", path, "photo"])
            .assert()
            .code(2)
            .stderr(contains("did you mean `photos`?"));
        project
            .verismo(&["inspect", path])
            .assert()
            .code(2)
            .stderr(contains("stages: photos"));
    }
}

#[test]
fn shells_complete_and_man_explains() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        project
            .verismo(&["completions", shell])
            .assert()
            .success()
            .stdout(contains("inspect").and(contains("unit-metres")));
    }
    project.verismo(&["completions", "tcsh"]).assert().code(2);
    project
        .verismo(&["man"])
        .assert()
        .success()
        .stdout(contains(".TH verismo 1"));
    project.verismo(&["man", "man1"]).assert().success();
    let page = std::fs::read_to_string(project.path("man1/verismo-run.1")).unwrap();
    assert!(page.contains("Run a pipeline"));
}

#[test]
fn photos_of_several_shapes_keep_them_for_a_detector() {
    let project = project();
    std::fs::create_dir(project.path("frames")).unwrap();
    for (name, width, height) in [("wide", 240, 180), ("tall", 180, 240)] {
        let photo = image::RgbImage::from_pixel(width, height, image::Rgb([90, 80, 70]));
        let path = project.path(&format!("frames/{name}.png"));
        photo.save(path).unwrap();
    }
    project
        .verismo(&[
            "new",
            "boxes",
            "--models",
            "parts",
            "--photos",
            "frames",
            "--task",
            "detection",
        ])
        .assert()
        .success();
    let text = std::fs::read_to_string(project.path("pipelines/boxes.toml")).unwrap();
    assert!(text.contains("keep_shape = true"), "{text}");
    project
        .verismo(&["plan", "pipelines/boxes.toml"])
        .assert()
        .success();
}

#[test]
fn small_photos_for_a_detector_pass_plan() {
    let project = project();
    let files = [
        "--models",
        "parts",
        "--photos",
        "photos",
        "--labels",
        "labels.csv",
    ];
    let arguments = [&["new", "boxes", "--task", "detection"], &files[..]].concat();
    project.verismo(&arguments).assert().success();
    let text = std::fs::read_to_string(project.path("pipelines/boxes.toml")).unwrap();
    for crop in ["crop = 16 ", "crop = 32 "] {
        assert!(text.contains(crop), "{text}");
    }
    project
        .verismo(&["plan", "pipelines/boxes.toml"])
        .assert()
        .success();
}

#[test]
fn pictures_are_models_of_flat_things() {
    let project = project().photos("cards", 2);
    project
        .verismo(&["new", "cards", "--models", "cards", "--photos", "photos"])
        .assert()
        .success()
        .stdout(
            contains("2 models, 2 classes: 000, 001").and(contains("side of a picture is 0.1 m")),
        );
    let text = std::fs::read_to_string(project.path("pipelines/cards.toml")).unwrap();
    let entry = "{ path = \"cards/000.png\", scale = 0.1 }";
    assert!(text.contains(entry), "{text}");
    project
        .verismo(&["plan", "pipelines/cards.toml"])
        .assert()
        .success();
    project
        .verismo(&["inspect", "cards/000.png"])
        .assert()
        .success()
        .stdout(contains("1.00 m wide (x), 0 m high (y)"));
}
