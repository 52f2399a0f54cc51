//! Peak memory and time by the number of samples: both should not know it, but for time's factor.
//!
//!     cargo bench --bench memory
//!     cargo bench --bench memory -- 2000 20000
//!
//! Small templates are rendered, augmented, split and emitted, each number of samples in a process of
//! its own, into a temporary folder (TMPDIR) that needs about 3 KB a sample. A stage's peak is what
//! Linux says of it; the peak of all is the largest that was seen, publishing and report included.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verismo::artifact::run::RunRecord;

const COUNTS: [u64; 2] = [20_000, 200_000];

/// Pixels of a side.
const SIZE: u32 = 16;

struct Measured {
    count: u64,
    seconds: f64,
    /// Bytes.
    peak: u64,
    record: RunRecord,
}

fn main() {
    let given: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let counts = if given.is_empty() {
        &COUNTS[..]
    } else {
        &given
    };
    let all: Vec<Measured> = counts.iter().map(|&count| measure(count)).collect();
    print!(
        "{:>9} {:>9} {:>10} {:>10}",
        "samples", "time [s]", "samples/s", "peak [MiB]"
    );
    for stage in &all[0].record.stages {
        print!(" {:>9}", stage.id);
    }
    println!();
    for one in &all {
        let rate = one.count as f64 / one.seconds;
        print!(
            "{:>9} {:>9.1} {rate:>10.1} {:>10}",
            one.count,
            one.seconds,
            one.peak >> 20
        );
        for stage in &one.record.stages {
            print!(" {:>9}", stage.cost.peak_memory >> 20);
        }
        println!();
    }
    if let [first, .., last] = &all[..] {
        println!(
            "{:.1} times the samples: {:.2} times the memory, {:.1} times the time",
            last.count as f64 / first.count as f64,
            last.peak as f64 / first.peak as f64,
            last.seconds / first.seconds
        );
    }
}

fn measure(count: u64) -> Measured {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipeline = folder.path().join("memory.toml");
    std::fs::write(&pipeline, text(count)).expect("a pipeline file");
    let outputs = folder.path().join("outputs");
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_verismo"))
        .arg("run")
        .arg(&pipeline)
        .args(["--device", "cpu", "--outputs"])
        .arg(&outputs)
        .stdout(Stdio::null())
        .spawn()
        .expect("verismo starts");
    let mut peak = 0;
    let status = loop {
        peak = peak_of(child.id()).max(peak);
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "verismo failed: {status}");
    let seconds = began.elapsed().as_secs_f64();
    let record = record(&outputs.join("runs/memory/latest/run.json"));
    let stages = record.stages.iter().map(|stage| stage.cost.peak_memory);
    Measured {
        count,
        seconds,
        peak: stages.max().unwrap_or(0).max(peak),
        record,
    }
}

fn text(count: u64) -> String {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("renders/traffic-signs");
    format!(
        "\
name = \"memory\"
[stages.render]
count = {count}
size = {SIZE}
[stages.render.template]
templates = {templates:?}
[stages.augment]
from = {{ samples = \"render\" }}
copies = 1
[stages.split]
from = {{ samples = \"augment\" }}
[stages.emit]
from = {{ samples = \"split\" }}
name = \"memory\"
"
    )
}

/// Largest resident memory of a process, in bytes, since it last began anew.
fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

fn record(path: &Path) -> RunRecord {
    let text = std::fs::read_to_string(path).expect("the run's record");
    serde_json::from_str(&text).expect("a record")
}
