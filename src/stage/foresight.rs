//! What is known of a result before it is made: enough to refuse stages that do not fit together, and to say
//! how long a run will take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Stage;
use crate::Error;
use crate::artifact::Artifact;
use crate::sample::Extent;
use crate::sample::maps::{Having, NO_MAPS};

/// The remedy where a network is to begin with a discriminator, and there is none.
pub const LEAVES_DISCRIMINATOR: &str = "train `stylegan2` or `dcgan`";

/// What a stage's result will be like. Of an adapter it says what its translations are like, of a network
/// which pictures it reads. What is `None` will only be known when the result is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// What all its pictures measure.
    pub extent: Option<Extent>,
    /// Whether its pictures have classes.
    pub classes: Option<bool>,
    /// Whether the objects in its pictures are known.
    pub objects: Option<bool>,
    /// All classes that its pictures can have; empty if that is not known.
    pub class_names: Vec<String>,
    /// Whether the pipeline file lists these classes, and so fixes their order.
    pub is_listed: bool,
    /// Which maps they have.
    pub maps: Option<Having>,
    /// Whether its pictures are frames of clips.
    pub clips: Option<bool>,
    /// Of a generator: whether it has a discriminator, for other networks to begin with.
    pub discriminator: Option<bool>,
    /// Of an adapter: how many times as wide and high its translations are as what it translates.
    pub enlargement: Option<u32>,
}

impl Facts {
    /// Pictures of `extent` with classes and objects, as renderers make them.
    pub fn labelled(extent: Extent) -> Self {
        Facts {
            extent: Some(extent),
            classes: Some(true),
            objects: Some(true),
            maps: None,
            ..Facts::default()
        }
    }

    /// Pictures of `extent` of which nothing else is known, as cameras make them.
    pub fn unlabelled(extent: Extent) -> Self {
        Facts {
            extent: Some(extent),
            classes: Some(false),
            objects: Some(false),
            maps: Some(NO_MAPS),
            ..Facts::default()
        }
    }

    /// Whether its pictures certainly have no labels at all.
    pub fn has_no_labels(&self) -> bool {
        self.classes == Some(false) && self.objects == Some(false)
    }
}

/// A stage whose result another one reads.
#[derive(Clone)]
pub struct Given<'a> {
    /// Its id in the pipeline.
    pub id: &'a str,
    /// What its result will be like.
    pub facts: Facts,
    /// Number of samples in its result, if it has samples and their number is known.
    pub count: Option<u64>,
    /// The result, if it is in the cache.
    pub artifact: Option<&'a Artifact>,
    pub(crate) stage: &'a dyn Stage,
}

impl Given<'_> {
    /// The stage's resolved configuration.
    pub fn config(&self) -> Value {
        self.stage.resolved()
    }
}

/// What a stage will read, by role; optional inputs that the pipeline leaves out are missing.
#[derive(Clone, Default)]
pub struct Givens<'a>(pub BTreeMap<&'static str, Given<'a>>);

