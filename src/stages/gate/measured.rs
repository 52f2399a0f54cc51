//! Scores that earlier runs measured, part by part. They depend on no limit, so that another limit
//! takes no new measurement.

use crate::artifact::resume::EarlierParts;
use crate::artifact::{parts, verdicts};
use crate::sample::{Sample, Verdict};
use crate::stage::Context;
use crate::{Error, Result};

/// Samples in memory as pixels at once.
pub(super) const CHUNK: usize = 64;

/// What the scores of a sample do not depend on: other samples, and all settings but `photo_quantile`.
const EXCEPT: &[&str] = &[
    "/inputs/samples",
    "/inputs/renders",
    "/config/label",
    "/config/mask",
    "/config/edges",
    "/config/luminance",
    "/config/contrast",
    "/config/clipped",
    "/config/speckle",
    "/config/duplicate",
    "/config/photo",
    "/config/max_lost",
    "/config/objects",
    "/config/ruler",
];

/// The scores of earlier runs.
pub(super) struct Measured {
    parts: EarlierParts,
    /// Samples that need not be measured again.
    pub taken: u64,
}

impl Measured {
    pub(super) fn of_earlier_runs(context: &Context) -> Self {
        Measured {
            parts: context.earlier_parts(EXCEPT),
            taken: 0,
        }
    }

    /// What these samples and their renders are called, and the scores of the first of them, in whole
    /// chunks or all.
    ///
    /// # Errors
    /// If a file of scores cannot be read.
    pub(super) fn known(
        &mut self,
        samples: &[Sample],
        renders: &[Sample],
    ) -> Result<(String, Vec<Verdict>)> {
        let name = |units: u64| {
            let units = units as usize;
            let both = parts::hash(&samples[..units])? + &parts::hash(&renders[..units])?;
            Ok(blake3::hash(both.as_bytes()).to_hex().to_string())
        };
        let count = samples.len() as u64;
        let key = name(count)?;
        let found = match self.parts.whole(&key, Some(count)) {
            Some(part) => Some((part, samples.len())),
            None => {
                let part = self.parts.beginning(count, name)?;
                // The network reads a chunk at once, so that half of one is another reading.
                part.map(|part| (part, part.units as usize / CHUNK * CHUNK))
            }
        };
        let Some((part, usable)) = found else {
            return Ok((key, Vec::new()));
        };
        let mut known = verdicts::read(&part.path)?;
        known.truncate(usable);
        self.taken += known.len() as u64;
        Ok((key, known))
    }

    /// Keeps the scores of a part for later runs.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn keep(&self, context: &Context, key: &str, measured: &[Verdict]) -> Result<()> {
        if context.resume.is_none() || self.parts.whole(key, None).is_some() {
            return Ok(());
        }
        let path = context.out.join("measured.parquet");
        verdicts::write(&path, measured)?;
        self.parts.keep(&path, key, measured.len() as u64);
        std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))
    }
}
