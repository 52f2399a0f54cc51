//! The shapes that a generator learns from, and those that it draws.

use std::collections::BTreeMap;
use std::path::Path;

use glam::Vec3;
use rand::RngExt;

use super::grid::{Grid, bounds};
use super::{FEWEST, MADE, MOST, Sculpt, looking};
use crate::generators::gan3d::{self, Sculptor};
use crate::generators::training::{TrainingData, divided};
use crate::generators::{Batch, kind::normal};
use crate::nn::device::Chosen;
use crate::seed::{Stream, number};
use crate::stage::shapes::ShapeList;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Classes that a warning names at most.
const MOST_NAMED: usize = 5;

/// How often a model is drawn until it is large enough.
const TRIES: usize = 8;

/// Shapes with their classes.
pub(super) struct Shapes {
    pub classes: Vec<String>,
    pub resolution: usize,
    pub grids: Vec<(usize, Grid)>,
    /// The length of a voxel's side in metres, of each class.
    pub voxels: Vec<f32>,
    /// Numbers of the shapes that are learned from.
    pub known: Vec<usize>,
    /// Numbers of the others.
    pub held_out: Vec<usize>,
}

impl Shapes {
    pub(super) fn read<L: ShapeList>(config: &Sculpt<L>, context: &Context) -> Result<Self> {
        let wrong = |problem| Error::usage(context.id, problem, "correct `models`");
        let classes = config.models.classes().map_err(wrong)?;
        let mut grids = Vec::new();
        let mut sides: Vec<Vec<f32>> = vec![Vec::new(); classes.len()];
        let mut paths: Vec<Vec<(u64, usize)>> = vec![Vec::new(); classes.len()];
        let mut thin = Vec::new();
        config.models.read(context, &mut |model| {
            let class = classes.binary_search(&model.class).map_err(|_| {
                let problem = format!("{} is of no class of `models`", model.path);
                Error::failed(context.id, problem, "run again")
            })?;
            let (grid, voxel) = Grid::of(&model.triangles, config.resolution);
            let (low, high) = bounds(&model.triangles);
            if (high - low).min_element() < voxel {
                thin.push(model.path.clone());
            }
            // By the name of the file, wherever it is.
            let name = Path::new(&model.path).file_name().unwrap_or_default();
            paths[class].push((number(&name.to_string_lossy()), grids.len()));
            sides[class].push(voxel);
            grids.push((class, grid));
            Ok(())
        })?;
        if let Some(first) = thin.first() {
            let text = format!(
                "{} of {} models are thinner than a voxel, which is as thin as shapes can be, e.g. {first}; raise \
                 `resolution` if that matters",
                thin.len(),
                grids.len()
            );
            context.emit(Event::Warning { text });
        }
        let (known, held_out) = divided(paths, config.held_out);
        let shapes = Shapes {
            voxels: sides.into_iter().map(median).collect(),
            classes,
            resolution: config.resolution,
            grids,
            known,
            held_out,
        };
        shapes.check(context)?;
        Ok(shapes)
    }

