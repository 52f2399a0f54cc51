//! Photos that cannot be read: few of them are skipped and listed, more of them are an error.

use super::Ingest;
use crate::stage::{Context, Event, Share};
use crate::{Error, Result};

/// The most bad photos that a message lists.
const MOST: usize = 20;
/// The most bytes of what is said of one of them.
const LONGEST: usize = 180;

/// What was found to be bad.
#[derive(Default)]
pub(super) struct BadPhotos {
    pub count: usize,
    /// The first of them, each with what is wrong.
    listed: Vec<String>,
    first: Option<Error>,
}

impl BadPhotos {
    /// Takes in why a photo cannot be read.
    pub(super) fn add(&mut self, error: Error) {
        self.count += 1;
        if self.listed.len() < MOST {
            let text = error.to_string();
            let mut line = text
                .split("\n  help: ")
                .next()
                .unwrap_or_default()
                .replace('\n', " ");
            if line.len() > LONGEST {
                line.truncate(line.floor_char_boundary(LONGEST));
                line.push('…');
            }
            self.listed.push(line);
        }
        self.first.get_or_insert(error);
    }

    /// Says which of `photos` are bad.
    ///
    /// # Errors
    /// If there are more than `config` allows, or no crop was made of the others.
    pub(super) fn report(
        &self,
        context: &Context,
        config: &Ingest,
        photos: usize,
        crops: usize,
    ) -> Result<()> {
        let Some(first) = &self.first else {
            return Ok(());
        };
        let is_share = context.share != Share::All;
        let too_many = config.is_too_bad(self.count, photos);
        let path = config.path.display();
        let summary = format!("{} of {photos} photos cannot be read", self.count);
        if crops == 0 || too_many && !is_share {
            let allowed = match config.strict {
                true => "strict = true allows none".to_owned(),
                false => format!("max_bad = {} of them are allowed", config.max_bad),
            };
            if let (
                1,
                Error::Failed {
                    subject,
                    problem,
                    remedy,
                },
            ) = (self.count, first)
            {
                let problem = format!("{problem} ({summary}, and {allowed})");
                return Err(Error::failed(subject, problem, remedy));
            }
            return Err(Error::failed(
                path,
                format!("{summary}, and {allowed}:\n    {}", self.lines("\n    ")),
                "replace or remove them, or raise `max_bad` to skip them",
            ));
        }
        let text = format!("{path}: skipped, since {summary}: {}", self.lines("; "));
        context.emit(Event::Warning { text });
        Ok(())
    }

    fn lines(&self, between: &str) -> String {
        let more = match self.count - self.listed.len() {
            0 => String::new(),
            more => format!("{between}and {more} more"),
        };
        self.listed.join(between) + &more
    }
}
