//! Which files of a folder or archive are photos: those whose content is a picture, whatever their name, and
//! those that are called pictures and are none, to be named as broken.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::boxes::Row;
use super::source::Album;
use super::tally::Tally;
use super::{Ingest, group_by_file};
use crate::formats::spreadsheet::quoted;
use crate::sample::content::{Content, is_called_picture};
use crate::sample::input::MOST_BYTES;
use crate::sample::listing::{self, Listing};
use crate::stage::{Context, Event, Misfit};
use crate::{Error, Result};

/// What other pictures are called, and their formats.
const OTHERS: [(&str, &str); 10] = [
    ("heic", "HEIC"),
    ("heif", "HEIC"),
    ("avif", "AVIF"),
    ("gif", "GIF"),
    ("jxl", "JPEG XL"),
    ("dng", "camera raw"),
    ("nef", "camera raw"),
    ("cr2", "camera raw"),
    ("cr3", "camera raw"),
    ("arw", "camera raw"),
];

/// A folder or archive of photos.
pub(super) struct Photos {
    album: Album,
}

/// A file that may be a photo.
enum Kind {
    Photo,
    /// A picture of a format that is not read.
    Other(&'static str),
    Nothing,
}

/// Pictures of formats that are not read.
#[derive(Default)]
struct Others {
    /// How many of each format.
    formats: BTreeMap<&'static str, usize>,
    first: Option<usize>,
}

impl Photos {
    /// Lists the folder, tar or zip, takes the frames of videos, and says what is left out.
    ///
    /// # Errors
    /// If the path is missing, is neither or is damaged.
    pub(super) fn open(config: &Ingest, context: &Context) -> Result<Self> {
        let album = config.album(context)?;
        config.report_left_out(context, &config.path, &album.listing)?;
        Ok(Photos { album })
    }

    /// The files of the folder or archive.
    pub(super) fn listing(&self) -> &Listing {
        &self.album.listing
    }

    /// The places of all photos, in the order of their names. Says which pictures are of other formats.
    ///
    /// # Errors
    /// If there is none, or a file cannot be read.
    pub(super) fn all(&self, config: &Ingest, context: &Context) -> Result<Vec<usize>> {
        let path = &config.path;
        let kinds: Vec<Kind> = (0..self.listing().names().len())
            .into_par_iter()
            .map(|place| {
                context.check_interrupt()?;
                self.kind(place)
            })
            .collect::<Result<_>>()?;
        let (mut photos, mut others) = (Vec::new(), Others::default());
        for (place, kind) in kinds.into_iter().enumerate() {
            match kind {
                Kind::Photo => photos.push(place),
                Kind::Other(format) => {
                    *others.formats.entry(format).or_default() += 1;
                    others.first.get_or_insert(place);
                }
                Kind::Nothing => {}
            }
        }
        let remedy = "export them as JPEG or PNG";
        match others
            .first
            .map(|first| others.describe(&self.listing().describe(first)))
        {
            None if photos.is_empty() => Err(holds_none(path)),
            Some(others) if photos.is_empty() || config.strict => Err(Error::failed(
                path.display(),
                format!("holds {others}"),
                remedy,
            )),
            Some(others) => {
                let text = format!("{}: left out {others}; {remedy}", path.display());
                context.emit(Event::Warning { text });
                Ok(photos)
            }
            None => Ok(photos),
        }
    }

    /// The bytes of the photo at `place`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(&self, place: usize) -> Result<Vec<u8>> {
        self.listing().read(place, MOST_BYTES)
    }

    fn kind(&self, place: usize) -> Result<Kind> {
        let name = Path::new(self.listing().name(place));
        let extension = name.extension().unwrap_or_default();
        let is_called = |other: &str| extension.eq_ignore_ascii_case(other);
        let called_picture = is_called_picture(name);
        let called_other = OTHERS.into_iter().find(|(other, _)| is_called(other));
        let called = match (called_picture, called_other) {
            (true, _) => Kind::Photo,
            (false, Some((_, format))) => Kind::Other(format),
            (false, None) => Kind::Nothing,
        };
        // What cannot be read is named when it is to be decoded.
        Ok(match self.listing().content(place) {
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Ok(Content::OtherPicture(format)) => Kind::Other(format),
            // Raw pictures of most cameras begin as a TIFF does.
            Ok(Content::Picture(image::ImageFormat::Tiff)) if called_other.is_some() => called,
            Ok(Content::Picture(_)) => Kind::Photo,
            Ok(_) | Err(_) => called,
        })
    }
}

/// There is nothing to read.
pub(super) fn holds_none(path: &Path) -> Error {
    Error::failed(
        path.display(),
        "holds no photo",
        "point `path` at the folder, tar or zip that holds the photos",
    )
}

impl Ingest {
    /// What is said of the photos that the CSV names and that are not there; nothing where they may be skipped.
    ///
    /// # Errors
    /// If the photos cannot be listed.
    pub(super) fn missing_photos(&self, csv: &Path) -> Result<Option<Misfit>> {
        const NAMED: usize = 3;
        let mut rows = self.boxes(csv)?.rows(&|| Ok(()))?;
        let listing = match listing::is_pattern(&self.path) {
            true => Listing::of_files(&listing::root(&self.path), self.found().unwrap_or_default()),
            false => Listing::open(&self.path, Path::new("."), &|| Ok(()))?,
        };
        find_all(&listing, &mut rows);
        let rows = self.chosen(self.framed(rows), &mut Tally::default());
        let groups = group_by_file(&rows);
        let missing = groups.iter().filter(|group| group[0].photo.is_none());
        let missing: Vec<&Row> = missing.map(|group| group[0]).collect();
        if missing.is_empty() || !self.is_too_bad(missing.len(), groups.len()) {
            return Ok(None);
        }
        let named = missing.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|row| format!("`{}` (line {})", quoted(&row.file), row.line))
            .collect();
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let problem = format!(
            "{} of the {} photos that `boxes` names are not in {}: {}{more}",
            missing.len(),
            groups.len(),
            self.path.display(),
            named.join(", ")
        );
        let remedy = "file names are relative to `path`; correct `path` or the rows, add the photos, or raise \
                      `max_bad` to skip them";
        Ok(Some(Misfit::new(problem, remedy).of_file(csv)))
    }
}

/// Finds the files that rows of a CSV name, and gives them the names by which they are listed.
pub(super) fn find_all(listing: &Listing, rows: &mut [Row]) {
    let index = listing.index();
    for row in rows {
        row.photo = index.find(&row.file);
        if let Some(photo) = row.photo {
            listing.name(photo).clone_into(&mut row.file);
        }
    }
}

impl Others {
    /// How many there are of each format; the first is called `first`.
    fn describe(&self, first: &str) -> String {
        let count: usize = self.formats.values().sum();
        let formats = self
            .formats
            .iter()
            .map(|(format, count)| format!("{count} {format}"));
        let formats: Vec<String> = formats.collect();
        let formats = formats.join(", ");
        format!("{count} pictures of formats that are not read ({formats}; first: {first})")
    }
}
