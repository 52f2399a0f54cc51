//! Photos and tables as people have them: what a user is told, and when.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::Project;

const PHOTOS: &str = "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n";

#[test]
fn a_wrong_table_is_refused_before_anything_runs() {
    let boxes = format!("{PHOTOS}boxes = \"boxes.csv\"\n");
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", boxes)
        .file(
            "boxes.csv",
            r#"{"images": [], "annotations": [{"bbox": [1, 2, 3, 4]}]}"#,
        );
    for command in ["plan", "run"] {
        project
            .verismo(&[command, "p.toml"])
            .assert()
            .code(2)
            .stderr(
                contains("p.toml:5")
                    .and(contains("boxes.csv: is a COCO file (JSON), not a CSV"))
                    .and(contains("bbox").not()),
            );
    }
    let project = project.file("boxes.csv", "file;x1;y1;x2;y2\n000.png;1;2;wide;4\n");
    project
        .verismo(&["plan", "p.toml"])
        .assert()
        .code(2)
        .stderr(contains(
            "boxes.csv line 2 (row 0): `wide` in column `x2` is not a number",
        ));
    assert!(!project.path("outputs").exists());
}

#[test]
fn what_is_left_out_skipped_and_double_is_said_once() {
    let project = Project::new()
        .photos("photos", 25)
        .file("photos/._000.png", "shadow")
        .file("photos/.ipynb_checkpoints/000.png", "copy")
        .file("photos/@eaDir/000.png", "thumbnail")
        .file("photos/x.jpg", "<html>Not found</html>")
        .file("photos/y.heic", b"\0\0\0\x18ftypheic\0\0\0\0")
        .file("p.toml", PHOTOS);
    let first = std::fs::read(project.path("photos/000.png")).unwrap();
    let project = project.file("photos/z.png", first);
    project.verismo(&["run", "p.toml"]).assert().code(0).stderr(
        contains("photos: left out 3 hidden or system names")
            .and(contains("skipped, since 1 of 27 photos cannot be read: "))
            .and(contains("x.jpg: is an HTML page, not a picture"))
            .and(contains(
                "1 of 27 photos are exact copies of others (first: z.png)",
            ))
            .and(contains(
                "left out 1 pictures of formats that are not read (1 HEIC",
            )),
    );
    let project = project.file("p.toml", format!("{PHOTOS}strict = true\n"));
    project
        .verismo(&["run", "p.toml"])
        .assert()
        .code(1)
        .stderr(contains("help: export them as JPEG or PNG"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_stop_no_run() {
    let project = Project::new().photos("photos", 2).file("p.toml", PHOTOS);
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, project.path(name)).unwrap();
    };
    link("gone.png", "photos/gone.png");
    link("../photos", "photos/again");
    project.verismo(&["run", "p.toml"]).assert().code(0).stderr(
        contains("left out 2 names: ")
            .and(contains("again is a link to a folder above it"))
            .and(contains("gone.png is a link that leads nowhere")),
    );
}

#[cfg(unix)]
const VIDEO: &str = "[stages.photos]\nuse = \"ingest\"\npath = \"clip.mp4\"\nsize = 16\nfps = 2\n";

/// A project with a video, or what looks like one, and a folder of programs with this `ffmpeg`.
#[cfg(unix)]
fn video(ffmpeg: Option<&str>) -> Project {
    use std::os::unix::fs::PermissionsExt;
    let mut project = Project::new()
        .photos("frames", 3)
        .file("programs/x", "")
        .file("clip.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0")
        .file("p.toml", VIDEO);
    if let Some(script) = ffmpeg {
        project = project.file("programs/ffmpeg", format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(project.path("programs/ffmpeg"), mode).unwrap();
    }
    project
}

#[cfg(unix)]
#[test]
fn a_video_without_ffmpeg_is_refused_with_how_to_install_it() {
    let project = video(None);
    for command in ["plan", "run"] {
        project
            .verismo(&[command, "p.toml"])
            .env("PATH", project.path("programs"))
            .assert()
            .code(2)
            .stderr(
                contains("p.toml:3")
                    .and(contains("clip.mp4"))
                    .and(contains("ffmpeg, which is not installed"))
                    .and(contains("apt install ffmpeg")),
            );
    }
    assert!(!project.path("outputs").exists());
}

/// What ffmpeg would do: it is asked for two frames a second of one file, and writes frames where it stands.
#[cfg(unix)]
#[test]
fn frames_of_a_video_become_photos() {
    let script = "[ \"$1\" = -version ] && exit 0\n\
                  case \"$*\" in *'-protocol_whitelist file'*'-i file:/'*clip.mp4*fps=2*) ;; *) exit 7;; esac\n\
                  n=0; for f in \"$FRAMES\"/*.png; do n=$((n+1)); /bin/cp \"$f\" 00000$n.jpg; done";
    let project = video(Some(script));
    let frames = project.path("frames");
    project
        .verismo(&["run", "p.toml"])
        .env("PATH", project.path("programs"))
        .env("FRAMES", frames)
        .assert()
        .success();
    let record = project.json("outputs/runs/p/latest/run.json");
    assert_eq!(record["metrics"]["photos"]["crops"], 3);
    project
        .verismo(&["inspect", "p.toml", "photos"])
        .assert()
        .success();
}

#[cfg(unix)]
#[test]
fn a_video_that_ffmpeg_cannot_read_is_named_with_what_it_says() {
    let script = "[ \"$1\" = -version ] && exit 0\necho 'moov atom not found' >&2\nexit 1";
    let project = video(Some(script));
    project
        .verismo(&["run", "p.toml"])
        .env("PATH", project.path("programs"))
        .assert()
        .code(1)
        .stderr(contains(
            "clip.mp4: ffmpeg cannot read it: moov atom not found",
        ));
}
