//! Pictures of a candidate: the renderer run on a changed configuration, in a folder of its own.

use std::marker::PhantomData;

use image::RgbImage;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::appearance::{Look, measure};
use crate::artifact::{self, parts};
use crate::seed::Seed;
use crate::stage::{Context, Share, Stage};
use crate::{Error, Result};

/// The stage R with a configuration.
///
/// # Errors
/// In words, what R does not accept.
pub(super) fn configured<R: Stage + DeserializeOwned>(config: &Value) -> Result<R, String> {
    let stage = R::deserialize(config).map_err(|e| e.to_string())?;
    stage.check()?;
    Ok(stage)
}

/// Renders candidates. All with one seed are drawn from the same random streams, so that they differ
/// by their settings and hardly by chance.
pub(super) struct Candidates<'a, R> {
    context: &'a Context<'a>,
    count: usize,
    renderer: PhantomData<fn() -> R>,
}

impl<'a, R: Stage + DeserializeOwned> Candidates<'a, R> {
    /// `count` pictures a candidate.
    pub(super) fn new(context: &'a Context, count: usize) -> Self {
        Candidates {
            context,
            count,
            renderer: PhantomData,
        }
    }

    /// The measures of a candidate's pictures.
    ///
    /// # Errors
    /// If it cannot be rendered.
    pub(super) fn looks(&self, config: &Value, seed: &Seed) -> Result<Vec<Look>> {
        let pictures = self.pictures(config, seed, self.count)?;
        Ok(pictures.par_iter().map(measure).collect())
    }

    /// `count` pictures of a candidate.
    ///
    /// # Errors
    /// If it cannot be rendered.
    pub(super) fn pictures(
        &self,
        config: &Value,
        seed: &Seed,
        count: usize,
    ) -> Result<Vec<RgbImage>> {
        let id = self.context.id;
        let mut config = config.clone();
        config["count"] = json!(count);
        let stage: R = configured(&config).map_err(|problem| {
            Error::usage(
                id,
                format!("cannot run the stage that made `renders`: {problem}"),
                "let `renders` be a stage of the kind whose ranges are fitted",
            )
        })?;
        let folder =
            tempfile::tempdir_in(self.context.out).map_err(|e| Error::io(self.context.out, e))?;
        let backgrounds = self.context.inputs.get_key_value("backgrounds");
        stage.run(&Context {
            id,
            seed: seed.clone(),
            inputs: backgrounds
                .into_iter()
                .map(|(role, a)| (*role, a.clone()))
                .collect(),
            share: Share::All,
            out: folder.path(),
            resume: None,
            part_size: count,
            device: self.context.device,
            // The renders' own stage has told of warnings.
            events: &|_| (),
            interrupted: self.context.interrupted,
        })?;
        let mut pictures = Vec::new();
        for path in artifact::walk(folder.path())? {
            let samples = parts::read_part(&path)?;
            let decoded = samples.par_iter().map(crate::sample::Sample::pixels);
            pictures.extend(decoded.collect::<Result<Vec<_>>>()?);
        }
        Ok(pictures)
    }
}
