//! Converts a dataset from one format to another, picture by picture.
//!
//! The dataset is read twice: first for its classes and splits, which writers must know before the first
//! picture, then to write it. Neither labels nor pictures are kept in memory. The result is written into a
//! hidden folder beside its place, and appears there only when it is whole.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::reader::{LISTED, checked};
use super::{
    About, Category, DatasetInfo, Findings, Flaw, Format, Holds, ImageEntry, Original, Picture,
    SHARD_BYTES, Writer, file_name,
};
use crate::artifact::files::is_folder_name;
use crate::sample::image::{extent_in, extent_of};
use crate::sample::{Domain, Extent, Labels, Provenance, Sample};
use crate::{Error, Result};

/// What to convert.
pub struct Conversion<'a> {
    /// The dataset to read.
    pub from: &'a Path,
    /// Its format.
    pub read_as: &'a Format,
    /// The folder to write, which must not exist.
    pub to: &'a Path,
    /// The format to write.
    pub write_as: &'a Format,
    /// Whether anything wrong in the dataset is an error.
    pub strict: bool,
    /// Whether pictures may be shared with the dataset by hard links; otherwise they are copied.
    pub link: bool,
}

/// What became of a dataset.
#[derive(Debug, Default)]
pub struct Converted {
    /// Pictures written.
    pub pictures: u64,
    /// What was wrong with the dataset and was left out.
    pub findings: Findings,
    /// What the new format has no place for: how often, by kind.
    pub lost: BTreeMap<&'static str, u64>,
}

/// Told how many pictures are done, and of how many once that is known; stops the conversion with an error.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>) -> Result<()>;

