//! What `emit` must know about all samples before it writes the first file.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Emit, LeftOut, SPLITS};
use crate::artifact::Artifact;
use crate::formats::verify::Observations;
use crate::formats::{Category, ImageEntry};
use crate::sample::{Domain, Extent, Sample};
use crate::seed::number;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Statistics over all samples.
#[derive(Default)]
pub struct Survey {
    /// Images by split and class; pictures without a single class count under the empty name.
    pub images: BTreeMap<String, BTreeMap<String, u64>>,
    /// Every class of an image or object, with the names of its keypoints.
    pub categories: BTreeMap<String, Vec<String>>,
    /// Objects in all images, by class.
    pub objects: BTreeMap<String, u64>,
    /// Number of those whose mask is known.
    pub masks: u64,
    /// Original renders of the images, as 64-bit hashes to save memory.
    pub renders: HashSet<u64>,
    /// The same for photos.
    pub photos: HashSet<u64>,
    /// Images of photos whose labels people gave.
    pub labelled: u64,
    /// What these were cut from, as 64-bit hashes: a label each.
    pub real_labels: HashSet<u64>,
    /// Images by the model or template that they show; excludes photos and renders that were made elsewhere.
    pub sources: BTreeMap<String, u64>,
    /// Images of renders that were made elsewhere.
    pub foreign: u64,
    /// Images by domain.
    pub domains: BTreeMap<&'static str, u64>,
    /// Images by the hash of the checkpoint that translated them.
    pub checkpoints: BTreeMap<String, u64>,
    /// Images by transform, without its parameters.
    pub transforms: BTreeMap<String, u64>,
    /// Images by width and height in pixels.
    pub sizes: BTreeMap<Extent, u64>,
    /// The maps that any sample has.
    pub maps: BTreeSet<&'static str>,
    /// Number of images that passed a gate.
    pub gated: u64,
    /// Number of samples that the gate rejected, if known; not included above.
    pub rejected: Option<u64>,
    /// Objects that get no label; not included above.
    pub left_out: LeftOut,
    /// Where keypoints were seen, for the first of many.
    pub(super) observations: Observations,
}

impl Survey {
    /// Reads all samples, with one part in memory at a time.
    ///
    /// # Errors
    /// If there are no samples, one has no labels, only some have a split, or a part cannot be read.
    pub fn of(config: &Emit, context: &Context, input: &Artifact) -> Result<Self> {
        let mut survey = Survey::default();
        // The first sample with a split, and the first without.
        let (mut divided, mut undivided) = (None, None);
        for (done, sample) in (1..).zip(input.samples()) {
            let mut sample = sample?;
            let left_out = config.leave_out(&mut sample);
            survey.left_out.small += left_out.small;
            survey.left_out.hidden += left_out.hidden;
            survey.add(&config.entry(context, &sample)?);
            let first = match sample.provenance.split {
                Some(_) => &mut divided,
                None => &mut undivided,
            };
            first.get_or_insert(sample.id);
            if let (Some(divided), Some(undivided)) = (&divided, &undivided) {
                return Err(Error::failed(
                    context.id,
                    format!("{undivided} has no split, but {divided} has one"),
                    "move `split` after all stages that add samples, directly before this one",
                ));
            }
            context.progress(done, input.manifest.count, "counting")?;
        }
        if survey.images.is_empty() {
            return Err(Error::failed(
                context.id,
                "has no samples to emit",
                "find the earlier stage that dropped them, e.g. with `verismo inspect`",
            ));
        }
        // With classes for whole pictures, there are labels all the same.
        if survey.categories.is_empty() && survey.left_out.any() {
            return Err(Error::failed(
                context.id,
                "would emit pictures without a single label: each object is smaller than `min_box` or less visible than `min_visible`",
                "lower them",
            ));
        }
        if survey.objects.is_empty() && survey.left_out.any() {
            let text = "no object is left: each is smaller than `min_box` or less visible than `min_visible`";
            context.emit(Event::Warning { text: text.into() });
        }
        Ok(survey)
    }

    fn add(&mut self, entry: &ImageEntry) {
        let Sample {
            labels, provenance, ..
        } = entry.sample;
        if let Some(class) = entry.class {
            self.categories.entry(class.to_owned()).or_default();
        }
        let class = entry.class.unwrap_or_default().to_owned();
        *self
            .images
            .entry(entry.split.to_owned())
            .or_default()
            .entry(class)
            .or_default() += 1;
        for object in labels.objects() {
            *self.objects.entry(object.class.clone()).or_default() += 1;
            let names = self.categories.entry(object.class.clone()).or_default();
            for keypoint in &object.keypoints {
                if !names.contains(&keypoint.name) {
                    names.push(keypoint.name.clone());
                }
            }
        }
        self.observations.add(0, labels);
        let masks = labels.objects().iter().filter(|o| o.mask.is_some());
        self.masks += masks.count() as u64;
        if provenance.domain == Domain::Photo {
            self.photos.insert(number(&provenance.source));
            if provenance.is_labelled_photo() {
                self.labelled += 1;
                self.real_labels.insert(number(&provenance.source));
            }
        } else {
            self.renders.insert(number(&provenance.origin));
            // Each of those from elsewhere has a source of its own, and no random stream of ours drew it.
            match provenance.seed.is_empty() {
                true => self.foreign += 1,
                false => *self.sources.entry(provenance.source.clone()).or_default() += 1,
            }
        }
        *self.domains.entry(provenance.domain.name()).or_default() += 1;
        if let Some(checkpoint) = &provenance.checkpoint {
            *self.checkpoints.entry(checkpoint.clone()).or_default() += 1;
        }
        for name in provenance.transform_names().collect::<BTreeSet<_>>() {
            *self.transforms.entry(name.to_owned()).or_default() += 1;
        }
        self.gated += u64::from(provenance.gate.is_some());
        *self.sizes.entry(entry.sample.extent).or_default() += 1;
        self.maps
            .extend(labels.maps.iter().map(|(kind, _)| kind.name));
    }

    /// The classes as formats list them: first those that are `listed`, then others by name.
    pub fn categories(&self, listed: &[String]) -> Vec<Category> {
        let others = self.categories.keys().filter(|name| !listed.contains(name));
        let category = |name: &String| Category {
            name: name.clone(),
            keypoints: self.categories.get(name).cloned().unwrap_or_default(),
            skeleton: Vec::new(),
        };
        listed.iter().chain(others).map(category).collect()
    }

    /// The splits with images, in the order of `SPLITS`, others by name.
    pub fn splits(&self) -> impl Iterator<Item = &str> {
        let mut splits: Vec<&str> = self.images.keys().map(String::as_str).collect();
        // The sort is stable, and the names are already sorted.
        splits.sort_by_key(|split| {
            SPLITS
                .iter()
                .position(|s| s == split)
                .unwrap_or(SPLITS.len())
        });
        splits.into_iter()
    }

    /// Number of images in all splits.
    pub fn total(&self) -> u64 {
        self.images.values().flat_map(BTreeMap::values).sum()
    }
}
