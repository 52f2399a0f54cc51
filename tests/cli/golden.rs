//! Golden digests: a stage's version determines the bytes that it makes from a tiny input.
//!
//! If the bytes changed and the version did not, the cache would return stale results. The last digits of
//! network results differ between processors, so for these stages numbers are compared, within a thousandth; distances of
//! the ruler, whose encoder is trained first, within a hundredth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use verismo::artifact::{Artifact, Kind};
use verismo::sample::Sample;
use verismo::stages::STAGES;

use crate::project::Project;

/// Stages whose results come from networks.
const LEARNED: [&str; 11] = [
    "task",
    "train",
    "translate",
    "gate",
    "pseudo_label",
    "learn",
    "generate",
    "sculpt",
    "motion",
    "animate",
    "evaluate",
];

/// The result of one stage of the pipeline.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    version: u32,
    /// Digest of the bytes; empty for results of networks.
    digest: String,
    numbers: BTreeMap<String, f64>,
}

#[test]
fn bytes_change_only_with_the_version_of_their_stage() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("tests/golden/digests.toml");
    let made = run(root);
    let covered = |name: &str| made.values().any(|(stage, _)| stage == name);
    let missing: Vec<&str> = STAGES
        .iter()
        .map(|s| s.name)
        .filter(|name| !covered(name))
        .collect();
    assert!(
        missing.is_empty(),
        "tests/golden/pipeline.toml does not use {missing:?}"
    );

    if std::env::var_os("BLESS").is_some() {
        let made: BTreeMap<_, _> = made.iter().map(|(id, (_, golden))| (id, golden)).collect();
        std::fs::write(&file, toml::to_string(&made).unwrap()).unwrap();
        return;
    }
    let known: BTreeMap<String, Golden> =
        toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let ids: [Vec<&String>; 2] = [made.keys().collect(), known.keys().collect()];
    assert_eq!(ids[0], ids[1], "renew the digests with BLESS=1");
    let problems: Vec<String> = made
        .iter()
        .filter_map(|(id, (stage, golden))| {
            Some(format!("{id}: {}", problem(stage, golden, &known[id])?))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn problem(stage: &str, made: &Golden, known: &Golden) -> Option<String> {
    let renew = "BLESS=1 cargo test --release --test cli golden";
    if made.version != known.version {
        let (old, new) = (known.version, made.version);
        return Some(format!(
            "`{stage}` went from version {old} to {new}; renew the digests with `{renew}`"
        ));
    }
    // What is counted must be equal, above all the size of a file of weights.
    let near = |name: &str, a: f64, b: f64| {
        let is_ruler = name.contains(".distance.");
        let share = if is_ruler { 1e-2 } else { 1e-3 };
        match a.fract() == 0.0 && b.fract() == 0.0 {
            true => a == b,
            false => (a - b).abs() <= share * (1.0 + a.abs().max(b.abs())),
        }
    };
    let names: BTreeSet<&String> = made.numbers.keys().chain(known.numbers.keys()).collect();
    let other: Vec<String> = names
        .into_iter()
        .map(|name| (name, made.numbers.get(name), known.numbers.get(name)))
        .filter(|(name, made, known)| !made.zip(*known).is_some_and(|(a, b)| near(name, *a, *b)))
        .map(|(name, made, known)| format!("{name} is {made:?}, was {known:?}"))
        .collect();
    if made.digest == known.digest && other.is_empty() {
        return None;
    }
    Some(format!(
        "the bytes of `{stage}` changed, but its version is still {}: raise `version` in its STAGE, then \
         `{renew}` ({})",
        made.version,
        other.join("; ")
    ))
}

/// Runs the pipeline; returns each stage's registry name and result, by id.
fn run(root: &Path) -> BTreeMap<String, (String, Golden)> {
    let text = std::fs::read_to_string(root.join("tests/golden/pipeline.toml")).unwrap();
    let project = Project::new().file("golden.toml", text);
    for folder in ["renders", "photos"] {
        std::os::unix::fs::symlink(root.join(folder), project.path(folder)).unwrap();
    }
    project
        .verismo(&["run", "golden.toml", "--device", "cpu"])
        .assert()
        .success();
    let record = project.json("outputs/runs/golden/latest/run.json");
    let stages = record["stages"].as_array().unwrap().iter();
    let stages = stages.map(|stage| {
        let text = |key: &str| stage[key].as_str().unwrap().to_owned();
        let name = text("stage");
        let folder = project.path(&text("folder"));
        let golden = golden(&name, &folder);
        (text("id"), (name, golden))
    });
    stages.collect()
}

fn golden(stage: &str, folder: &Path) -> Golden {
    let artifact = Artifact::open(folder).unwrap();
    let kind = STAGES.iter().find(|kind| kind.name == stage).unwrap();
    let learned = LEARNED.contains(&stage);
    let samples: Vec<Sample> = match artifact.manifest.kind.has_samples() {
        true => artifact.samples().map(Result::unwrap).collect(),
        false => Vec::new(),
    };
    let mut numbers = BTreeMap::new();
    if learned {
        collect("", &artifact.manifest.summary, &mut numbers);
        weights(folder, &mut numbers);
        let means: f64 = samples.iter().map(mean).sum();
        numbers.insert("samples".into(), samples.len() as f64);
        numbers.insert("mean pixel".into(), means / samples.len().max(1) as f64);
    }
    Golden {
        version: kind.version,
        digest: if learned {
            String::new()
        } else {
            digest(&artifact, &samples)
        },
        numbers,
    }
}

/// Digest of all samples, or of what else the artifact contains.
fn digest(artifact: &Artifact, samples: &[Sample]) -> String {
    let mut hasher = blake3::Hasher::new();
    for sample in samples {
        hasher.update(described(sample).as_bytes());
    }
    let others: Vec<PathBuf> = match artifact.manifest.kind {
        Kind::Dataset => vec![artifact.folder.join("SHA256SUMS")],
        kind if kind.has_samples() => Vec::new(),
        _ => verismo::artifact::walk(&artifact.folder).unwrap(),
    };
    for path in others
        .iter()
        // These contain times.
        .filter(|path| !path.ends_with("artifact.json") && !path.ends_with("artifact.blake3"))
    {
        let bytes = std::fs::read(path).unwrap();
        // The bytes of tables depend on the library that writes them, and `croissant.json` has their hashes.
        let depends =
            |line: &&[u8]| line.ends_with(b".parquet") || line.ends_with(b"croissant.json");
        let lines = bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !depends(line));
        lines.for_each(|line| _ = hasher.update(line));
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Everything about a sample except the hash of its checkpoint.
fn described(sample: &Sample) -> String {
    let mut sample = sample.clone();
    sample.provenance.checkpoint = None;
    format!("{sample:?}\n")
}

fn mean(sample: &Sample) -> f64 {
    let pixels = sample.pixels().unwrap();
    let sum: u64 = pixels.as_raw().iter().map(|&value| u64::from(value)).sum();
    sum as f64 / pixels.as_raw().len() as f64 / 255.0
}

/// Size and root mean square of every file of weights.
fn weights(folder: &Path, numbers: &mut BTreeMap<String, f64>) {
    for path in verismo::artifact::walk(folder).unwrap() {
        if path.extension().is_none_or(|extension| extension != "bpk") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let floats = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f64::from(f32::from_le_bytes(*b)));
        // The file's header is not weights, but contributes few numbers in this range.
        let weights: Vec<f64> = floats.filter(|w| (1e-6..1e3).contains(&w.abs())).collect();
        let squares: f64 = weights.iter().map(|w| w * w).sum();
        numbers.insert(format!("bytes of {name}"), bytes.len() as f64);
        numbers.insert(
            format!("weights of {name}"),
            (squares / weights.len() as f64).sqrt(),
        );
    }
}

/// Losses and other continuous measures. Counts of right answers may depend on the last digit of a score, and are left out,
/// and so are precision and recall (`fidelity`), which count nearest neighbours, and the distance of a few photos from a few
/// others, which is next to nothing, and 0.08 or 0.00 by what a processor rounds.
fn collect(path: &str, value: &serde_json::Value, numbers: &mut BTreeMap<String, f64>) {
    const COUNTS: [&str; 8] = [
        "accuracy",
        "agreement",
        "classes",
        "fidelity",
        "joined",
        "judged",
        "mask_iou",
        "per_class",
    ];
    let name = path.rsplit('.').next().unwrap_or_default();
    if path.ends_with("figures.photos.distance") {
        return;
    }
    if name == "mean" || COUNTS.iter().any(|count| name.starts_with(count)) {
        return;
    }
    match value {
        serde_json::Value::Number(number) => {
            numbers.insert(path.to_owned(), number.as_f64().unwrap());
        }
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                collect(&format!("{path}.{name}"), field, numbers);
            }
        }
        _ => {}
    }
}