impl Conversion<'_> {
    /// Converts the dataset.
    ///
    /// # Errors
    /// If it cannot be read or written, has no picture that the new format can hold, or `progress` stops
    /// it. Nothing is left of the result then.
    pub fn run(&self, progress: Progress) -> Result<Converted> {
        if self.to.symlink_metadata().is_ok() {
            return Err(Error::usage(
                self.to.display(),
                "exists already",
                "give the name of a new folder, or remove this one",
            ));
        }
        let (survey, mut converted) = self.survey(progress)?;
        if survey.images.is_empty() {
            return Err(self.nothing(&converted));
        }
        let above = self.to.parent().filter(|above| *above != Path::new(""));
        let above = above.unwrap_or(Path::new("."));
        std::fs::create_dir_all(above).map_err(|e| Error::io(above, e))?;
        let name = file_name(self.to);
        let hidden = tempfile::Builder::new()
            .prefix(&format!(".{name}-"))
            .tempdir_in(above)
            .map_err(|e| Error::io(above, e))?;
        let out = hidden.path().join("dataset");
        std::fs::create_dir(&out).map_err(|e| Error::io(&out, e))?;
        converted.pictures = self.write(&survey, &name, &out, progress)?;
        std::fs::rename(&out, self.to).map_err(|e| Error::io(self.to, e))?;
        Ok(converted)
    }

    fn survey(&self, progress: Progress) -> Result<(Survey, Converted)> {
        let (mut survey, mut converted) = (Survey::default(), Converted::default());
        let mut unusable = Vec::new();
        let mut count = 0;
        let holds = self.write_as.holds;
        let mut findings = self.read_as.visit(self.from, self.strict, &mut |picture| {
            progress(count, None)?;
            count += 1;
            if holds.needs_objects() && picture.labels.objects.is_none() {
                add(&mut converted.lost, "pictures whose objects are unknown", 1);
                return Ok(());
            }
            match self.extent(&picture) {
                Ok(_) => {}
                Err(Error::Failed {
                    subject, problem, ..
                }) if !self.strict => {
                    unusable.push(Flaw {
                        place: subject,
                        problem: format!("{problem}; it is left out"),
                    });
                    return Ok(());
                }
                Err(other) => return Err(other),
            }
            count_lost(&mut converted.lost, holds, &picture.labels);
            survey.add(&picture);
            self.check_class(&picture)
        })?;
        findings.flawed += unusable.len() as u64;
        let free = LISTED.saturating_sub(findings.flaws.len());
        findings.flaws.extend(unusable.into_iter().take(free));
        survey.finish(&findings.classes);
        converted.findings = findings;
        Ok((survey, converted))
    }

    fn write(&self, survey: &Survey, name: &str, out: &Path, progress: Progress) -> Result<u64> {
        let dataset = DatasetInfo {
            out,
            name,
            version: None,
            about: About::default(),
            images: &survey.images,
            categories: &survey.categories,
            listed: &[],
            loose: true,
            shard_bytes: SHARD_BYTES,
        };
        let mut writer: Box<dyn Writer> = self.write_as.writer(&dataset)?;
        let mut names = Names::default();
        let (mut done, all) = (0, survey.total());
        let holds = self.write_as.holds;
        self.read_as.visit(self.from, self.strict, &mut |picture| {
            let unknown = holds.needs_objects() && picture.labels.objects.is_none();
            let extent = self.extent(&picture);
            let Some(extent) = extent.ok().filter(|_| !unknown) else {
                return Ok(());
            };
            self.add(writer.as_mut(), picture, extent, done, &mut names)?;
            done += 1;
            progress(done, Some(all.max(done)))
        })?;
        writer.finish()?;
        Ok(done)
    }

    fn add(
        &self,
        writer: &mut dyn Writer,
        picture: Picture,
        extent: Extent,
        index: u64,
        names: &mut Names,
    ) -> Result<()> {
        let split = split_of(&picture);
        let name = names.unique(&picture.file);
        let class = picture.labels.class.clone();
        let file = match class.as_deref().filter(|_| self.write_as.name == "folders") {
            Some(class) => format!("{split}/{class}/{name}"),
            None => format!("{split}/{name}"),
        };
        let id = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(stem, _)| stem);
        // Labelled pictures from elsewhere count as renders: only photos are treated as unlabelled.
        let provenance = picture.provenance.unwrap_or_else(|| Provenance {
            domain: Domain::Render,
            source: name.clone(),
            origin: id.to_owned(),
            parent: None,
            seed: String::new(),
            checkpoint: None,
            transforms: Vec::new(),
            split: Some(split.clone()),
            gate: None,
        });
        let is_file = picture.bytes.is_none();
        let sample = Sample {
            id: id.to_owned(),
            index,
            image: picture.bytes.unwrap_or_default(),
            extent,
            labels: picture.labels,
            provenance,
        };
        writer.add(&ImageEntry {
            sample: &sample,
            class: class.as_deref(),
            split: &split,
            file,
            original: is_file.then_some(Original {
                file: &picture.file,
                link: self.link,
            }),
        })
    }

    /// The extent of a picture, from its own header.
    ///
    /// # Errors
    /// If it does not exist, is too large, or its labels are of another extent.
    fn extent(&self, picture: &Picture) -> Result<Extent> {
        let name = picture.file.display().to_string();
        let found = match &picture.bytes {
            None => extent_of(&picture.file)?,
            Some(bytes) => extent_in(std::io::Cursor::new(bytes), &name)?,
        };
        let remedy = "correct its labels, or replace the picture";
        if checked(found).is_err() {
            let problem = format!("has {found} pixels, more than are read");
            return Err(Error::failed(name, problem, remedy));
        }
        match picture.extent.filter(|labelled| *labelled != found) {
            Some(labelled) => {
                let problem = format!("has {found} pixels, but its labels say {labelled}");
                Err(Error::failed(name, problem, remedy))
            }
            None => Ok(found),
        }
    }

    /// Class folders need classes that are names of folders.
    fn check_class(&self, picture: &Picture) -> Result<()> {
        let class = picture.labels.class.as_deref().unwrap_or("ok");
        let forbidden =
            class.is_empty() || class.starts_with('.') || class.contains(['/', '\\', '\0', '\n']);
        if self.write_as.name != "folders" || !forbidden {
            return Ok(());
        }
        Err(Error::failed(
            picture.file.display(),
            format!("has the class {class:?}, which cannot be the name of a folder"),
            "rename the class, or choose another format",
        ))
    }

    fn nothing(&self, converted: &Converted) -> Error {
        let format = self.write_as.name;
        if let Some(flaw) = converted.findings.flaws.first() {
            return Error::failed(
                &flaw.place,
                &flaw.problem,
                "no picture of the dataset can be used",
            );
        }
        let holds = self.write_as.holds.names();
        Error::failed(
            self.from.display(),
            format!("has no picture for `{format}`: the objects of its pictures are not known"),
            format!("`{format}` holds {holds}; choose another format, such as `folders`"),
        )
    }
}

/// What the writer must know beforehand.
#[derive(Default)]
struct Survey {
    images: BTreeMap<String, BTreeMap<String, u64>>,
    /// Keypoints by class, in order of appearance.
    seen: BTreeMap<String, Vec<String>>,
    categories: Vec<Category>,
}

