//! sculpt: new 3D models of each class, by a generator that learns the shapes of those that are given.
//!
//! A model becomes a grid of voxels; `generators::gan3d` learns such grids and draws new ones; of each, the largest part
//! becomes a model again, which `render` takes. New shapes are compared with models that were held out by the usual
//! measures for generators of shapes.
//!
//! Stages do not know each other, so this one is generic over the list of models: the registry says that of `render`.

mod data;
mod exhibit;
mod grid;
mod looking;
mod measures;
mod picture;
mod surface;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::Kind;
use crate::artifact::resume::Resume;
use crate::generators::gan3d::{Gan3dConfig, Sculptor};
use crate::generators::training::{self, Schedule, Training};
use crate::generators::{Setting, Trains};
use crate::nn::device;
use crate::sample::Extent;
use crate::stage::shapes::ShapeList;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Misfit, Stage, StageKind, checkpoints,
    finding, parse,
};
use crate::{Error, Result};
use data::{ShapeData, Shapes};
use grid::Grid;

/// The registry entry, for a list of models of the type L.
pub const fn kind<L: ShapeList>() -> StageKind {
    StageKind {
        name: "sculpt",
        about: "new 3D models of each class, after the shapes of those that are given",
        version: 1,
        inputs: &[],
        output: Kind::Models,
        parse: parse::<Sculpt<L>>,
        schema: || schemars::schema_for!(Sculpt<L>),
        exhibit: exhibit::exhibit,
    }
}

/// Configuration of `sculpt`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "")]
#[schemars(rename = "Sculpt")]
pub struct Sculpt<L: ShapeList> {
    /// Models to learn from, each with its class: tables `{ path, class, scale, up }`, whose path is a file, a folder or
    /// a pattern. They all face one way.
    pub models: L,
    /// Models to make of each class.
    pub per_class: u64,
    /// Voxels along a side: 16, 32 or 64.
    pub resolution: usize,
    /// Every time that a shape is shown, its proportions are changed by up to this share.
    pub stretch: f32,
    /// The share of the models that is held out, to compare those that are made with.
    pub held_out: f64,
    /// Optimiser steps.
    pub steps: u64,
    /// Shapes a step.
    pub batch: usize,
    /// Learning rate of Adam; it falls to zero in a line over the second half.
    pub rate: f64,
    /// Decay of the averaged weights, which draw, a step.
    pub ema: f64,
    /// The networks.
    pub gan3d: Gan3dConfig,
    /// Steps between two sheets of examples; 0 draws the last alone.
    pub watch_every: u64,
    /// Minutes between two checkpoints, from which a run that was stopped resumes; 0 for one after every
    /// step. The result is the same, so it is not part of the cache key.
    #[serde(skip_serializing)]
    pub checkpoint_minutes: f64,
}

impl<L: ShapeList> Default for Sculpt<L> {
    fn default() -> Self {
        Sculpt {
            models: L::default(),
            per_class: 30,
            resolution: 32,
            stretch: 0.1,
            held_out: 0.2,
            steps: 2000,
            batch: 16,
            rate: 1e-3,
            ema: 0.99,
            gan3d: Gan3dConfig::default(),
            watch_every: 500,
            checkpoint_minutes: 2.0,
        }
    }
}

/// The most models of a class.
const MOST: u64 = 100_000;

/// From fewer models of a class than this, a generator learns them by heart.
const FEWEST: usize = 10;

/// Models of a class that are compared with others, at most.
const MOST_COMPARED: usize = 100;

/// Models drawn at once.
const AT_ONCE: usize = 16;

/// What earlier trainings may differ in and still be the beginning of this one.
const SCOPES: &[&[&str]] = &[&["/config/per_class"]];

/// The streams that models are drawn from.
const MADE: u64 = 1 << 42;

impl<L: ShapeList> Stage for Sculpt<L> {
    fn files(&self) -> Vec<PathBuf> {
        self.models.files()
    }

    fn check(&self) -> Result<(), String> {
        self.models.classes()?;
        if !(1..=MOST).contains(&self.per_class) {
            return Err(format!("`per_class` must lie in 1..{MOST}"));
        }
        if ![16, 32, 64].contains(&self.resolution) {
            return Err("`resolution` must be 16, 32 or 64".into());
        }
        if !(0.0..=0.5).contains(&self.stretch) {
            return Err("`stretch` must lie in 0..0.5".into());
        }
        training::check_held_out(self.held_out)?;
        self.schedule().check(self.batch, self.ema)?;
        let problem = |problem| format!("`gan3d`: {problem}");
        self.gan3d.check().map_err(problem)
    }

    fn check_files(&self, _: &Givens) -> Result<(), Misfit> {
        self.models.check_files()
    }

