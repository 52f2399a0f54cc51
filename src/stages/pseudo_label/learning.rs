//! Rounds of learning: from labelled samples first, then also from the photos that are believed.

use std::sync::Arc;

use rand::RngExt;

use super::PseudoLabel;
use super::selection::{Belief, align, select};
use crate::Result;
use crate::generators::adversary::discriminator_of;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::seed::Stream;
use crate::stage::Context;
use crate::tasks::classification::TASK;
use crate::tasks::{self, Order, Prediction, Recipe, Recogniser, Setting};

/// One thing, which is of one class in all views: augmented copies of one photo of it, or of all
/// photos of a track.
#[derive(Default)]
pub(super) struct Subject {
    /// Their numbers in [`Lesson::views`].
    pub views: Vec<usize>,
    /// Of how many photos these are views.
    pub photos: usize,
}

/// What the committee learns from.
pub(super) struct Lesson<'a> {
    pub labelled: &'a Album,
    pub classes: usize,
    /// What all pictures measure.
    pub extent: Extent,
    pub subjects: &'a [Subject],
    pub views: &'a Album,
}

/// One recogniser of the committee.
struct Member {
    recogniser: Box<dyn Recogniser>,
    stream: Stream,
    order: Order,
}

/// Trains the committee; what it reads at the end: for each subject the probability of every class.
pub(super) fn learn(
    config: &PseudoLabel,
    context: &Context,
    chosen: &Chosen,
    lesson: &Lesson,
) -> Result<Vec<Vec<f32>>> {
    let &Lesson {
        labelled,
        classes,
        extent,
        subjects,
        ..
    } = lesson;
    let workers = Workers::for_device(chosen)?;
    let init = context.inputs.get("init");
    let init = init.map(|generator| discriminator_of(generator, chosen));
    let init = init.transpose()?;
    let mut members: Vec<Member> = (0..config.networks)
        .map(|number| {
            let mut stream = context.seed.stream(number);
            let setting = Setting {
                classes,
                extent,
                crop: None,
                channels: config.channels,
                device: chosen,
                init: init.as_ref().map(|(_, trunk)| trunk),
            };
            Member {
                recogniser: (TASK.create)(&setting, &mut stream),
                stream,
                order: Order::new(labelled.len()),
            }
        })
        .collect();
    let total = config.networks * (config.steps + config.rounds * config.round_steps);
    let done = std::sync::atomic::AtomicU64::new(0);
    // Views, each with the class that it is believed to show, and of how many photos they are.
    let mut believed: Vec<(usize, usize)> = Vec::new();
    let mut photos = 0;
    let mut read = Vec::new();
    for round in 0..=config.rounds {
        let recipe = config.recipe(round);
        let note = format!(
            "round {round} of {}, {photos} photos believed",
            config.rounds
        );
        let tick = |_loss: f32| {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            context.progress(done, total, note.clone())
        };
        let results = workers.run(members, |mut member| {
            let Member {
                recogniser,
                stream,
                order,
            } = &mut member;
            let draw = || config.draw(stream, order, lesson, &believed);
            tasks::train(recogniser.as_mut(), recipe, draw, tick)?;
            Ok(member)
        });
        members = results.into_iter().collect::<Result<_>>()?;
        read = committee(&workers, &members, lesson)?;
        if config.same_class_ratio {
            align(&mut read, &labelled.ratio(classes));
        }
        let share = config.keep * config.grown(round + 1);
        let beliefs = select(&read, share, config.confidence);
        (believed, photos) = (Vec::new(), 0);
        for (subject, belief) in subjects.iter().zip(beliefs) {
            if let Some(Belief { class, .. }) = belief {
                believed.extend(subject.views.iter().map(|&view| (view, class)));
                photos += subject.photos;
            }
        }
    }
    Ok(read)
}

impl PseudoLabel {
    pub(super) fn recipe(&self, round: u64) -> Recipe {
        // Later rounds go on from learned weights and start calmer.
        const LATER: f64 = 0.5;
        let (steps, rate) = if round == 0 {
            (self.steps, self.rate)
        } else {
            (self.round_steps, LATER * self.rate)
        };
        Recipe { steps, rate }
    }

    /// The share of `keep` that the round learns from: it grows in steps and is whole in the last.
    pub(super) fn grown(&self, round: u64) -> f64 {
        (round as f64 / self.rounds.max(1) as f64).min(1.0)
    }

    /// A batch of labelled pictures; once photos are believed, half of it are views of these.
    ///
    /// Photos come as often as they are: were each class given the same share, the few photos of a
    /// rare class, and with them those wrongly read as it, would count many times over.
    fn draw(
        &self,
        stream: &mut Stream,
        order: &mut Order,
        lesson: &Lesson,
        believed: &[(usize, usize)],
    ) -> Result<Vec<(Arc<Example>, usize)>> {
        let from_photos = if believed.is_empty() {
            0
        } else {
            self.batch / 2
        };
        let labelled = lesson.labelled;
        let mut batch = labelled.examples(order.next(self.batch - from_photos, stream))?;
        for _ in 0..from_photos {
            let (view, class) = believed[stream.random_range(0..believed.len())];
            batch.push((lesson.views.get(view)?, class));
        }
        Ok(batch)
    }
}

/// The mean of what all members read in all views of each subject.
fn committee(workers: &Workers, members: &[Member], lesson: &Lesson) -> Result<Vec<Vec<f32>>> {
    let subjects = lesson.subjects;
    let views: Vec<usize> = subjects.iter().flat_map(|s| s.views.clone()).collect();
    let read = workers.run(members.iter().collect(), |member: &Member| {
        member.recogniser.predict(lesson.views, &views)
    });
    let read: Vec<Vec<Prediction>> = read.into_iter().collect::<Result<_>>()?;
    let mut rows = 0..;
    let mean = subjects
        .iter()
        .map(|subject| {
            let mut sum = vec![0.0; lesson.classes];
            let count = subject.views.len();
            for row in rows.by_ref().take(count) {
                for member in &read {
                    for (sum, value) in sum.iter_mut().zip(&member[row].probabilities) {
                        *sum += value / (count * read.len()) as f32;
                    }
                }
            }
            sum
        })
        .collect();
    Ok(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_round_learns_from_all_that_is_kept() {
        let stage = PseudoLabel {
            rounds: 4,
            ..PseudoLabel::default()
        };
        let shares: Vec<f64> = (0..=4).map(|round| stage.grown(round)).collect();
        assert_eq!(shares, [0.0, 0.25, 0.5, 0.75, 1.0]);
    }
}