impl Survey {
    fn add(&mut self, picture: &Picture) {
        let class = picture.labels.class.clone().unwrap_or_default();
        if !class.is_empty() {
            self.seen.entry(class.clone()).or_default();
        }
        let classes = self.images.entry(split_of(picture)).or_default();
        *classes.entry(class).or_default() += 1;
        for object in picture.labels.objects() {
            if !self.seen.contains_key(&object.class) {
                self.seen.insert(object.class.clone(), Vec::new());
            }
            let Some(names) = self.seen.get_mut(&object.class) else {
                continue;
            };
            for keypoint in &object.keypoints {
                if !names.contains(&keypoint.name) {
                    names.push(keypoint.name.clone());
                }
            }
        }
    }

    /// Classes that the dataset lists keep its order; others follow, sorted.
    fn finish(&mut self, listed: &[Category]) {
        self.categories = listed.to_vec();
        for (name, keypoints) in std::mem::take(&mut self.seen) {
            let known = self.categories.iter_mut().find(|c| c.name == name);
            match known {
                None => self.categories.push(Category {
                    name,
                    keypoints,
                    skeleton: Vec::new(),
                }),
                Some(known) => {
                    for keypoint in keypoints {
                        if !known.keypoints.contains(&keypoint) {
                            known.keypoints.push(keypoint);
                        }
                    }
                }
            }
        }
    }

    fn total(&self) -> u64 {
        self.images.values().flat_map(BTreeMap::values).sum()
    }
}

/// The split as the name of a folder; pictures without one are all for training.
fn split_of(picture: &Picture) -> String {
    let split = picture.split.as_deref().unwrap_or("train");
    if is_folder_name(split) {
        return split.to_owned();
    }
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    format!(
        "split_{}",
        split.chars().take(30).map(plain).collect::<String>()
    )
}

/// Names of pictures that are unique in the dataset, whatever the file system makes of capitals.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    fn unique(&mut self, file: &Path) -> String {
        let plain = |name: String| -> String {
            let odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
            let name: String = name.chars().map(|c| if odd(c) { '_' } else { c }).collect();
            match name.starts_with('.') || name.is_empty() {
                true => format!("_{name}"),
                false => name,
            }
        };
        let name = plain(file_name(file));
        // Formats name the labels after the picture without its ending, so that must be unique.
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) => (stem.trim().to_owned(), format!(".{ending}")),
            None => (name.trim().to_owned(), String::new()),
        };
        let above = file.parent().map(file_name).unwrap_or_default();
        let first = [stem.clone(), plain(format!("{above}-{stem}"))];
        let further = (2_u64..).map(|number| format!("{stem}-{number}"));
        let mut names = first.into_iter().chain(further);
        let free = names.find(|stem| self.0.insert(stem.to_lowercase()));
        format!("{}{ending}", free.unwrap_or(stem))
    }
}

fn add(lost: &mut BTreeMap<&'static str, u64>, kind: &'static str, count: usize) {
    if count > 0 {
        *lost.entry(kind).or_default() += count as u64;
    }
}

/// Counts the labels of a picture that the format does not hold.
fn count_lost(lost: &mut BTreeMap<&'static str, u64>, holds: Holds, labels: &Labels) {
    let objects = labels.objects();
    let count = |has: fn(&crate::sample::Object) -> bool| objects.iter().filter(|o| has(o)).count();
    let absent = [
        (
            !holds.class,
            "classes of pictures",
            usize::from(labels.class.is_some()),
        ),
        (
            !holds.captions,
            "captions",
            usize::from(labels.caption.is_some()),
        ),
        (
            !holds.camera,
            "cameras",
            usize::from(labels.camera.is_some()),
        ),
        (!holds.objects, "objects", objects.len()),
        (
            holds.oriented,
            "upright boxes, which became oriented",
            objects.len(),
        ),
        (
            !holds.masks && !holds.oriented,
            "masks",
            count(|o| o.mask.is_some()),
        ),
        (
            !holds.unknown_masks,
            "unknown masks, which became boxes",
            count(|o| o.mask.is_none()),
        ),
        (
            !holds.keypoints,
            "objects' keypoints",
            count(|o| !o.keypoints.is_empty()),
        ),
        (!holds.poses, "poses", count(|o| o.pose.is_some())),
        (!holds.boxes_3d, "3D boxes", count(|o| o.box_3d.is_some())),
        (
            !holds.visible_fraction,
            "visible fractions",
            count(|o| o.visible_fraction < 1.0),
        ),
        (true, "objects' hidden parts", count(|o| o.amodal.is_some())),
        (!holds.tracks, "tracks", count(|o| o.track.is_some())),
    ];
    for (is_lost, kind, number) in absent {
        if is_lost {
            add(lost, kind, number);
        }
    }
}
