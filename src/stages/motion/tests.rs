//! What `motion` learns from clips, and what it refuses.

use super::*;
use crate::artifact::Artifact;
use crate::sample::Sample;
use crate::testing;

fn small() -> Motion {
    Motion {
        steps: 4,
        batch: 4,
        channels: 4,
        ema: 0.0,
        watch_every: 2,
        ..Motion::default()
    }
}

/// The summary of a training on these samples, and the folder of what it made.
fn run(motion: &Motion, samples: &[Sample]) -> (Result<serde_json::Value>, tempfile::TempDir) {
    let [input, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let inputs = vec![("clips", testing::publish(input.path(), samples, 8))];
    let work = |context: &Context| motion.run(context);
    let (summary, _) = testing::in_context("motion", inputs, 8, out.path(), work);
    (summary, out)
}

#[test]
fn clips_are_learned_from_and_others_measured() {
    let motion = Motion {
        steps: 120,
        rate: 4e-3,
        ema: 0.9,
        ..small()
    };
    let (summary, out) = run(&motion, &testing::clips(20, 4, 16, 1));
    let summary = summary.unwrap();
    assert_eq!(summary["clips"]["known"], 16);
    assert_eq!(summary["clips"]["held_out"], 4);
    let value = |path: &str| summary.pointer(path).unwrap().as_f64().unwrap();
    assert!(value("/figures/animated/difference") < 0.7 * value("/figures/repeated/difference"));
    for name in ["sheet-000000002.png", "sheet-000000120.png", "network.bpk"] {
        assert!(out.path().join(name).exists(), "{name}");
    }
    let artifact = Artifact {
        folder: out.path().to_path_buf(),
        ..testing::publish(tempfile::tempdir().unwrap().path(), &[], 1)
    };
    let evidence = crate::stage::exhibit::Evidence {
        artifact: &artifact,
        inputs: Default::default(),
    };
    assert!(exhibit::exhibit(&evidence).unwrap().len() >= 2);
}

#[test]
fn pictures_that_do_not_move_or_have_no_points_are_refused() {
    let (stills, _) = run(&small(), &testing::shapes(8, 16, 1));
    let problem = stills.unwrap_err().to_string();
    assert!(problem.contains("has no clip"), "{problem}");
    let mut without = testing::clips(4, 3, 16, 1);
    for sample in &mut without {
        sample.labels.objects_mut()[0].keypoints.clear();
    }
    let (refused, _) = run(&small(), &without);
    assert!(refused.unwrap_err().to_string().contains("key points"));
    let (odd, _) = run(&small(), &testing::clips(4, 3, 20, 1));
    assert!(odd.unwrap_err().to_string().contains("multiple of 8"));
}

#[test]
fn settings_out_of_range_are_named() {
    let problem = |change: &dyn Fn(&mut Motion)| {
        let mut motion = Motion::default();
        assert_eq!(motion.check(), Ok(()));
        change(&mut motion);
        motion.check().unwrap_err()
    };
    assert!(problem(&|m| m.channels = 0).contains("`channels`"));
    assert!(problem(&|m| m.colours = 1.5).contains("`colours`"));
    assert!(problem(&|m| m.held_out = 0.9).contains("`held_out`"));
    assert!(problem(&|m| m.batch = 1).contains("`batch`"));
    assert!(problem(&|m| m.steps = 0).contains("`steps`"));
}
