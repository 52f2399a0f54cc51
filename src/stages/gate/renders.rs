//! Finds the render that each translated sample was made from.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::artifact::{Artifact, parts};
use crate::sample::Sample;
use crate::stage::Context;
use crate::{Error, Result};

/// Where a render lies: the number of its part, and its row in it.
type Place = (usize, usize);

/// The renders of an artifact, of which one part at a time is in memory.
pub(super) struct Renders {
    paths: Vec<PathBuf>,
    by_id: HashMap<String, Place>,
    by_origin: HashMap<(String, u64), Place>,
    /// By origin alone, of those that are the only ones of theirs.
    only: HashMap<String, Option<Place>>,
    open: Option<(usize, Vec<Sample>)>,
}

impl Renders {
    /// # Errors
    /// If a part cannot be read.
    pub(super) fn index(context: &Context, artifact: &Artifact) -> Result<Self> {
        let mut renders = Renders {
            paths: artifact.parts().collect(),
            by_id: HashMap::new(),
            by_origin: HashMap::new(),
            only: HashMap::new(),
            open: None,
        };
        for (number, path) in renders.paths.iter().enumerate() {
            for (row, sample) in parts::read_part(path)?.into_iter().enumerate() {
                let (origin, place) = (sample.provenance.origin, (number, row));
                let alone = renders.only.entry(origin.clone());
                alone.and_modify(|only| *only = None).or_insert(Some(place));
                renders.by_origin.insert((origin, sample.index), place);
                renders.by_id.insert(sample.id, place);
            }
            context.check_interrupt()?;
        }
        Ok(renders)
    }

    /// The renders of `samples`, in their order.
    ///
    /// # Errors
    /// If one is not there, or a part cannot be read.
    pub(super) fn of(&mut self, context: &Context, samples: &[Sample]) -> Result<Vec<Sample>> {
        let places: Vec<Place> = samples
            .iter()
            .map(|sample| self.place(sample).ok_or_else(|| missing(context, sample)))
            .collect::<Result<_>>()?;
        let mut found: Vec<Option<Sample>> = vec![None; samples.len()];
        let mut numbers: Vec<usize> = places.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let part = self.part(number)?;
            for (slot, (_, row)) in found.iter_mut().zip(&places).filter(|(_, p)| p.0 == number) {
                *slot = part.get(*row).cloned();
            }
        }
        let pairs = found.into_iter().zip(samples);
        pairs
            .map(|(render, sample)| render.ok_or_else(|| missing(context, sample)))
            .collect()
    }

    /// By the parent's id, else by origin and place in the order, else by origin alone: what was joined has new places.
    fn place(&self, sample: &Sample) -> Option<Place> {
        let provenance = &sample.provenance;
        let parent = provenance.parent.as_ref().and_then(|p| self.by_id.get(p));
        let origin = || {
            self.by_origin
                .get(&(provenance.origin.clone(), sample.index))
        };
        let only = || self.only.get(&provenance.origin).copied().flatten();
        parent.or_else(origin).copied().or_else(only)
    }

    fn part(&mut self, number: usize) -> Result<&[Sample]> {
        let samples = match self.open.take() {
            Some((open, samples)) if open == number => samples,
            _ => parts::read_part(&self.paths[number])?,
        };
        Ok(&self.open.insert((number, samples)).1)
    }
}

fn missing(context: &Context, sample: &Sample) -> Error {
    Error::failed(
        context.id,
        format!(
            "{} has no render to be compared with (its parent is {})",
            sample.id,
            sample.provenance.parent.as_deref().unwrap_or("unknown"),
        ),
        "give the role `renders` the stage whose samples were translated",
    )
}
