//! What became of the rows and photos, and what the user is told of it.

use std::collections::HashSet;

use super::Ingest;
use super::bad::BadPhotos;
use super::flaws::Flaws;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What became of the rows and photos.
#[derive(Default)]
pub(super) struct Tally {
    pub crops: usize,
    pub no_area: usize,
    pub too_small: usize,
    pub outside: usize,
    /// Rows or pictures that say that there is nothing to be seen.
    pub empty: usize,
    pub flaws: Flaws,
    pub bad: BadPhotos,
    /// Photos with the same bytes as one before them.
    pub copies: usize,
    first_copy: String,
    seen: HashSet<[u8; 16]>,
}

/// The beginning of the hash of a photo's bytes.
pub(super) fn fingerprint(bytes: &[u8]) -> [u8; 16] {
    let mut beginning = [0; 16];
    beginning.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    beginning
}

impl Tally {
    /// Boxes of which no crop was made.
    pub(super) fn skipped(&self) -> usize {
        self.no_area + self.too_small + self.outside
    }

    /// Takes in a photo that was read, with the fingerprint of its bytes.
    pub(super) fn see(&mut self, fingerprint: [u8; 16], photo: &str) {
        if self.seen.insert(fingerprint) {
            return;
        }
        if self.copies == 0 {
            photo.clone_into(&mut self.first_copy);
        }
        self.copies += 1;
    }

    /// Warns of bad photos, of copies and of skipped boxes.
    ///
    /// # Errors
    /// If too many of the `photos` are bad, or nothing is left.
    pub(super) fn report(&self, context: &Context, config: &Ingest, photos: usize) -> Result<()> {
        self.bad.report(context, config, photos, self.crops)?;
        let csv = config.boxes.as_ref().unwrap_or(&config.path).display();
        if self.empty > 0 {
            let what = match config.format {
                Some(_) => "pictures are without an object",
                None => "rows are without a box",
            };
            let text = format!("{csv}: {} {what}, so they give no crop", self.empty);
            context.emit(Event::Note { text });
        }
        let reasons = [
            (self.no_area, "have no area".to_owned()),
            (
                self.too_small,
                format!("are smaller than min_side = {} pixels", config.min_side),
            ),
            (self.outside, "lie wholly outside their photo".to_owned()),
        ];
        for (count, reason) in reasons.iter().filter(|(count, _)| *count > 0) {
            let text = format!("{csv}: skipped {count} boxes that {reason}");
            context.emit(Event::Warning { text });
        }
        if self.copies > 0 {
            let text = format!(
                "{}: {} of {photos} photos are exact copies of others (first: {}); they are kept, \
                 and count more than once",
                config.path.display(),
                self.copies,
                self.first_copy
            );
            context.emit(Event::Warning { text });
        }
        self.flaws.report(context, self.crops, config.size);
        if self.crops == 0 {
            let remedy = match config.format {
                Some(_) => "check what the dataset labels, or lower `min_side`",
                None => {
                    "check that the boxes are left, top, right, bottom in pixels, or lower `min_side`"
                }
            };
            let problem = format!("no box is left, {} were skipped", self.skipped());
            return Err(Error::failed(csv, problem, remedy));
        }
        Ok(())
    }
}
