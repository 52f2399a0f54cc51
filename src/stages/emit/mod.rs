//! emit: a dataset to publish, in formats for training recognisers.
//!
//! The samples are read twice, part by part: first for a [`Survey`], which also rejects samples without labels;
//! then the labels of each sample are compared with each other, and it goes to every writer in turn. The bytes
//! depend only on the samples and the configuration: there are no dates, and the order is sorted.

mod card;
mod checksums;
mod exhibit;
mod least;
mod maps;
mod picture;
mod proof;
mod rejected;
mod sheet;
mod survey;
mod video;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use least::LeftOut;
pub use picture::Encoding;
pub use rejected::FILE as REJECTED;
pub use survey::Survey;

use proof::Proof;

use self::sheet::Sheet;
use self::video::Videos;
use crate::artifact::files::{FOLDER_NAME, is_folder_name};
use crate::artifact::{Kind, parts};
use crate::formats::{self, About, FORMATS, Format, FormatName, Holds, ImageEntry, SHARD_BYTES};
use crate::sample::Sample;
use crate::sample::maps::MapName;
use crate::stage::finding;
use crate::stage::{
    Context, DatasetName, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind,
    parse,
};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "emit",
    about: "a dataset to publish: COCO, Hugging Face, Croissant, class folders, manifest, card, checksums",
    version: 14,
    inputs: &[
        Input::required(
            "samples",
            Kind::Samples,
            "labelled samples, with their splits",
        ),
        Input::optional(
            "gate",
            Kind::Judged,
            "the gate that the samples passed, to list what it rejected",
        ),
    ],
    output: Kind::Dataset,
    parse: parse::<Emit>,
    schema: || schemars::schema_for!(Emit),
    exhibit: exhibit::exhibit,
};

/// The usual splits, in order of listing; others follow by name. Undivided samples all go to the first.
const SPLITS: [&str; 3] = ["train", "val", "test"];

/// The formats that are written unless others are chosen.
const USUAL: [&str; 5] = ["manifest", "coco", "huggingface", "croissant", "folders"];

/// Configuration of `emit`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Emit {
    /// The name of the dataset and its folder.
    pub name: String,
    /// Its version; derived from the content if omitted.
    pub version: Option<String>,
    /// What it shows, for the data card.
    pub description: Option<String>,
    /// The identifier of its licence, e.g. `cc-by-4.0`.
    pub license: Option<String>,
    /// The organisation or group that publishes it, for `croissant.json`.
    pub creator: Option<String>,
    /// The address of its page, for `croissant.json`.
    pub url: Option<String>,
    /// How to cite it, best as BibTeX, for the data card and `croissant.json`.
    pub citation: Option<String>,
    /// The day it is published, as `2026-01-31`, for `croissant.json`.
    pub date: Option<String>,
    /// The formats to write, besides manifest and card.
    pub formats: Vec<FormatName>,
    /// How pictures are stored: `png`, `jpeg` or `webp`. Masks and maps are PNGs in any case.
    pub image: Encoding,
    /// The quality of JPEGs, 1..100; 95 if omitted.
    pub quality: Option<u8>,
    /// The most MiB of a shard of WebDataset, and of the pictures in a file of Parquet.
    pub shard_size: u32,
    /// The maps to write as separate PNGs, `maps/NAME/SPLIT/ID.png`, e.g. `["depth"]`; maps that a sample
    /// does not have are skipped.
    pub maps: Vec<MapName>,
    /// Frames a second of the MP4s, `videos/SPLIT/ID.mp4`, of clips that `render` made; needs ffmpeg. None: no
    /// videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fps: Option<f64>,
    /// All classes in the order of their numbers, with those that no image shows. None: those that `render` lists,
    /// else those of the images, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Objects whose box has a shorter side than this, in pixels, get no label; 0 labels all.
    pub min_box: f64,
    /// Objects of which a smaller fraction than this is visible get no label, 0..1; 0 labels all.
    pub min_visible: f64,
}

