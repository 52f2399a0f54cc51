//! Geometric transforms: mirroring, and rotation, scale and shift in one resampling step.
//!
//! A draw that would move the last object of the picture's class out of the frame is not applied.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, Transform, TransformKind, View, check_range, draw, keeps_class};
use crate::Result;
use crate::sample::mapping::{Border, Mapping};
use crate::sample::{Domain, Extent};
use crate::seed::Stream;

/// Denotes every class in [`Flip::classes`].
const EVERY_CLASS: &str = "*";

/// The registry entry of [`Flip`].
pub(super) const FLIP: TransformKind = TransformKind {
    name: "flip",
    about: "mirrors left and right, for classes that allow it",
    parse: kind::parse::<Flip>,
    schema: kind::schema::<Flip>,
};

/// Swaps left and right.
///
/// A picture is mirrored only if the classes of the image and of all its objects allow it. Poses are dropped,
/// since mirroring is not a rigid motion.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Flip {
    /// Probability of mirroring a picture that allows it, 0..1.
    pub probability: f64,
    /// The classes that keep their meaning when mirrored; `["*"]` means every class, and is needed for photos
    /// and other pictures without labels. Empty: nothing is mirrored.
    pub classes: Vec<String>,
    /// Classes that turn into each other when mirrored, e.g. `{ turn_left = "turn_right" }`; each pair
    /// applies in both directions.
    pub swap: BTreeMap<String, String>,
}

impl Default for Flip {
    fn default() -> Self {
        Flip {
            probability: 0.5,
            classes: Vec::new(),
            swap: BTreeMap::new(),
        }
    }
}

impl Flip {
    /// The class of a mirrored object of `class`, if `swap` names one.
    fn mirrored<'a>(&'a self, class: &'a str) -> Option<&'a str> {
        let forward = self.swap.get(class);
        let backward = || self.swap.iter().find(|(_, to)| *to == class);
        forward
            .or_else(|| backward().map(|(from, _)| from))
            .map(String::as_str)
    }

    fn allows(&self, view: &View) -> bool {
        let listed = |class: &str| self.classes.iter().any(|allowed| allowed == class);
        if listed(EVERY_CLASS) {
            return true;
        }
        // Labels of real photos must not influence anything.
        let objects = view.labels.objects().iter().map(|object| &object.class);
        let mut classes = objects.chain(&view.labels.class).peekable();
        view.domain != Domain::Photo
            && classes.peek().is_some()
            && classes.all(|class| listed(class) || self.mirrored(class).is_some())
    }

    fn swap_class(&self, class: &mut String) {
        if let Some(mirrored) = self.mirrored(class) {
            *class = mirrored.to_owned();
        }
    }
}

impl Transform for Flip {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        for (from, to) in &self.swap {
            let partners = self.swap.iter().filter(|(f, t)| {
                (*f == from || *t == from || *f == to || *t == to)
                    && !(*f == from && *t == to)
                    && !(*f == to && *t == from)
            });
            if partners.count() > 0 {
                return Err(format!(
                    "`swap` gives `{from}` or `{to}` two partners; keep one"
                ));
            }
        }
        Ok(())
    }

    fn apply(&self, view: &mut View, _stream: &mut Stream) -> Result<Option<String>> {
        if !self.allows(view) {
            return Ok(None);
        }
        let mapping = Mapping::mirror(view.extent());
        image::imageops::flip_horizontal_in_place(&mut view.pixels);
        let mut labels = view.mapped(&mapping, Border::Replicate)?;
        labels
            .class
            .iter_mut()
            .for_each(|class| self.swap_class(class));
        for object in labels.objects_mut() {
            self.swap_class(&mut object.class);
        }
        view.labels = labels;
        Ok(Some("flip()".into()))
    }
}

/// The registry entry of [`Affine`].
pub(super) const AFFINE: TransformKind = TransformKind {
    name: "affine",
    about: "rotates, scales and shifts in one resampling",
    parse: kind::parse::<Affine>,
    schema: kind::schema::<Affine>,
};

/// Rotates and scales about the picture's centre, then shifts, in one bilinear resampling step.
///
/// The rotation is applied to the poses, scale and shift to the camera. If the camera's pixels are not
/// square, a rotated picture has no pinhole camera; poses and camera are then dropped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Affine {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest rotation in either direction in degrees, 0..180.
    pub rotate: f64,
    /// Range of the scale, 0.5..2; drawn uniformly.
    pub scale: [f64; 2],
    /// Largest shift along each axis, as a fraction of the picture's side, 0..1.
    pub translate: f64,
    /// What fills the edges: `replicate` (the outermost pixels) or `reflect` (the mirrored picture). An
    /// object cut off by the frame continues into the filled part, and so does its mask. With `reflect`, the
    /// mirror image of an object near the edge that does not touch it has no label.
    pub border: Border,
}

impl Default for Affine {
    fn default() -> Self {
        Affine {
            probability: 0.8,
            rotate: 15.0,
            scale: [0.9, 1.1],
            translate: 0.05,
            border: Border::Replicate,
        }
    }
}

impl Transform for Affine {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("rotate", [0.0, self.rotate], 0.0..=180.0)?;
        // Below one half, bilinear sampling would skip pixels.
        check_range("scale", self.scale, 0.5..=2.0)?;
        check_range("translate", [0.0, self.translate], 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let extent @ Extent { width, height } = view.extent();
        let degrees = draw(stream, [-self.rotate, self.rotate]);
        let scale = draw(stream, self.scale);
        let mut shift =
            |side: u32| f64::from(side) * draw(stream, [-self.translate, self.translate]);
        let [dx, dy] = [shift(width), shift(height)];
        if degrees == 0.0 && scale == 1.0 && [dx, dy] == [0.0; 2] {
            return Ok(None);
        }
        let mapping = Mapping::similarity(extent, degrees.to_radians(), scale, [dx, dy]);
        let labels = view.mapped(&mapping, self.border)?;
        if !keeps_class(&view.labels, &labels) {
            return Ok(None);
        }
        view.labels = labels;
        view.pixels = mapping.bilinear(&view.pixels, self.border);
        Ok(Some(format!(
            "affine(rotate={degrees:.2},scale={scale:.3},dx={dx:.2},dy={dy:.2})"
        )))
    }
}
