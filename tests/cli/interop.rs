//! What verismo writes is loaded by the real readers of each format, in Python: see `tests/interop/run`.

use std::path::Path;
use std::process::Command;

use verismo::formats::FORMATS;

use crate::project::Project;

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
    for format in FORMATS.iter().filter(|format| format.name != "folders") {
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
    println!("{}", python(&interpreter, "check.py", &[&root]));
}