impl Default for Emit {
    fn default() -> Self {
        Emit {
            name: "dataset".into(),
            version: None,
            description: None,
            license: None,
            creator: None,
            url: None,
            citation: None,
            date: None,
            formats: USUAL.into_iter().filter_map(FormatName::find).collect(),
            image: Encoding::Png,
            quality: None,
            shard_size: (SHARD_BYTES >> 20) as u32,
            maps: Vec::new(),
            video_fps: None,
            classes: Vec::new(),
            min_box: 0.0,
            min_visible: 0.0,
        }
    }
}

impl Emit {
    /// The formats to write, in registry order.
    fn formats(&self) -> impl Iterator<Item = &'static Format> {
        let chosen = |format: &Format| self.formats.iter().any(|f| f.entry().name == format.name);
        FORMATS
            .iter()
            .filter(move |format| format.required || chosen(format))
    }

    /// The format that holds the pictures; `None` if they lie in files of their own, because another format wants
    /// them there, or none holds them.
    fn home(&self) -> Option<&'static Format> {
        let holds = |format: &&Format| format.holds.pictures;
        let mut others = self.formats().filter(|format| !format.required);
        match others.all(|format| holds(&format)) {
            // Of a tar, single pictures are read faster than of a table.
            true => self.formats().filter(holds).last(),
            false => None,
        }
    }

    /// Whether the dataset is written in the format with this name.
    fn writes(&self, name: &str) -> bool {
        self.formats().any(|format| format.name == name)
    }

    /// # Errors
    /// If a format is only read, or two of them would write the same files.
    fn check_formats(&self) -> Result<(), String> {
        let chosen: Vec<&Format> = self.formats.iter().map(|format| format.entry()).collect();
        if let Some(format) = chosen.iter().find(|format| format.write.is_none()) {
            let (name, written) = (format.name, Format::written());
            return Err(format!(
                "`formats` has `{name}`, which is only read; those that are written are {written}"
            ));
        }
        for (number, format) in chosen.iter().enumerate() {
            let twin = chosen[..number].iter().find(|other| other.is_twin(format));
            if let Some(twin) = twin.filter(|twin| twin.name != format.name) {
                return Err(format!(
                    "the formats `{}` and `{}` write the same files; choose one",
                    twin.name, format.name
                ));
            }
        }
        Ok(())
    }

    /// What the settings say about the dataset.
    fn about(&self) -> About<'_> {
        About {
            description: self.description.as_deref(),
            license: self.license.as_deref(),
            creator: self.creator.as_deref(),
            url: self.url.as_deref(),
            citation: self.citation.as_deref(),
            date: self.date.as_deref(),
        }
    }

    /// Warns of classes that a list leaves out, as one does that misspells them.
    fn warn_of_unlisted(&self, context: &Context, survey: &Survey) {
        let classes = survey.categories.keys();
        let others = classes.filter(|name| !self.classes.contains(name));
        let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
        if !self.classes.is_empty() && !others.is_empty() {
            let text = format!(
                "`classes` does not list {}: numbered after those that it lists",
                others.join(", ")
            );
            context.emit(Event::Warning { text });
        }
    }

    /// Warns of the maps that are wanted and that no sample has.
    fn warn_of_missing_maps(&self, context: &Context, survey: &Survey) {
        let wanted = self.maps.iter().map(|name| name.entry().name);
        for map in wanted.filter(|map| !survey.maps.contains(map)) {
            let text = format!("no sample has the map `{map}`, so none is written");
            context.emit(Event::Warning { text });
        }
    }
}

