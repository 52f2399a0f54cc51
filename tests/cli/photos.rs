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