    fn check(&self, context: &Context) -> Result<()> {
        let by_class = self.by_class();
        let counted = self.classes.iter().zip(by_class.iter().map(Vec::len));
        let few: Vec<String> = counted
            .clone()
            .filter(|(_, count)| (1..FEWEST).contains(count))
            .map(|(class, count)| format!("`{class}` ({count})"))
            .collect();
        if let Some((class, _)) = counted.clone().find(|(_, count)| *count == 0) {
            let problem = format!("has no models to learn from of `{class}`");
            return Err(Error::failed(context.id, problem, "give more of them"));
        }
        if !few.is_empty() {
            let named = few.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>();
            let more = match few.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more classes"),
            };
            let text = format!(
                "there are fewer than {FEWEST} models to learn from of {}{more}: those that are made will be much like them",
                named.join(", ")
            );
            context.emit(Event::Warning { text });
        }
        Ok(())
    }

    /// The numbers of the shapes of each class that are learned from.
    pub(super) fn by_class(&self) -> Vec<Vec<usize>> {
        let mut by_class = vec![Vec::new(); self.classes.len()];
        for &number in &self.known {
            by_class[self.grids[number].0].push(number);
        }
        by_class
    }

    /// So many of each class.
    pub(super) fn counts(&self, each: u64) -> BTreeMap<&str, u64> {
        self.classes.iter().map(|class| (&**class, each)).collect()
    }

    /// The shapes of a class among these.
    pub(super) fn of_class(&self, class: usize, numbers: &[usize]) -> Vec<&Grid> {
        let shapes = numbers.iter().map(|number| &self.grids[*number]);
        let shapes = shapes.filter(|(other, _)| *other == class);
        shapes.map(|(_, grid)| grid).collect()
    }

    /// Voxels of a crumb of a class: what is no larger is much smaller than all that was learned from.
    pub(super) fn crumb(&self, class: usize) -> usize {
        let known = self.of_class(class, &self.known);
        known.iter().map(|grid| grid.volume()).min().unwrap_or(0) / 4
    }

    /// Draws models of a class: each volume with its largest part. Crumbs are drawn again, and the largest one stays.
    pub(super) fn draw(
        &self,
        context: &Context,
        sculptor: &Sculptor,
        class: usize,
        numbers: &[u64],
    ) -> Result<Vec<(Vec<f32>, Grid)>> {
        let crumb = self.crumb(class);
        let stream = |number: &u64| context.seed.stream(MADE + class as u64 * MOST + number);
        let mut streams: Vec<Stream> = numbers.iter().map(stream).collect();
        let nothing = || (Vec::new(), Grid::empty(self.resolution));
        let mut found: Vec<(Vec<f32>, Grid)> = numbers.iter().map(|_| nothing()).collect();
        for _ in 0..TRIES {
            context.check_interrupt()?;
            let open = (0..found.len()).filter(|n| found[*n].1.volume() <= crumb);
            let open: Vec<usize> = open.collect();
            if open.is_empty() {
                break;
            }
            let count = sculptor.numbers();
            let latents = open.iter().map(|n| normal(count, &mut streams[*n]));
            let latents: Vec<Vec<f32>> = latents.collect();
            let classes = vec![class; open.len()];
            let drawn = gan3d::draw(sculptor, &classes, &latents, self.classes.len());
            for (number, values) in open.into_iter().zip(drawn) {
                let grid = self.part_of(&values);
                if grid.volume() > found[number].1.volume() {
                    found[number] = (values, grid);
                }
            }
        }
        match found.iter().all(|(_, grid)| grid.volume() > 0) {
            true => Ok(found),
            false => Err(Error::failed(
                context.id,
                format!(
                    "draws nothing in place of `{}`, {TRIES} times in a row",
                    self.classes[class]
                ),
                "raise `steps`, or give more models to learn from",
            )),
        }
    }

    /// The largest part of what is inside.
    pub(super) fn part_of(&self, values: &[f32]) -> Grid {
        let grid = Grid {
            resolution: self.resolution,
            inside: values.iter().map(|value| *value > 0.0).collect(),
        };
        grid.largest_part()
    }
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(1.0)
}

/// What the generator learns from.
pub(super) struct ShapeData<'a> {
    pub shapes: &'a Shapes,
    /// The numbers of the shapes of each class.
    pub by_class: Vec<Vec<usize>>,
    pub stretch: f32,
    pub batch: usize,
    pub device: &'a Chosen,
    pub context: &'a Context<'a>,
}

impl TrainingData<Sculptor> for ShapeData<'_> {
    fn batch(&self, stream: &mut Stream) -> Result<Batch> {
        let shapes = self.shapes;
        let mut drawn = Vec::new();
        for _ in 0..self.batch {
            let class = stream.random_range(0..shapes.classes.len());
            let numbers = &self.by_class[class];
            let chosen = numbers[stream.random_range(0..numbers.len())];
            let mut factor = || 1.0 + self.stretch * stream.random_range(-1.0..=1.0);
            let factors = Vec3::new(factor(), factor(), factor());
            // The longest side fills the grid.
            let factors = factors / factors.max_element();
            drawn.push((shapes.grids[chosen].1.stretched(factors), class));
        }
        let volumes: Vec<(&[bool], usize)> = drawn
            .iter()
            .map(|(grid, class)| (&*grid.inside, *class))
            .collect();
        let (classes, side) = (shapes.classes.len(), shapes.resolution);
        Ok(gan3d::batch(&volumes, classes, side, &self.device.device))
    }

    fn sheet(&self, sculptor: &Sculptor, path: &Path) -> Result<()> {
        looking::sheet(self.context, self.shapes, sculptor, path)
    }
}