impl Stage for Emit {
    fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("name", Some(&self.name)),
            ("version", self.version.as_ref()),
        ] {
            if value.is_some_and(|value| !is_folder_name(value)) {
                return Err(format!("`{key}` names a folder: {FOLDER_NAME}"));
            }
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = self.classes.iter().find(|class| !known.insert(*class)) {
            return Err(format!("`classes` lists `{twice}` twice"));
        }
        self.check_formats()?;
        self.check_quality()?;
        self.check_video()?;
        if self.shard_size == 0 {
            return Err("`shard_size` must be at least 1 MiB".into());
        }
        let is_day = |date: &str| chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok();
        if !self.date.as_deref().is_none_or(is_day) {
            return Err("`date` is a day such as \"2026-01-31\"".into());
        }
        if !self.url.as_ref().is_none_or(|url| url.contains("://")) {
            return Err("`url` is an address such as \"https://example.org/data\"".into());
        }
        if !(0.0..=4096.0).contains(&self.min_box) {
            return Err("`min_box` must be between 0 and 4096 pixels".into());
        }
        if !(0.0..=1.0).contains(&self.min_visible) {
            return Err("`min_visible` is a share; give a number from 0 to 1".into());
        }
        Ok(())
    }

    fn take_classes(&mut self, classes: &[String]) {
        if self.classes.is_empty() {
            self.classes = classes.to_vec();
        }
    }

    fn dataset(&self) -> Option<DatasetName<'_>> {
        Some(DatasetName {
            name: &self.name,
            version: self.version.as_deref(),
        })
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let Some(samples) = inputs.get("samples") else {
            return Ok(Facts::default());
        };
        let facts = &samples.facts;
        if facts.has_no_labels() {
            return Err(Misfit::new(
                format!(
                    "emit rejects samples without labels, and those of `{}` have none",
                    samples.id
                ),
                "emit samples made from labelled renders, or photos that `pseudo_label` added",
            ));
        }
        let fits = |holds: Holds| {
            (holds.class && facts.classes != Some(false))
                || (holds.objects && facts.objects != Some(false))
        };
        // Class folders that nobody asked for are no reason to refuse pictures without a class.
        let asked = self.formats != Emit::default().formats;
        let chosen = self.formats.iter().map(|name| name.entry());
        let mut chosen = chosen.filter(|format| asked || format.name != "folders");
        match chosen.find(|format| !fits(format.holds)) {
            Some(format) => Err(Misfit::new(
                format!(
                    "the format `{}` in `formats` holds only {}, and the samples of `{}` have none",
                    format.name,
                    format.holds.names(),
                    samples.id
                ),
                "leave the format out of `formats`",
            )),
            None => Ok(facts.clone()),
        }
    }

    fn check_files(&self, _: &Givens) -> Result<(), Misfit> {
        self.check_ffmpeg()
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let pixels = inputs.pixels("samples");
        Forecast::new(
            inputs.count("samples"),
            pixels.map(|pixels| Effort::pixels(pixels * 0.2)),
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let mut survey = Survey::of(self, context, input)?;
        survey.rejected = rejected::write(context, survey.gated)?;
        self.warn_of_missing_maps(context, &survey);
        self.warn_of_unlisted(context, &survey);
        let categories = survey.categories(&self.classes);
        let home = self.home();
        let dataset = formats::DatasetInfo {
            out: context.out,
            name: &self.name,
            version: self.version.as_deref(),
            about: self.about(),
            images: &survey.images,
            categories: &categories,
            listed: &self.classes,
            loose: home.is_none(),
            shard_bytes: u64::from(self.shard_size) << 20,
        };
        // The one that holds the pictures comes first, and says where they are.
        let is_home = |format: &&Format| home.is_some_and(|home| home.name == format.name);
        let others = self.formats().filter(|format| !is_home(format));
        let mut writers = home
            .into_iter()
            .chain(others)
            .map(|format| format.writer(&dataset))
            .collect::<Result<Vec<_>>>()?;
        let places = survey.observations.places();
        let (mut done, mut proof) = (0, Proof::default());
        let mut sheet = Sheet::of(survey.total());
        let mut videos = Videos::new(context.out, self.video_fps);
        for path in input.parts() {
            for mut sample in self.encoded(parts::read_part(&path)?, &mut sheet, done)? {
                self.leave_out(&mut sample);
                proof.add(context, &sample, &places)?;
                let mut entry = self.entry(context, &sample)?;
                for (number, writer) in writers.iter_mut().enumerate() {
                    writer.add(&entry)?;
                    if let Some(file) = writer.placed().filter(|_| number == 0 && home.is_some()) {
                        file.clone_into(&mut entry.file);
                    }
                }
                maps::write(context.out, &self.maps, &entry, &categories)?;
                videos.add(&entry)?;
                done += 1;
                context.progress(done, input.manifest.count, "writing")?;
            }
        }
        for writer in writers {
            writer.finish()?;
        }
        videos.finish()?;
        if self.video_fps.is_some() && videos.begun == 0 {
            let text =
                "no sample is a frame of a clip, so no video is made; set `clip` of `render`"
                    .to_owned();
            context.emit(Event::Warning { text });
        }
        proof.warn(context);
        let inputs = context.inputs.values();
        let findings = finding::up_to(inputs.map(|input| &input.manifest.summary));
        sheet.write(&dataset)?;
        card::write(&dataset, self, (&survey, &proof), &findings)?;
        checksums::write(context, done)?;
        let mut summary = serde_json::json!({
            "name": self.name,
            "version": self.version,
            "images": survey.images,
            "objects": survey.objects,
            "proof": proof.summary(),
        });
        if let Some(rejected) = survey.rejected {
            summary["rejected"] = rejected.into();
        }
        if let Some(left_out) = survey.left_out.summary(self) {
            summary["left_out"] = left_out;
        }
        Ok(summary)
    }
}

