//! Runs of real stages: what is printed, what is cached, and what an interruption leaves behind.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, names};

const PHOTOS: &str = "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n";

const RUN: [&str; 2] = ["run", "pipelines/p.toml"];
const PLAN: [&str; 2] = ["plan", "pipelines/p.toml"];

fn project() -> Project {
    Project::new()
        .photos("photos", 3)
        .file("pipelines/p.toml", PHOTOS)
}

#[test]
fn a_run_leaves_its_record_and_a_second_one_is_cached() {
    let project = project();
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("1 stage ran").and(contains("report.html")))
        .stderr(contains("no earlier result").and(contains("3 samples")));
    let record = project.json("outputs/runs/p/latest/run.json");
    assert_eq!(record["status"], "done");
    assert_eq!(record["stages"][0]["count"], 3);
    for file in ["events.jsonl", "pipeline.toml", "report.html"] {
        assert!(
            project.path("outputs/runs/p/latest").join(file).exists(),
            "{file}"
        );
    }
    let began = std::time::Instant::now();
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("everything was in the cache"))
        .stderr(contains("cached"));
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
}

#[test]
fn the_closing_table_has_every_stage_cached_or_not() {
    let project = project();
    for state in ["ran", "cached"] {
        let row =
            predicates::str::is_match(format!("photos +{state} +[0-9.]+ s +[0-9.]+ +[0-9]+ MiB"));
        project
            .verismo(&RUN)
            .assert()
            .success()
            .stdout(contains("peak memory").and(row.unwrap()));
    }
}

#[test]
fn logs_come_when_asked_for() {
    let project = project();
    let logged = || contains("DEBUG").and(contains("verismo::pipeline::run"));
    let quiet = project.verismo(&RUN).assert().success();
    quiet.stderr(logged().not());
    let verbose = project.verismo(&[&RUN[..], &["-v"]].concat()).assert();
    verbose.success().stderr(logged());
    let chosen = project
        .verismo(&RUN)
        .env("RUST_LOG", "verismo=debug")
        .assert();
    chosen.success().stderr(logged());
    let wrong = project
        .verismo(&RUN)
        .env("RUST_LOG", "verismo=loud")
        .assert();
    wrong.code(2).stderr(contains("RUST_LOG=verismo=loud"));
}

#[test]
fn a_change_says_why_and_a_touch_changes_nothing() {
    let project = project();
    project.verismo(&RUN).assert().success();
    let photo = std::fs::read(project.path("photos/000.png")).unwrap();
    let project = project.file("photos/000.png", &photo);
    project
        .verismo(&PLAN)
        .assert()
        .success()
        .stdout(contains("everything is cached"));
    project
        .verismo(&[&PLAN[..], &["--set", "photos.size=24"]].concat())
        .assert()
        .success()
        .stdout(contains("config changed: photos.size 16 -> 24"));
    let project = project.photos("photos", 4);
    project
        .verismo(&PLAN)
        .assert()
        .success()
        .stdout(contains("file photos changed: added 003.png").and(contains("1 to run in about")));
    // One byte of one file, in place: exactly that file is named.
    let mut photo = std::fs::read(project.path("photos/001.png")).unwrap();
    *photo.last_mut().unwrap() ^= 1;
    std::fs::remove_file(project.path("photos/003.png")).unwrap();
    let project = project.file("photos/001.png", photo);
    project
        .verismo(&[&PLAN[..], &["--explain"]].concat())
        .assert()
        .success()
        .stdout(contains("file photos changed: changed 001.png"));
}

#[test]
fn a_dry_run_does_nothing() {
    let project = project();
    project
        .verismo(&[&RUN[..], &["--dry-run"]].concat())
        .assert()
        .success()
        .stdout(contains("will run"));
    assert!(!project.path("outputs").exists());
}

#[test]
fn the_resolved_pipeline_runs_as_it_is() {
    let project = project();
    project.verismo(&RUN).assert().success();
    project
        .verismo(&["plan", "outputs/runs/p/latest/pipeline.toml"])
        .assert()
        .success()
        .stdout(contains("everything is cached"));
}

#[test]
fn json_events_are_json_lines() {
    let output = project()
        .verismo(&[&RUN[..], &["--json"]].concat())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"run"), Some(&"end")));
    for name in ["start", "progress", "done"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
}

/// A run that works on one stage for several seconds.
#[cfg(unix)]
fn at_work(project: Project) -> (Project, std::process::Child) {
    use std::process::{Command, Stdio};
    let mut project = project;
    for folder in 0..8 {
        project = project.photos(&format!("photos/{folder}"), 50);
    }
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("verismo"))
        .current_dir(project.path(""))
        .args([&RUN[..], &["--set", "photos.size=1200"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = |name: &String| name.starts_with(".tmp-");
    while !names(&project.path("outputs/cache")).iter().any(begun) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "ended before it could be stopped"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (project, child)
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_leave_nothing_half_made() {
    for signal in ["-INT", "-TERM"] {
        let (project, child) = at_work(project());
        let kill = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
        assert_eq!(names(&project.path("outputs/cache")), Vec::<String>::new());
        assert!(!project.path("outputs/datasets").exists());
        let record = project.json("outputs/runs/p/latest/run.json");
        assert_eq!(record["status"], "interrupted");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_run_leaves_is_not_used_and_removed_by_the_next() {
    let (project, mut child) = at_work(project());
    child.kill().unwrap();
    // Until it is waited for, a killed process is a zombie, which must not count as active.
    let stat = format!("/proc/{}/stat", child.id());
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    project.verismo(&RUN).assert().success();
    let cache = names(&project.path("outputs/cache"));
    assert!(cache.len() == 1 && !cache[0].starts_with('.'), "{cache:?}");
    child.wait().unwrap();
}
