//! Rounds of learning: students from labelled pictures first, then also from photos; their teachers read the photos.

use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;
use image::imageops::flip_horizontal;
use rand::RngExt;

use super::super::PseudoLabel;
use super::Belief;
use super::agreement::{Agreed, agreed, select};
use super::outlines::outlined;
use super::strong::strong;
use crate::Result;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::sample::image::resize;
use crate::seed::Stream;
use crate::stage::Context;
use crate::tasks::detection::boxes::mirrored;
use crate::tasks::detection::{Finder, Training};
use crate::tasks::{Detection, Order, Setting};

/// How much of a teacher stays in a step, once it has seen many.
const DECAY: f64 = 0.99;

/// How much larger photos are in the second view.
const LARGER: f32 = 1.2;

/// What students and teachers learn from.
pub(super) struct Lesson<'a> {
    pub labelled: &'a Album,
    pub classes: usize,
    pub photos: &'a Album,
}

/// A student with its teacher.
struct Member {
    student: Training,
    teacher: Finder,
    /// Steps so far.
    steps: u64,
    stream: Stream,
    order: Order,
}

/// Trains all; what is believed of each photo at the end.
pub(super) fn learn(
    config: &PseudoLabel,
    context: &Context,
    chosen: &Chosen,
    lesson: &Lesson,
) -> Result<Vec<Belief>> {
    let workers = Workers::for_device(chosen)?;
    let mut members = members(config, context, chosen, lesson);
    let draws_masks = config.task.entry().masks;
    // To read one view takes about as long as a step.
    let views = config.networks * View::all(config.mirror).len() as u64;
    let reads = config.rounds + 1 + u64::from(draws_masks);
    let total = config.networks * (config.steps + config.rounds * config.round_steps)
        + reads * lesson.photos.len() as u64 * views;
    let done = AtomicU64::new(0);
    let advance = |units: u64, note: String| {
        let done = done.fetch_add(units, Ordering::Relaxed) + units;
        context.progress(done, total, note)
    };
    let mut beliefs: Vec<Belief> = Vec::new();
    for round in 0..=config.rounds {
        let boxes: usize = beliefs.iter().map(|belief| belief.sure.len()).sum();
        let note = format!(
            "round {round} of {}, boxes believed: {boxes}",
            config.rounds
        );
        let tick = |_loss: f32| advance(1, note.clone());
        let taught = workers.run(members, |mut member| {
            member.learn(config, round, lesson, &beliefs, tick)?;
            Ok(member)
        });
        members = taught.into_iter().collect::<Result<_>>()?;
        let tick = || advance(views, format!("{note}, reads photos"));
        let read = read(config, &workers, &members, lesson, tick)?;
        let share = config.keep * config.grown(round + 1);
        beliefs = select(&read, share, config.confidence, lesson.classes);
    }
    if !draws_masks {
        return Ok(beliefs);
    }
    let teachers: Vec<&Finder> = members.iter().map(|member| &member.teacher).collect();
    let outlined = workers.run(
        beliefs.into_iter().enumerate().collect(),
        |(number, belief)| {
            advance(views, "draws masks".into())?;
            let example = lesson.photos.get(number)?;
            Ok(outlined(
                &belief,
                &example.picture,
                &teachers,
                config.mirror,
            ))
        },
    );
    outlined.into_iter().collect()
}

fn members(
    config: &PseudoLabel,
    context: &Context,
    chosen: &Chosen,
    lesson: &Lesson,
) -> Vec<Member> {
    let member = |number| {
        let mut stream = context.seed.stream(number);
        let setting = Setting {
            classes: lesson.classes,
            extent: lesson.labelled.largest().unwrap_or(Extent::square(1)),
            crop: config.crop,
            init: None,
            channels: config.channels,
            device: chosen,
        };
        let student = match config.task.entry().masks {
            true => Training::with_masks(&setting, &mut stream),
            false => Training::new(&setting, &mut stream),
        };
        Member {
            teacher: student.finder(),
            student,
            steps: 0,
            stream,
            order: Order::new(lesson.labelled.len()),
        }
    };
    (0..config.networks).map(member).collect()
}

