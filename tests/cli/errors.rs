//! Mistakes are reported with their position, a remedy and the right exit code.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, names};

const PHOTOS: &str = "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n";

fn project() -> Project {
    Project::new()
        .photos("photos", 3)
        .file("pipelines/p.toml", PHOTOS)
}

#[test]
fn an_unknown_key_is_refused_with_line_and_nearest() {
    let wrong = PHOTOS.replace("size", "siez");
    let project = Project::new()
        .photos("photos", 1)
        .file("pipelines/p.toml", wrong);
    for command in ["run", "plan"] {
        project
            .verismo(&[command, "pipelines/p.toml"])
            .assert()
            .code(2)
            .stderr(contains("pipelines/p.toml:4:1").and(contains("did you mean `size`?")));
    }
    assert!(!project.path("outputs").exists());
}

#[test]
fn a_value_of_another_type_is_told_in_plain_words() {
    let refused = |settings: &str, set: &[&str], place: &str, problem: &str| {
        let text = format!("[stages.render]\n{settings}\n");
        let project = Project::new().file("p.toml", text);
        let output = project
            .verismo(&[&["plan", "p.toml"], set].concat())
            .assert()
            .code(2);
        output.stderr(
            contains(place)
                .and(contains(problem))
                .and(contains("help: ")),
        );
    };
    for (settings, place, problem) in [
        (
            "count = 1.5",
            "2:9",
            "`count` is 1.5, not a whole number of at least 0",
        ),
        ("size = -3", "2:8", "`size` is -3, not a number of pixels"),
        ("mesh = true", "2:8", "`mesh` is true, not a table"),
        (
            "mesh.lens.noise = 4",
            "2:19",
            "`mesh.lens.noise` is 4, not a list of 2 values",
        ),
        (
            "mesh.lens.noise = [4, \"b\"]",
            "2:23",
            "`mesh.lens.noise` holds \"b\", not a number",
        ),
        (
            "mesh.lens.noise = [4]",
            "2:19",
            "`mesh.lens.noise` has 1 value instead of 2",
        ),
        (
            "mesh.lens.noise = [4, 5, 6]",
            "2:26",
            "`mesh.lens.noise` has more than 2 values",
        ),
    ] {
        refused(settings, &[], &format!("p.toml:{place}"), problem);
    }
    let set = "render.mesh.lens.noise=[0,1,2]";
    refused(
        "count = 1",
        &["--set", set],
        &format!("--set {set}"),
        "has more than 2 values",
    );
}

#[test]
fn a_number_out_of_range_is_named_where_it_stands() {
    let pipeline = "[stages.render]\ncount = 1\n[stages.render.mesh]\nmodels = [\"a.obj\"]\n\
                    [stages.render.mesh.scene]\ncount = [3, 1]\n";
    let project = Project::new().file("p.toml", pipeline);
    project
        .verismo(&["plan", "p.toml"])
        .assert()
        .code(2)
        .stderr(contains("p.toml:6:9").and(contains("`mesh.scene.count`")));
}

#[test]
fn a_device_that_is_not_there_is_refused_by_plan_as_by_run() {
    let project = Project::new().photos("photos", 1).file("p.toml", PHOTOS);
    for command in ["run", "plan"] {
        project
            .verismo(&[command, "p.toml", "--device", "gpu:99"])
            .assert()
            .code(2)
            .stderr(contains("gpu"));
    }
}

#[test]
fn an_unknown_stage_is_refused_with_the_nearest() {
    let wrong = PHOTOS.replace("\"ingest\"", "\"ingset\"");
    let project = Project::new().file("pipelines/p.toml", wrong);
    project
        .verismo(&["run", "pipelines/p.toml"])
        .assert()
        .code(2)
        .stderr(contains("pipelines/p.toml:2:7").and(contains("did you mean `ingest`?")));
}

