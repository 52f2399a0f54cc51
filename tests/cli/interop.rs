//! What verismo writes is loaded by the real readers of each format, in Python: see `tests/interop/run`.

use std::path::Path;
use std::process::Command;

use verismo::formats::FORMATS;

use crate::project::{Project, Tiny};

/// Runs a script of `tests/interop`, and returns what it printed.
fn python(interpreter: &str, script: &str, arguments: &[&Path]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let mut command = Command::new(interpreter);
    command.arg(folder.join(script)).args(arguments);
    if std::env::var_os("VERISMO_INTEROP_ALL").is_some() && script == "check.py" {
        command.arg("--all");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {text}\n{problem}");
    text
}

#[test]
fn interop_with_the_readers_of_each_format() {
    let Ok(interpreter) = std::env::var("VERISMO_PYTHON") else {
        println!("skipped: VERISMO_PYTHON names no Python with the readers; see tests/interop/run");
        return;
    };
    let project = Project::new();
    let root = project.path("made");
    python(&interpreter, "make.py", &[&root]);
    let convert = |from: &str, to: &str, format: &str| {
        let to = format!("made/{to}/{format}");
        let arguments = ["convert", from, &to, "--to", format, "--strict"];
        project.verismo(&arguments).assert().success();
    };
    let written = FORMATS.iter().filter(|format| format.write.is_some());
    for format in written.filter(|format| format.name != "folders") {
        convert("made/coco", "out", format.name);
    }
    for format in [
        "folders",
        "parquet",
        "webdataset",
        "huggingface",
        "manifest",
        "croissant",
    ] {
        convert("made/classes", "classes-out", format);
    }
    // What `emit` publishes is loaded as its card says.
    let about = "image = \"jpeg\"\nlicense = \"cc0-1.0\"\ncreator = \"Example\"\nurl = \"https://example.org\"\n\
                 citation = \"@misc{x}\"\ndate = \"2026-01-31\"\nversion = \"1.0.0\"\n";
    let project = project.file(
        "tiny.toml",
        Tiny::new("").dice(24, 48).publish("render") + about,
    );
    project.verismo(&["run", "tiny.toml"]).assert().success();
    // What other renderers write is only read.
    python(&interpreter, "renderers.py", &[&root.join("renderers")]);
    for format in FORMATS.iter().filter(|format| format.write.is_none()) {
        let from = format!("made/renderers/{}", format.name);
        let to = format!("made/renderers-out/{}", format.name);
        let arguments = ["convert", &from, &to, "--to", "coco", "--strict"];
        project.verismo(&arguments).assert().success();
    }
    println!("{}", python(&interpreter, "check.py", &[&root]));
}