impl Member {
    fn learn(
        &mut self,
        config: &PseudoLabel,
        round: u64,
        lesson: &Lesson,
        beliefs: &[Belief],
        tick: impl Fn(f32) -> Result<()>,
    ) -> Result<()> {
        let recipe = config.recipe(round);
        let believed: Vec<usize> = (0..beliefs.len())
            .filter(|&number| !beliefs[number].sure.is_empty())
            .collect();
        for step in 0..recipe.steps {
            let from_photos = match believed.is_empty() {
                true => 0,
                false => config.batch / 2,
            };
            let own = self
                .order
                .next(config.batch - from_photos, &mut self.stream);
            let labelled = lesson.labelled.examples(own)?;
            let mut photos = Vec::with_capacity(from_photos);
            for _ in 0..from_photos {
                let number = believed[self.stream.random_range(0..believed.len())];
                photos.push(Example {
                    picture: strong(&lesson.photos.get(number)?.picture, &mut self.stream),
                    objects: beliefs[number].objects().into(),
                    ..Example::default()
                });
            }
            let all = labelled.iter().map(|(example, _)| example.as_ref());
            let loss = self.student.learn(all.chain(&photos), recipe.rate_at(step));
            self.steps += 1;
            // The first steps count for little once there are more.
            let decay = DECAY.min(self.steps as f64 / (self.steps as f64 + 10.0));
            self.student.lead(&mut self.teacher, decay);
            tick(loss)?;
        }
        Ok(())
    }
}

/// What the teachers agree on in each photo.
fn read(
    config: &PseudoLabel,
    workers: &Workers,
    members: &[Member],
    lesson: &Lesson,
    tick: impl Fn() -> Result<()> + Sync,
) -> Result<Vec<Agreed>> {
    let teachers: Vec<&Finder> = members.iter().map(|member| &member.teacher).collect();
    let views = View::all(config.mirror);
    let read = workers.run((0..lesson.photos.len()).collect(), |number| {
        tick()?;
        let example = lesson.photos.get(number)?;
        let mut readings = Vec::with_capacity(views.len() * teachers.len());
        for view in views {
            let seen = view.of(&example.picture);
            for teacher in &teachers {
                let found = teacher.find(&seen).into_iter();
                let back = found.map(|one| view.back(one, example.picture.width()));
                readings.push(back.collect());
            }
        }
        Ok(agreed(&readings))
    });
    read.into_iter().collect()
}

/// How a teacher looks at a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
enum View {
    AsItIs,
    Larger,
    Mirrored,
}

impl View {
    fn all(mirror: bool) -> &'static [View] {
        match mirror {
            true => &[View::AsItIs, View::Larger, View::Mirrored],
            false => &[View::AsItIs, View::Larger],
        }
    }

    fn of(self, photo: &RgbImage) -> RgbImage {
        let larger = |side: u32| (side as f32 * LARGER).round().max(1.0) as u32;
        match self {
            View::AsItIs => photo.clone(),
            View::Larger => resize(photo, larger(photo.width()), larger(photo.height())),
            View::Mirrored => flip_horizontal(photo),
        }
    }

    /// What was found in this view, in the pixels of the photo, which is so wide.
    fn back(self, one: Detection, width: u32) -> Detection {
        let bbox_xywh = match self {
            View::AsItIs => one.bbox_xywh,
            View::Larger => one.bbox_xywh.map(|side| side / LARGER),
            View::Mirrored => mirrored(one.bbox_xywh, width),
        };
        Detection { bbox_xywh, ..one }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_view_finds_lies_in_the_photo() {
        let photo = RgbImage::from_fn(100, 50, |x, _| image::Rgb([x as u8, 0, 0]));
        let one = |bbox_xywh| Detection {
            class: 0,
            bbox_xywh,
            score: 0.5,
        };
        assert_eq!(View::Larger.of(&photo).dimensions(), (120, 60));
        let back = View::Larger.back(one([12.0, 24.0, 36.0, 12.0]), 100);
        for (side, wanted) in back.bbox_xywh.into_iter().zip([10.0, 20.0, 30.0, 10.0]) {
            assert!((side - wanted).abs() < 1e-4);
        }
        assert_eq!(View::Mirrored.of(&photo).get_pixel(0, 0)[0], 99);
        let back = View::Mirrored.back(one([0.0, 5.0, 20.0, 10.0]), 100);
        assert_eq!(back.bbox_xywh, [80.0, 5.0, 20.0, 10.0]);
        assert_eq!(View::all(false), [View::AsItIs, View::Larger]);
    }
}
