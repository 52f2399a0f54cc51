//! The models of a stage, and which of them picture N shows.
//!
//! Every class of every entry takes its turns by the entry's weight. Models of one class that come from one
//! entry, and the faces of a model that is given a class, take turns among themselves.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::super::Wanted;
use super::super::names::{self, Named};
use super::super::turns::{Turns, member};
use super::list;
use super::model::Model;
use super::{Mesh, sizes};
use crate::seed::Stream;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What to do about a class that cannot be a folder.
pub(super) const REMEDY: &str =
    "rename the file or its node `face.NAME`, or give `class` in `models`";

/// Models and their turns.
pub(super) struct Cast {
    pub models: Vec<Model>,
    lots: Vec<Lot>,
    turns: Turns,
    seed: u64,
}

/// What takes turns: a class of an entry.
struct Lot {
    class: String,
    weight: f32,
    /// Numbers of models and of their faces.
    members: Vec<(usize, usize)>,
}

impl Cast {
    /// Reads the models of `mesh` for the `wanted` pictures.
    ///
    /// # Errors
    /// If a model cannot be read, or a class cannot be used or is missing in one of the lists.
    pub(super) fn load(mesh: &Mesh, wanted: Wanted, context: &Context) -> Result<Self> {
        let failed = |problem: String| Error::usage(context.id, problem, "correct `mesh.models`");
        let sources = list::check(&mesh.models).map_err(failed)?;
        if sources.is_empty() {
            return Err(failed("`mesh.models` names no model".into()));
        }
        let (mut models, mut places): (Vec<Model>, BTreeMap<String, usize>) = Default::default();
        let (mut lots, mut named): (BTreeMap<(usize, String), Lot>, Vec<Named>) =
            Default::default();
        for (number, source) in sources.iter().enumerate() {
            context.check_interrupt()?;
            // A file that is listed twice is read once.
            let key = format!(
                "{:?} {:?} {:?} {:?} {:?}",
                source.path, source.class, source.scale, source.up, source.material
            );
            let place = match places.get(&key) {
                Some(place) => *place,
                None => {
                    let model = mesh.read_model(source, &|| context.check_interrupt())?;
                    if !model.unused.is_empty() {
                        let text = format!("{}: {}", model.path, model.unused.join("; it "));
                        context.emit(Event::Warning { text });
                    }
                    models.push(model);
                    *places.entry(key).or_insert(models.len() - 1)
                }
            };
            for (face, class) in models[place]
                .faces
                .iter()
                .map(|face| &face.name)
                .enumerate()
            {
                named.push(Named {
                    class: class.clone(),
                    source: source.path.display().to_string(),
                });
                // Of one entry, files that are given a class are one lot; others have a turn each.
                let of = source
                    .class
                    .as_ref()
                    .map_or(sources.len() + number, |_| source.entry);
                let lot = lots.entry((of, class.clone())).or_insert_with(|| Lot {
                    class: class.clone(),
                    weight: source.weight,
                    members: Vec::new(),
                });
                lot.members.push((place, face));
            }
        }
        names::check(&named, REMEDY).map_err(failed)?;
        if !wanted.classes.is_empty() {
            names::check_list(wanted.classes, &named).map_err(failed)?;
        }
        let cast = Cast::new(models, lots.into_values().collect(), &context.seed);
        // A scene shows others beside the one whose turn it is.
        let unshown = mesh.scene.is_none().then(|| cast.unshown(wanted)).flatten();
        for text in names::warning(&named)
            .into_iter()
            .chain(sizes::warnings(&cast.models))
            .chain(unshown)
        {
            context.emit(Event::Warning { text });
        }
        Ok(cast)
    }

    fn new(models: Vec<Model>, lots: Vec<Lot>, seed: &crate::seed::Seed) -> Self {
        let weights: Vec<f64> = lots.iter().map(|lot| lot.weight.into()).collect();
        let seed = crate::seed::number(&seed.hex(u64::MAX));
        Cast {
            models,
            turns: Turns::new(&weights, seed),
            lots,
            seed,
        }
    }

    /// Models that take turns face by face.
    #[cfg(test)]
    pub(super) fn of(models: Vec<Model>) -> Self {
        let lot = |(place, model): (usize, &Model)| Lot {
            class: String::new(),
            weight: 1.0,
            members: (0..model.faces.len()).map(|face| (place, face)).collect(),
        };
        let lots = models.iter().enumerate().map(lot).collect();
        Cast::new(models, lots, &crate::seed::Seed::new(1, "cast"))
    }

    /// The model of picture or clip `index`, and the number of the face that is on top.
    pub(super) fn at(&self, index: u64) -> (&Model, usize) {
        let (lot, before) = self.turns.at(index);
        let members = &self.lots[lot].members;
        let (model, face) = members[member(members.len(), before, self.seed ^ lot as u64)];
        (&self.models[model], face)
    }

    /// All classes.
    pub(super) fn classes(&self) -> BTreeSet<&str> {
        let faces = self.models.iter().flat_map(|model| &model.faces);
        faces.map(|face| face.name.as_str()).collect()
    }

    /// Any model, each class by its weight.
    pub(super) fn any(&self, stream: &mut Stream) -> &Model {
        self.any_object(stream).0
    }

    /// The mean size of the models, in metres.
    pub(super) fn mean_size(&self) -> f32 {
        self.models.iter().map(|model| model.size).sum::<f32>() / self.models.len() as f32
    }

    /// Any model and one of its faces, each class by its weight.
    pub(super) fn any_object(&self, stream: &mut Stream) -> (&Model, usize) {
        let total: f32 = self.lots.iter().map(|lot| lot.weight).sum();
        let mut left = stream.random::<f32>() * total;
        let chosen = self.lots.iter().find(|lot| {
            left -= lot.weight;
            left < 0.0
        });
        let members = &chosen.unwrap_or(&self.lots[0]).members;
        let (model, face) = members[stream.random_range(0..members.len())];
        (&self.models[model], face)
    }

    /// What is said if some classes are in none of the `wanted` pictures.
    fn unshown(&self, wanted: Wanted) -> Option<String> {
        let count = wanted.clips();
        let shares = self.turns.shares(count);
        let all: BTreeSet<&str> = self.lots.iter().map(|lot| lot.class.as_str()).collect();
        let shown = self.lots.iter().zip(shares).filter(|(_, share)| *share > 0);
        let shown: BTreeSet<&str> = shown.map(|(lot, _)| lot.class.as_str()).collect();
        let first = all.difference(&shown).next()?;
        let units = if wanted.clip == 1 {
            "pictures"
        } else {
            "clips"
        };
        Some(format!(
            "{} of {} classes are in none of {count} {units}, e.g. `{first}`; raise `count`",
            all.len() - shown.len(),
            all.len()
        ))
    }
}