impl Emit {
    /// The samples of a part with their pictures as the dataset stores them; those that follow `done` others and
    /// are on the sheet are added to it.
    ///
    /// # Errors
    /// If a picture cannot be decoded or encoded.
    fn encoded(
        &self,
        mut samples: Vec<Sample>,
        sheet: &mut Sheet,
        done: u64,
    ) -> Result<Vec<Sample>> {
        for (number, sample) in (done..).zip(&samples) {
            sheet.offer(number, sample)?;
        }
        if self.image != Encoding::Png {
            samples.par_iter_mut().try_for_each(|sample| {
                sample.image = self.picture(sample)?.into_owned();
                Ok::<_, Error>(())
            })?;
        }
        Ok(samples)
    }

    /// # Errors
    /// If the sample has no labels, or its split, or its class if there are class folders, is not a valid folder
    /// name.
    fn entry<'a>(&self, context: &Context, sample: &'a Sample) -> Result<ImageEntry<'a>> {
        let class = sample.labels.class.as_deref();
        if class.is_none() && sample.labels.objects.is_none() {
            return Err(Error::failed(
                context.id,
                format!(
                    "emit rejects samples without labels: {} has neither a class nor objects",
                    sample.id
                ),
                "emit samples made from labelled renders with a model that keeps labels",
            ));
        }
        let in_folders = class.filter(|_| self.writes("folders"));
        let forbidden =
            |c: &str| c.is_empty() || c.starts_with('.') || c.contains(['/', '\\', '\0', '\n']);
        if let Some(class) = in_folders.filter(|class| forbidden(class)) {
            return Err(Error::failed(
                context.id,
                format!(
                    "the class {class:?} of {} is not a valid folder name",
                    sample.id
                ),
                "rename the class in the render's configuration, or leave `folders` out of `formats`",
            ));
        }
        let split = sample.provenance.split.as_deref().unwrap_or(SPLITS[0]);
        if !is_folder_name(split) {
            return Err(Error::failed(
                context.id,
                format!(
                    "the split {split:?} of {} is not a valid folder name",
                    sample.id
                ),
                FOLDER_NAME,
            ));
        }
        let folder = in_folders.map_or(split.to_owned(), |class| format!("{split}/{class}"));
        Ok(ImageEntry {
            sample,
            class,
            split,
            file: format!("{folder}/{}.{}", sample.id, self.image.ending()),
            original: None,
        })
    }
}
