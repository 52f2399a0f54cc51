//! Where pictures come from: `path` is a folder, an archive, a video, or a pattern of such.
//!
//! Photos are read in an archive where they are. A dataset in an archive is unpacked for the time of the stage,
//! since the readers of formats need its files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Ingest, video};
use crate::formats::{FORMATS, Findings, Flaw, Format, Picture};
use crate::sample::content::{Content, VIDEO};
use crate::sample::listing::{self, Listing};
use crate::stage::{Context, Misfit};
use crate::{Error, Result};

/// The most files or datasets that a pattern stands for.
const MOST: usize = 10_000_000;

/// What messages say where a video is given without saying how many frames of it.
const NO_FPS: &str = "say how many frames of each second become photos: `fps = 2`";

/// Photos to read.
pub(super) struct Album {
    pub listing: Listing,
    /// Frames of videos, which are removed with this.
    _frames: Option<TempDir>,
}

/// A dataset to read.
pub(super) struct Dataset {
    /// Its folder or file.
    pub path: PathBuf,
    /// What its pictures' names begin with, if there are several datasets.
    prefix: String,
    /// Its archive, and where that is unpacked, which is removed with this.
    unpacked: Option<(PathBuf, TempDir)>,
}

impl Dataset {
    /// What provenance and messages call a picture.
    pub(super) fn name(&self, picture: &Picture) -> String {
        self.prefix.clone() + &picture.name_in(&self.path)
    }

    /// A text in which files of an archive are called by the archive's name.
    pub(super) fn told(&self, text: &str) -> String {
        match &self.unpacked {
            None => text.to_owned(),
            Some((archive, folder)) => {
                let [folder, archive] = [folder.path(), archive].map(|p| p.display().to_string());
                text.replace(&folder, &archive)
            }
        }
    }
}

fn is_video(path: &Path) -> bool {
    path.is_file() && Content::of_file(path).is_ok_and(|content| content == VIDEO)
}

impl Ingest {
    /// What `path` stands for: itself, or what matches it if it is a pattern.
    ///
    /// # Errors
    /// If a pattern is wrong, as text.
    pub(super) fn found(&self) -> Result<Vec<PathBuf>, String> {
        if !listing::is_pattern(&self.path) {
            return Ok(vec![self.path.clone()]);
        }
        let found = listing::matching(&self.path, MOST);
        let mut found = found.map_err(|problem| format!("`path` {problem}"))?;
        if self.format.is_none() {
            found.retain(|path| path.is_file());
        }
        match found.is_empty() {
            // Said when the files are looked at, as of any path that leads nowhere.
            true => Ok(vec![self.path.clone()]),
            false => Ok(found),
        }
    }

    /// The files that are videos.
    fn videos(&self, found: &[PathBuf]) -> Vec<PathBuf> {
        let videos = found.iter().filter(|path| is_video(path));
        videos.cloned().collect()
    }

    /// Lists the photos, after taking the frames of videos.
    ///
    /// # Errors
    /// If the path is missing, is nothing of the kind or is damaged, or the frames cannot be taken.
    pub(super) fn album(&self, context: &Context) -> Result<Album> {
        let found = self
            .found()
            .map_err(|e| Error::failed(context.id, e, "mend it"))?;
        let videos = self.videos(&found);
        if videos.is_empty() {
            let listing = match listing::is_pattern(&self.path) {
                true => Listing::of_files(&listing::root(&self.path), found),
                false => Listing::open(&self.path, context.out, &|| context.check_interrupt())?,
            };
            return Ok(Album {
                listing,
                _frames: None,
            });
        }
        self.check_videos(&found, &videos)
            .map_err(|misfit| Error::failed(context.id, misfit.problem, misfit.remedy))?;
        let folder = tempfile::tempdir_in(context.out).map_err(|e| Error::io(context.out, e))?;
        let root = match listing::is_pattern(&self.path) {
            true => listing::root(&self.path),
            false => self.path.parent().unwrap_or(Path::new("")).to_path_buf(),
        };
        for (done, path) in videos.iter().enumerate() {
            context.progress(done as u64, videos.len() as u64, "videos")?;
            let name = path.strip_prefix(&root).unwrap_or(path);
            let fps = self.fps.unwrap_or_default();
            video::frames(context, path, fps, &folder.path().join(name))?;
        }
        Ok(Album {
            listing: Listing::open(folder.path(), context.out, &|| context.check_interrupt())?,
            _frames: Some(folder),
        })
    }

