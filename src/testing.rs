//! What tests of stages share: artifacts made of samples, and running a stage on them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::Result;
use crate::artifact::{self, Artifact, Cost, Kind, Manifest, parts};
use crate::sample::Sample;
use crate::seed::Seed;
use crate::stage::{Context, DeviceChoice, Stage};

/// Writes `samples` into `folder` as an artifact of parts of `part_size`.
pub fn publish(folder: &Path, samples: &[Sample], part_size: usize) -> Artifact {
    for (number, part) in samples.chunks(part_size).enumerate() {
        parts::write_part(&folder.join(artifact::part_name(number)), part).unwrap();
    }
    describe(folder, samples)
}

/// The artifact whose parts lie in `folder`.
fn describe(folder: &Path, samples: &[Sample]) -> Artifact {
    let mut classes = BTreeMap::new();
    for class in samples.iter().filter_map(|s| s.labels.class.clone()) {
        *classes.entry(class).or_insert(0) += 1;
    }
    let files = artifact::list_files(folder).unwrap();
    Artifact {
        folder: folder.to_path_buf(),
        manifest: Manifest {
            schema: artifact::SCHEMA,
            kind: Kind::Samples,
            stage: "test".into(),
            id: "test".into(),
            key: String::new(),
            config: serde_json::Value::Null,
            digest: artifact::digest(&files),
            count: samples.len() as u64,
            classes,
            files,
            summary: serde_json::Value::Null,
            cost: Cost::default(),
        },
    }
}

/// Runs `stage` as `id` on `samples` in parts of `part_size`, writing into `out`.
pub fn run_into(
    stage: &dyn Stage,
    id: &str,
    samples: &[Sample],
    part_size: usize,
    out: &Path,
) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let input = publish(folder.path(), samples, part_size);
    stage.run(&Context {
        id,
        seed: Seed::new(1, id),
        inputs: BTreeMap::from([("samples", input)]),
        out,
        part_size,
        device: DeviceChoice::Cpu,
        events: &|_| (),
        interrupted: &AtomicBool::new(false),
    })
}

/// As [`run_into`], for a stage that makes samples; returns them.
pub fn run(stage: &dyn Stage, id: &str, samples: &[Sample], part_size: usize) -> Vec<Sample> {
    let out = tempfile::tempdir().unwrap();
    run_into(stage, id, samples, part_size, out.path()).unwrap();
    let files = artifact::walk(out.path()).unwrap();
    files
        .iter()
        .flat_map(|path| parts::read_part(path).unwrap())
        .collect()
}