#[test]
fn a_circle_is_refused() {
    let cycle = "\
[stages.a]
use = \"translate\"
from = { renders = \"b\", model = \"train\" }
[stages.b]
use = \"translate\"
from = { renders = \"a\", model = \"train\" }
[stages.train]
from = { renders = \"a\", photos = \"b\" }
";
    let project = Project::new().file("p.toml", cycle);
    project
        .verismo(&["plan", "p.toml"])
        .assert()
        .code(2)
        .stderr(contains("p.toml:8:8").and(contains("form a cycle: train <- b <- train")));
}

#[test]
fn a_dataset_that_could_not_be_published_is_refused_before_any_work() {
    let emit = "[stages.emit]\nfrom = { samples = \"photos\" }\n";
    for (name, settings, place) in [
        (
            "version",
            "name = \"a\"\nversion = \"latest\"\n",
            "p.toml:8:11",
        ),
        ("version", "version = \".tmp-1\"\n", "p.toml:7:11"),
        ("name", "name = \"a/b\"\n", "p.toml:7:8"),
    ] {
        let project = project().file("p.toml", format!("{PHOTOS}{emit}{settings}"));
        for command in ["run", "plan"] {
            project
                .verismo(&[command, "p.toml"])
                .assert()
                .code(2)
                .stderr(
                    contains(place)
                        .and(contains(format!("`{name}` names a folder")))
                        .and(contains("[stages.emit]")),
                );
        }
        assert!(!project.path("outputs").exists());
    }
    let twice = format!(
        "{PHOTOS}{emit}[stages.other]\nuse = \"emit\"\nfrom = {{ samples = \"photos\" }}\n"
    );
    project()
        .file("p.toml", twice)
        .verismo(&["plan", "p.toml"])
        .assert()
        .code(2)
        .stderr(contains("p.toml:7:9").and(contains("both publish the dataset `dataset`")));
}

#[test]
fn a_checkpoint_of_another_kind_is_refused_before_any_work() {
    let stages = format!(
        "{PHOTOS}\
[stages.task]
from = {{ samples = \"photos\" }}
[stages.train]
from = {{ renders = \"photos\", photos = \"photos\" }}
[stages.last]
"
    );
    for (stage, from, problem, remedy) in [
        (
            "translate",
            "renders = \"photos\", model = \"task\"",
            "`model` of stage `last` reads an adapter, but `task` gives a task network",
            "stages that give an adapter: train",
        ),
        (
            "gate",
            "samples = \"photos\", renders = \"photos\", task = \"train\"",
            "`task` of stage `last` reads a task network, but `train` gives an adapter",
            "stages that give a task network: task",
        ),
        (
            "emit",
            "samples = \"photos\", gate = \"photos\"",
            "`gate` of stage `last` reads samples that a gate judged, but `photos` gives samples",
            "no stage here gives samples that a gate judged",
        ),
    ] {
        let text = format!("{stages}use = \"{stage}\"\nfrom = {{ {from} }}\n");
        let project = project().file("p.toml", text);
        for command in ["run", "plan"] {
            let output = project.verismo(&[command, "p.toml"]).assert().code(2);
            output.stderr(
                contains("p.toml:11:8")
                    .and(contains(problem))
                    .and(contains(remedy)),
            );
        }
        assert!(!project.path("outputs").exists());
    }
}

#[test]
fn a_wrong_set_names_itself() {
    project()
        .verismo(&["run", "pipelines/p.toml", "--set", "photos.siez=32"])
        .assert()
        .code(2)
        .stderr(contains("--set photos.siez=32").and(contains("did you mean `size`?")));
}

#[test]
fn a_missing_pipeline_lists_those_that_are_there() {
    project()
        .verismo(&["run", "pipelines/q.toml"])
        .assert()
        .code(2)
        .stderr(contains("no such pipeline file").and(contains("pipelines/p.toml")));
}

#[test]
fn a_missing_photo_folder_names_the_stage_and_the_setting() {
    Project::new()
        .file("pipelines/p.toml", PHOTOS)
        .verismo(&["run", "pipelines/p.toml"])
        .assert()
        .code(2)
        .stderr(contains("pipelines/p.toml:3:8").and(contains("--set photos.path=PATH")));
}

#[test]
fn a_cut_off_photo_is_named_and_leaves_nothing() {
    let project = project().photos("whole", 1);
    let png = std::fs::read(project.path("whole/000.png")).unwrap();
    let project = project.file("photos/001.png", &png[..png.len() / 2]);
    project
        .verismo(&["run", "pipelines/p.toml"])
        .assert()
        .code(1)
        .stderr(contains("001.png"));
    assert_eq!(names(&project.path("outputs/cache")), Vec::<String>::new());
    assert_eq!(
        project.json("outputs/runs/p/latest/run.json")["status"],
        "failed"
    );
}

#[test]
fn an_unwritable_output_folder_is_said_before_any_work() {
    // Nobody can write below a regular file, not even root.
    let project = project().file("file", "");
    project
        .verismo(&["run", "pipelines/p.toml", "--outputs", "file/outputs"])
        .assert()
        .code(1)
        .stderr(
            contains("file/outputs: the output folder cannot be written")
                .and(contains("--outputs")),
        );
}

/// A small disk, if the system allows mounting one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(place: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&place).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&place)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_the_cache_as_it_was() {
    let project = project();
    let Some(disk) = SmallDisk::mount(project.path("outputs")) else {
        eprintln!("skipped: no tmpfs can be mounted here");
        return;
    };
    let run = ["run", "pipelines/p.toml"];
    project.verismo(&run).assert().success();
    let before = names(&project.path("outputs/cache"));
    std::fs::write(project.path("outputs/ballast"), vec![1; 700_000]).unwrap();
    // Noise, which PNG cannot compress: 3 × 400 × 400 × 3 bytes.
    let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
    let pixels = image::RgbImage::from_fn(400, 400, |x, y| {
        image::Rgb([noise(x * 977 + y), noise(y * 7919 + x), noise(x ^ (y << 9))])
    });
    let png = verismo::sample::image::encode_png(&pixels).unwrap();
    let project = project.file("photos/003.png", png);
    project
        .verismo(&[&run[..], &["--set", "photos.size=400"]].concat())
        .assert()
        .code(1)
        .stderr(contains("space"));
    assert_eq!(names(&project.path("outputs/cache")), before);
    drop(disk);
}

#[test]
fn bad_usage_is_exit_code_2() {
    let project = project();
    project.verismo(&["rum"]).assert().code(2);
    project
        .verismo(&["run", "pipelines/p.toml", "--device", "tpu"])
        .assert()
        .code(2);
    let for_gpus = cfg!(any(feature = "wgpu", feature = "cuda"));
    let problem = match for_gpus {
        true => "GPUs that verismo can use",
        false => "build with `--features wgpu`",
    };
    project
        .verismo(&["run", "pipelines/p.toml", "--device", "gpu:99"])
        .assert()
        .code(2)
        .stderr(contains(problem));
    project
        .verismo(&["run", "pipelines/p.toml", "--only", "photo"])
        .assert()
        .code(2)
        .stderr(contains("did you mean `photos`?"));
}

#[test]
fn a_model_of_a_format_that_is_not_read_is_refused_before_anything_runs() {
    let render = "[stages.render]\ncount = 2\n[stages.render.mesh]\nmodels = [\"part\"]\n";
    for (name, content, problem, remedy) in [
        (
            "a.dae",
            "<?xml version=\"1.0\"?><COLLADA/>",
            "is a COLLADA file",
            "glTF (.glb)",
        ),
        (
            "a.glb",
            "version https://git-lfs.github.com/spec/v1\n",
            "Git LFS",
            "git lfs pull",
        ),
        ("a.zip", "PK\u{3}\u{4}", "is a zip archive", "unpack it"),
        (
            "a.fbx",
            "Kaydara FBX Binary",
            "is an FBX file",
            "glTF (.glb)",
        ),
    ] {
        let project = Project::new()
            .file(name, content)
            .file("p.toml", render.replace("part", name));
        for command in ["run", "plan"] {
            project
                .verismo(&[command, "p.toml"])
                .assert()
                .code(2)
                .stderr(contains(name).and(contains(problem)).and(contains(remedy)));
        }
    }
}