    fn check_videos(&self, found: &[PathBuf], videos: &[PathBuf]) -> Result<(), Misfit> {
        match (videos.first(), self.fps) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Misfit::new(
                "`fps` is for videos, and `path` is not a video",
                "remove `fps`, or give a video as `path`",
            )),
            (Some(first), None) => {
                let problem = format!("`path` is a video: {}", first.display());
                Err(Misfit::new(problem, NO_FPS).of_file(first))
            }
            (Some(_), Some(_)) if videos.len() < found.len() => Err(Misfit::new(
                format!(
                    "`path` stands for videos ({}) and other files",
                    videos.len()
                ),
                "give videos and photos to a stage each",
            )),
            (Some(first), Some(_)) => video::check(first),
        }
    }

    /// Checks that `path` can be read: photos as files, archives or videos, datasets by what they look like. What is
    /// in the archive of a dataset is seen when it is unpacked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_source(&self) -> Result<(), Misfit> {
        let wrong = |problem| Misfit::new(problem, "correct the pattern").of_file(&self.path);
        let found = self.found().map_err(wrong)?;
        if let Some(format) = self.format() {
            let mut packed = found.iter().filter(|path| !is_archive(path, format));
            return packed.try_for_each(|path| check_dataset(path, path, format));
        }
        let videos = self.videos(&found);
        self.check_videos(&found, &videos)?;
        if !videos.is_empty() || listing::is_pattern(&self.path) {
            return Ok(());
        }
        listing::check(&self.path).map_err(|e| Misfit::of_error(e, "the file", &self.path))
    }

    /// The datasets that `path` stands for; those in archives are unpacked.
    ///
    /// # Errors
    /// If an archive is damaged, or does not hold a dataset of the format.
    pub(super) fn datasets(&self, context: &Context, format: &Format) -> Result<Vec<Dataset>> {
        let found = self
            .found()
            .map_err(|e| Error::failed(context.id, e, "mend it"))?;
        let several = found.len() > 1;
        let root = listing::root(&self.path);
        let open = |path: PathBuf| {
            let inside = path.strip_prefix(&root).unwrap_or(&path);
            let inside = inside.to_string_lossy().replace('\\', "/");
            let prefix = if several {
                format!("{inside}/")
            } else {
                String::new()
            };
            if !is_archive(&path, format) {
                return Ok(Dataset {
                    path,
                    prefix,
                    unpacked: None,
                });
            }
            let unpacked = self.unpack(context, &path)?;
            let folder = dataset_in(unpacked.path(), format);
            check_dataset(&folder, &path, format)
                .map_err(|misfit| Error::failed(context.id, misfit.problem, misfit.remedy))?;
            Ok(Dataset {
                path: folder,
                prefix,
                unpacked: Some((path, unpacked)),
            })
        };
        found.into_iter().map(open).collect()
    }

    fn unpack(&self, context: &Context, path: &Path) -> Result<TempDir> {
        let interrupt = || context.check_interrupt();
        let listing = Listing::open(path, context.out, &interrupt)?;
        self.report_left_out(context, path, &listing)?;
        let folder = tempfile::tempdir_in(context.out).map_err(|e| Error::io(context.out, e))?;
        listing.unpack(folder.path(), &interrupt)?;
        Ok(folder)
    }

    /// Says what a folder or archive holds and is left out.
    ///
    /// # Errors
    /// With `strict`, if something is missing that was meant to be there.
    pub(super) fn report_left_out(
        &self,
        context: &Context,
        path: &Path,
        listing: &Listing,
    ) -> Result<()> {
        context.report_left_out(path, listing.left_out());
        let missing = listing.left_out().warnings(path);
        if self.strict && !missing.is_empty() {
            let remedy = "fetch it again or remove these names, or write `strict = false`";
            return Err(Error::failed(context.id, missing.join("; "), remedy));
        }
        Ok(())
    }

    /// Hands on the pictures of all datasets.
    ///
    /// # Errors
    /// As [`Format::visit`].
    pub(super) fn visit(
        &self,
        datasets: &[Dataset],
        format: &Format,
        each: &mut dyn FnMut(&Dataset, Picture) -> Result<()>,
    ) -> Result<Findings> {
        let mut all = Findings::default();
        for dataset in datasets {
            let mut own = |picture| each(dataset, picture);
            let found = format.visit(&dataset.path, self.strict, &mut own);
            let found = found.map_err(|error| match error {
                Error::Failed {
                    subject,
                    problem,
                    remedy,
                } => Error::failed(dataset.told(&subject), dataset.told(&problem), remedy),
                other => other,
            })?;
            all.pictures += found.pictures;
            all.flawed += found.flawed;
            all.flaws.extend(found.flaws.into_iter().map(|flaw| Flaw {
                place: dataset.told(&flaw.place),
                ..flaw
            }));
        }
        Ok(all)
    }

    /// The datasets that need not be unpacked; `None` if one must be.
    pub(super) fn unpacked_datasets(&self, format: &Format) -> Option<Vec<Dataset>> {
        let found = self.found().ok()?;
        let open = |path: PathBuf| {
            (!is_archive(&path, format)).then_some(Dataset {
                path,
                prefix: String::new(),
                unpacked: None,
            })
        };
        found.into_iter().map(open).collect()
    }
}

/// Whether a dataset is packed into the file at `path`. Some formats are archives themselves.
fn is_archive(path: &Path, format: &Format) -> bool {
    path.is_file() && !(format.detect)(path) && listing::check(path).is_ok()
}

/// The dataset in the folder of an archive: itself, or the only folder in it.
fn dataset_in(folder: &Path, format: &Format) -> PathBuf {
    let mut folder = folder.to_path_buf();
    while !(format.detect)(&folder) {
        let mut inside = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        match (inside.next(), inside.next()) {
            (Some(only), None) if only.path().is_dir() => folder = only.path(),
            _ => break,
        }
    }
    folder
}

/// Whether the dataset at `path`, which the user calls `called`, looks like one of `format`.
fn check_dataset(path: &Path, called: &Path, format: &Format) -> Result<(), Misfit> {
    if (format.detect)(path) {
        return Ok(());
    }
    let others = FORMATS.iter().filter(|other| (other.detect)(path));
    let others: Vec<String> = others.map(|other| format!("`{}`", other.name)).collect();
    let looks = match others.is_empty() {
        true => "does not look like a dataset of any format".to_owned(),
        false => format!("looks like {}", others.join(" or ")),
    };
    Err(Misfit::new(
        format!(
            "`format` is `{}`, but {} {looks}",
            format.name,
            called.display()
        ),
        "correct `format` or `path`; `verismo list formats` says what each format is",
    )
    .of_file(called))
}