    fn foresee(&self, _: &Givens) -> Result<Facts, Misfit> {
        Ok(Facts {
            class_names: self.models.classes().unwrap_or_default(),
            ..Facts::default()
        })
    }

    fn forecast(&self, _: &Givens) -> Forecast {
        Forecast::new(None, Some(self.training().and(self.making())))
    }

    fn left_over(&self, resume: &Resume, _: &Givens) -> f64 {
        let [training, making] = [self.training(), self.making()].map(Effort::seconds);
        checkpoints::share_done(resume, SCOPES, self.steps) * training / (training + making)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let shapes = Shapes::read(self, context)?;
        let mut sculptor = self.gan3d.create(&Setting {
            device: &chosen,
            extent: Extent::square(self.resolution as u32),
            columns: shapes.classes.len(),
            ema: self.ema,
            seed: &context.seed,
        })?;
        context.emit(Event::Note {
            text: format!(
                "gan3d with {:.2} M parameters on {}, {} classes, {} models to learn from and {} held out",
                sculptor.parameters() as f64 / 1e6,
                chosen.name,
                shapes.classes.len(),
                shapes.known.len(),
                shapes.held_out.len()
            ),
        });
        let training = Training {
            schedule: self.schedule(),
            scopes: SCOPES,
            context,
        };
        let data = ShapeData {
            by_class: shapes.by_class(),
            shapes: &shapes,
            stretch: self.stretch,
            batch: self.batch,
            device: &chosen,
            context,
        };
        let history = training.run(&mut sculptor, &data)?;
        let made = self.make(context, &shapes, &sculptor)?;
        let mut summary = json!({
            "model": "gan3d",
            "device": chosen.name,
            "classes": shapes.counts(self.per_class),
            "models": { "known": shapes.known.len(), "held_out": shapes.held_out.len() },
            "resolution": self.resolution,
            "steps": self.steps,
            "parameters": sculptor.parameters(),
            "last": history.last(),
        });
        let findings = looking::look(context, &shapes, &made, &mut summary)?;
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl<L: ShapeList> Sculpt<L> {
    /// The work of the training.
    fn training(&self) -> Effort {
        let shapes = self.steps as f64 * self.batch as f64;
        Effort::products(shapes * self.gan3d.products(self.resolution))
    }

    /// The work of making models.
    fn making(&self) -> Effort {
        /// Pixels that take as long as what is done with a voxel.
        const VOXEL: f64 = 4.0;
        let classes = self.models.classes().map_or(1, |classes| classes.len());
        let voxels = self.resolution.pow(3) as f64;
        Effort::pixels(VOXEL * voxels * classes as f64 * self.per_class as f64)
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            steps: self.steps,
            rate: self.rate,
            watch_every: self.watch_every,
            checkpoint_minutes: self.checkpoint_minutes,
        }
    }

    /// Makes the models of all classes, and writes them; returns some of each, to be looked at.
    fn make(
        &self,
        context: &Context,
        shapes: &Shapes,
        sculptor: &Sculptor,
    ) -> Result<Vec<(usize, Grid)>> {
        let (mut made, mut done) = (Vec::new(), 0);
        let all = shapes.classes.len() as u64 * self.per_class;
        for (class, name) in shapes.classes.iter().enumerate() {
            let folder = context.out.join("models").join(name);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
            let (mut kept, mut crumbs, crumb) = (0, 0, shapes.crumb(class));
            for first in (0..self.per_class).step_by(AT_ONCE) {
                context.progress(done, all, "models made")?;
                let numbers = first..self.per_class.min(first + AT_ONCE as u64);
                let numbers: Vec<u64> = numbers.collect();
                let grids = shapes.draw(context, sculptor, class, &numbers)?;
                let write = |(number, (values, grid)): (&u64, &(Vec<f32>, Grid))| {
                    let path = folder.join(format!("{name}-{number:05}.obj"));
                    let obj = surface::surface(values, grid).to_obj(shapes.voxels[class]);
                    std::fs::write(&path, obj).map_err(|e| Error::io(&path, e))
                };
                numbers.par_iter().zip(&grids).try_for_each(write)?;
                done += grids.len() as u64;
                let is_crumb = |(_, grid): &&(Vec<f32>, Grid)| grid.volume() <= crumb;
                crumbs += grids.iter().filter(is_crumb).count();
                let left = MOST_COMPARED - kept;
                kept += grids.len().min(left);
                made.extend(grids.into_iter().take(left).map(|(_, grid)| (class, grid)));
            }
            if crumbs > 0 {
                let text = format!(
                    "{crumbs} of {} models of `{name}` are crumbs, much smaller than all that was learned from; raise \
                     `steps`",
                    self.per_class
                );
                context.emit(Event::Warning { text });
            }
        }
        Ok(made)
    }
}
