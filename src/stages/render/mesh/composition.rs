//! What a scene of many objects is drawn from: how many, how they come to lie, and what else lies among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::{Colour, Range};
use super::list::{self, Listed};

/// The most objects, and the most distractors, of a scene.
const MOST: u32 = 200;

/// How the objects of a scene come to lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// They fall at random, so that they rest, lean and pile.
    #[default]
    Drop,
    /// They stand apart on the table, as `lie` says.
    Place,
}

/// A scene of many objects, each with a class of its own; without it, a picture is of one object. Lengths
/// are multiples of the mean size of the models.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Composition {
    /// Fewest and most objects, of the models by their weights; the first is the one whose turn it is.
    pub count: [u32; 2],
    /// `drop` or `place`.
    pub arrangement: Arrangement,
    /// Side of the square on which the objects come down, over that of the square that they would fill side
    /// by side; the less, the higher they pile. Where they are placed, it grows until all have room.
    pub spread: Range,
    /// How far objects are tipped when they begin to fall, in degrees, from how `lie` says that they lie; 180 is any
    /// way up.
    pub tumble_degrees: f32,
    /// Fewest visible pixels of an object with a label; as one of which less than `min_visible` is seen, an
    /// object with fewer has none, and counts as what hides others.
    pub min_pixels: u32,
    /// A box without a lid around the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin: Option<Bin>,
    /// What lies among the objects without a label.
    pub distractors: Distractors,
}

impl Default for Composition {
    fn default() -> Self {
        Composition {
            count: [1, 12],
            arrangement: Arrangement::default(),
            spread: [1.2, 3.0],
            tumble_degrees: 180.0,
            min_pixels: 16,
            bin: None,
            distractors: Distractors::default(),
        }
    }
}

/// A box without a lid.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bin {
    /// Inner side of its square floor.
    pub side: Range,
    /// Of its walls above the floor.
    pub height: Range,
    /// The colours to choose from.
    pub colours: Vec<Colour>,
}

impl Default for Bin {
    fn default() -> Self {
        Bin {
            side: [4.0, 7.0],
            height: [1.0, 2.5],
            colours: vec![
                Colour([0x2b, 0x4f, 0x8e]),
                Colour([0x8a, 0x8d, 0x90]),
                Colour([0x33, 0x33, 0x36]),
                Colour([0xb8, 0xa1, 0x7a]),
            ],
        }
    }
}

/// Things that hide objects and have no label.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Distractors {
    /// Fewest and most of them.
    pub count: [u32; 2],
    /// Their models, listed as `mesh.models` are; none are boxes, balls, cans, cones, rings and bottles made in
    /// code, of random colours.
    pub models: Vec<Listed>,
    /// Longest side of those that are made in code.
    pub size: Range,
}

impl Default for Distractors {
    fn default() -> Self {
        Distractors {
            count: [0, 0],
            models: Vec::new(),
            size: [0.4, 1.6],
        }
    }
}

impl Composition {
    /// Checks the ranges for clips of so many frames.
    ///
    /// # Errors
    /// What is out of bounds.
    pub(super) fn check(&self, clip: u64) -> Result<(), String> {
        if clip > 1 {
            return Err("`mesh.scene` makes stills; leave `clip` out, or `mesh.scene`".into());
        }
        for (name, [fewest, most]) in [
            ("count", self.count),
            ("distractors.count", self.distractors.count),
        ] {
            if fewest > most || most > MOST {
                return Err(format!(
                    "`mesh.scene.{name}` must be two numbers in order, at most {MOST}"
                ));
            }
        }
        let bin = self.bin.clone().unwrap_or_default();
        if bin.colours.is_empty() {
            return Err(
                "`mesh.scene.bin.colours` is empty; leave it out for the usual ones".into(),
            );
        }
        for (name, [low, high], least, most) in [
            ("tumble_degrees", [self.tumble_degrees; 2], 0.0, 180.0),
            ("spread", self.spread, 0.1, 100.0),
            ("bin.side", bin.side, 0.5, 100.0),
            ("bin.height", bin.height, 0.05, 100.0),
            ("distractors.size", self.distractors.size, 0.05, 20.0),
        ] {
            if !(least <= low && low <= high && high <= most) {
                return Err(format!(
                    "`mesh.scene.{name}` must lie between {least} and {most}, the lower number first"
                ));
            }
        }
        let listed = list::check(&self.distractors.models);
        listed
            .map(|_| ())
            .map_err(|problem| problem.replace("`mesh.models`", "`mesh.scene.distractors.models`"))
    }
}
