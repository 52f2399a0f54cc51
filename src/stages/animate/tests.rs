//! What becomes of pictures that follow clips.

use std::path::Path;

use super::*;
use crate::generators::animate::MotionShape;
use crate::generators::{Setting, Trains};
use crate::seed::Seed;
use crate::stage::DeviceChoice;
use crate::testing;

/// Untrained networks in `folder`.
fn model(folder: &Path, extent: Extent) -> Artifact {
    let artifact = testing::publish(folder, &[], 16);
    let shape = MotionShape {
        extent,
        channels: 4,
    };
    let seed = Seed::new(1, "motion");
    let chosen = device::choose(DeviceChoice::Cpu).unwrap();
    let learner = shape.create(&Setting {
        device: &chosen,
        extent,
        columns: 1,
        ema: 0.9,
        seed: &seed,
    });
    learner.unwrap().save(folder).unwrap();
    artifact
}

fn run(
    animate: &Animate,
    sources: &[Sample],
    clips: &[Sample],
    part_size: usize,
) -> Result<(Vec<Sample>, serde_json::Value)> {
    let [one, two, three, out] = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let inputs = vec![
        ("model", model(one.path(), Extent::square(16))),
        ("sources", testing::publish(two.path(), sources, part_size)),
        ("clips", testing::publish(three.path(), clips, 8)),
    ];
    let work = |context: &Context| animate.run(context);
    let (summary, _) = testing::in_context("animate", inputs, part_size, out.path(), work);
    let files = parts::in_folder(out.path())?;
    let made: Result<Vec<Vec<Sample>>> = files.iter().map(|path| parts::read_part(path)).collect();
    Ok((made?.concat(), summary?))
}

/// The first frames of other clips.
fn sources() -> Vec<Sample> {
    let frames = testing::clips(6, 2, 16, 2);
    let mut firsts: Vec<Sample> = frames.into_iter().step_by(2).collect();
    for (index, sample) in firsts.iter_mut().enumerate() {
        sample.id = format!("photo-{index:06}");
        sample.index = index as u64;
        sample.provenance.origin = sample.id.clone();
        sample.labels.objects_mut()[0].track = None;
    }
    firsts
}

#[test]
fn a_source_moves_as_its_clip_with_the_clips_labels() {
    let clips = testing::clips(8, 3, 16, 1);
    let (made, summary) = run(&Animate::default(), &sources(), &clips, 4).unwrap();
    assert_eq!(made.len(), 18, "{summary}");
    assert_eq!(summary["animated"]["one"], 3);
    for (frames, source) in made.chunks(3).zip(sources()) {
        let object = |place: usize| &frames[place].labels.objects()[0];
        // The first frame has the source's points and box, the others those of the clip, moved.
        let (at, before) = (places(object(0)), places(&source.labels.objects()[0]));
        for (name, place) in &before {
            assert!(at[name].distance(*place) < 1e-3, "{at:?} {before:?}");
        }
        let [first, last] = [0, 2].map(|place| object(place).bbox_xywh);
        assert!(
            last[0] > first[0] && last[1] > first[1],
            "{first:?} {last:?}"
        );
        for sample in frames {
            assert_eq!(sample.labels.class, source.labels.class);
            assert_eq!(sample.provenance.origin, source.id);
            assert_eq!(sample.provenance.parent.as_ref(), Some(&source.id));
            assert_eq!(sample.provenance.domain, Domain::Generated);
            assert_eq!(sample.clip(), Some(&*frames[0].id));
            let object = &sample.labels.objects()[0];
            assert_eq!((object.pose, object.box_3d), (None, None));
        }
    }
    let (again, _) = run(&Animate::default(), &sources(), &clips, 2).unwrap();
    assert!(made == again, "parts change what is made");
}

#[test]
fn what_no_clip_matches_is_left_out() {
    let clips = testing::clips(8, 3, 16, 1);
    let mut sources = sources();
    sources[0].labels.class = Some("seven".into());
    // A network that has learned nothing reads no points.
    sources[1].labels.objects = None;
    let (made, summary) = run(&Animate::default(), &sources, &clips, 4).unwrap();
    assert_eq!(made.len(), 12, "{summary}");
    assert!(made.iter().all(|sample| sample.index >= 6));
    let strict = Animate {
        agreement: 1.0,
        ..Animate::default()
    };
    let mut moved = testing::clips(8, 3, 16, 1);
    for sample in &mut moved {
        // A mask that is another's.
        sample.labels.objects_mut()[0].mask = Some(crate::sample::Mask {
            counts: vec![3, 5, 248],
        });
    }
    assert!(run(&strict, &sources, &moved, 4).unwrap().0.is_empty());
}

#[test]
fn pictures_of_another_size_are_refused() {
    let clips = testing::clips(4, 3, 16, 1);
    let problem = |sources: &[Sample], clips: &[Sample]| {
        let refused = run(&Animate::default(), sources, clips, 4);
        refused.unwrap_err().to_string()
    };
    let large: Vec<Sample> = testing::clips(2, 2, 32, 1);
    assert!(problem(&large, &clips).contains("of `sources` are 32×32"));
    assert!(problem(&sources(), &large).contains("of `clips` are 32×32"));
}