impl<'a> Givens<'a> {
    /// The stage in a role.
    pub fn get(&self, role: &str) -> Option<&Given<'a>> {
        self.0.get(role)
    }

    /// What the result in a role will be like; nothing is known of one that is missing.
    pub fn facts(&self, role: &str) -> Facts {
        self.get(role)
            .map_or(Facts::default(), |given| given.facts.clone())
    }

    /// Number of samples in a role; 0 if it is missing, `None` if the number is not known.
    pub fn count(&self, role: &str) -> Option<u64> {
        self.get(role).map_or(Some(0), |given| given.count)
    }

    /// Number of pixels in all samples of a role; 0 if it is missing, `None` if that is not known.
    pub fn pixels(&self, role: &str) -> Option<f64> {
        match self.count(role)? {
            0 => Some(0.0),
            count => Some(count as f64 * self.facts(role).extent?.area() as f64),
        }
    }

    /// What the pictures of all these roles measure, as far as it is known.
    ///
    /// # Errors
    /// If two of them differ.
    pub fn common_extent(&self, roles: &[&str]) -> Result<Option<Extent>, Misfit> {
        let mut known = roles.iter().filter_map(|role| {
            let given = self.get(role)?;
            Some((*role, given.id, given.facts.extent?))
        });
        let Some((role, id, extent)) = known.next() else {
            return Ok(None);
        };
        match known.find(|(.., other)| *other != extent) {
            None => Ok(Some(extent)),
            Some((other_role, other_id, other)) => Err(Misfit::new(
                format!(
                    "`{role}` (stage `{id}`) has pictures of {extent}, but `{other_role}` (stage `{other_id}`) \
                     of {other}"
                ),
                "give `render` and every `ingest` the same `size`",
            )),
        }
    }

    /// # Errors
    /// If the pictures in a role certainly have no classes; `use_of` says what would be done with these.
    pub fn need_classes(&self, role: &str, use_of: &str) -> Result<(), Misfit> {
        match self.get(role) {
            Some(given) if given.facts.classes == Some(false) => Err(Misfit::new(
                format!(
                    "the pictures of `{}` have no classes {use_of}: `{role}` must be labelled",
                    given.id
                ),
                "read labelled renders, or what was made from them",
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If the pictures in a role are certainly no frames of clips.
    pub fn need_clips(&self, role: &str) -> Result<(), Misfit> {
        match self.get(role) {
            Some(given) if given.facts.clips == Some(false) => Err(Misfit::new(
                format!(
                    "`{}` makes single pictures, and `{role}` must be clips",
                    given.id
                ),
                format!("set `clip = 8` of `{}`", given.id),
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If there is a generator in the role `init` that certainly leaves no discriminator to begin with.
    pub fn need_discriminator(&self) -> Result<(), Misfit> {
        match self.get("init") {
            Some(given) if given.facts.discriminator == Some(false) => Err(Misfit::new(
                format!(
                    "`init` begins with a discriminator, and the generator of `{}` leaves none",
                    given.id
                ),
                LEAVES_DISCRIMINATOR,
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If the objects in the pictures in a role are certainly not known; `use_of` says what would be done with them.
    pub fn need_objects(&self, role: &str, use_of: &str) -> Result<(), Misfit> {
        match self.get(role) {
            Some(given) if given.facts.objects == Some(false) => Err(Misfit::new(
                format!(
                    "the objects in the pictures of `{}` are not known {use_of}: `{role}` must tell their boxes",
                    given.id
                ),
                "read renders with their objects, or what was made from them",
            )),
            _ => Ok(()),
        }
    }
}

/// How much there is to do, as far as it can be told without doing it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Forecast {
    /// Number of samples in the result, if it has samples.
    pub count: Option<u64>,
    /// The work that it takes to make it.
    pub effort: Option<Effort>,
}

impl Forecast {
    /// `count` samples that take `effort`, if that is known.
    pub fn new(count: Option<u64>, effort: Option<Effort>) -> Self {
        Forecast { count, effort }
    }
}

/// Work, counted in what takes most of the time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Effort {
    /// Multiplications of networks, those for gradients included.
    pub products: f64,
    /// Rays traced through a scene of meshes.
    pub rays: f64,
    /// Pixels decoded, changed and encoded.
    pub pixels: f64,
}

impl Effort {
    /// Work on networks alone.
    pub fn products(products: f64) -> Self {
        Effort {
            products,
            ..Effort::default()
        }
    }

    /// Work on pixels alone.
    pub fn pixels(pixels: f64) -> Self {
        Effort {
            pixels,
            ..Effort::default()
        }
    }

    /// So many times as much.
    pub fn times(self, factor: f64) -> Self {
        Effort {
            products: self.products * factor,
            rays: self.rays * factor,
            pixels: self.pixels * factor,
        }
    }

    /// Both.
    pub fn and(self, other: Effort) -> Self {
        Effort {
            products: self.products + other.products,
            rays: self.rays + other.rays,
            pixels: self.pixels + other.pixels,
        }
    }

    /// Seconds that it takes on the machine of reference: two cores of an Intel Xeon with AVX-512, without a
    /// GPU. The rates follow from `pipelines/dice.toml` there.
    pub fn seconds(self) -> f64 {
        self.products / 5.5e10 + self.rays / 9e5 + self.pixels / 8e6
    }
}

/// Why a stage cannot work with what it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// What is wrong. Names of settings in backticks lead the message to their line.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
    /// The file that is wrong, which leads to the line that names it.
    pub path: Option<PathBuf>,
}

impl Misfit {
    /// With problem and remedy.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Misfit {
            problem: problem.into(),
            remedy: remedy.into(),
            path: None,
        }
    }

    /// Detectors cannot begin with the discriminator in the role `init`.
    pub fn no_init_for_detectors() -> Self {
        Misfit::new(
            "`init` begins with a discriminator, and detectors have layers of their own",
            "leave `init` out",
        )
    }

    /// From what a reader says of a file; `what` comes before its path.
    pub fn of_error(error: Error, what: &str, path: &Path) -> Self {
        let misfit = match error {
            Error::Failed {
                problem, remedy, ..
            } => Misfit::new(format!("{what} {} {problem}", path.display()), remedy),
            error => Misfit::new(error.in_one_line(), "give the path of another file"),
        };
        misfit.of_file(path)
    }

    /// The same, about a file.
    pub fn of_file(self, path: &Path) -> Self {
        Misfit {
            path: Some(path.to_path_buf()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn pictures_of_two_sizes_do_not_fit_and_unknown_ones_do() {
        let stage = testing::stage("split", "{ }");
        let given = |id, side: Option<u32>| Given {
            id,
            facts: Facts {
                extent: side.map(Extent::square),
                ..Facts::default()
            },
            count: None,
            artifact: None,
            stage: stage.as_ref(),
        };
        let givens = |photos| {
            Givens(BTreeMap::from([
                ("renders", given("render", Some(64))),
                ("photos", given("photos", photos)),
            ]))
        };
        let roles = ["renders", "photos", "task"];
        let square = Some(Extent::square(64));
        assert_eq!(givens(Some(64)).common_extent(&roles), Ok(square));
        assert_eq!(givens(None).common_extent(&roles), Ok(square));
        let misfit = givens(Some(96)).common_extent(&roles).unwrap_err();
        assert!(misfit.problem.contains("(stage `render`)") && misfit.problem.contains("96×96"));
    }
}
