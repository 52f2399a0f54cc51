//! Maps: per-pixel labels, as pictures with the sample's width and height.
//!
//! To add one, write one file and add one line to [`MAPS`].

pub mod albedo;
pub mod depth;
pub mod flow;
pub mod normals;
pub mod objects;
pub mod semantic;

use std::collections::BTreeMap;

use ::image::ExtendedColorType;
use glam::DMat2;

use super::Extent;
use super::image as picture;
use super::mapping::{Beyond, Mapping};
use crate::registry::{Entry, Name};
use crate::{Error, Result};

/// One entry of the registry of maps.
#[derive(Debug)]
pub struct MapKind {
    /// The name used in files and columns.
    pub name: &'static str,
    /// One line for `verismo list`: meaning and units.
    pub about: &'static str,
    /// How a PNG stores its values.
    pub layout: Layout,
    /// The value of an unknown pixel.
    pub nothing: Value,
    /// What a value does when its picture is turned or scaled.
    pub follows: Follows,
    /// Whether a value between pixels is their mixture, as in pictures; else it is that of the nearest one.
    pub mixed: bool,
    /// How networks read it.
    pub planes: Planes,
}

/// What becomes of a map's value, which is not that of an unknown pixel, when its picture is mapped.
#[derive(Debug, Clone, Copy)]
pub enum Follows {
    /// It stays as it is.
    Nothing,
    /// It is a direction, and rotates with the picture plane.
    Turn(fn(Value, DMat2) -> Value),
    /// It is a way in pixels: the matrix takes old ways to new ones.
    Pixels(fn(Value, DMat2) -> Value),
}

/// A map as channels for a network.
#[derive(Debug, Clone, Copy)]
pub struct Planes {
    /// How many there are.
    pub count: usize,
    /// The numbers of one channel after the other, each row by row: about −1..1, and 0 where a map tells nothing.
    pub of: fn(&[Value]) -> Vec<f32>,
}

/// The maps of a sample with their values, row by row.
pub type Decoded = Vec<(&'static MapKind, Vec<Value>)>;

/// The value of a pixel; grey maps use only the first number.
pub type Value = [u16; 3];

/// How a PNG of a map stores its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One 16-bit channel.
    Grey16,
    /// Three 8-bit channels.
    Rgb8,
    /// Three 16-bit channels.
    Rgb16,
}

/// Every map that a sample may have.
pub const MAPS: &[MapKind] = &[
    depth::MAP,
    normals::MAP,
    albedo::MAP,
    semantic::MAP,
    flow::MAP,
];

/// Those that tell what a picture shows, whatever comes before or after it.
pub const SURFACES: &[MapKind] = &[depth::MAP, normals::MAP, albedo::MAP, semantic::MAP];

/// For each map of the registry, whether samples have it.
pub type Having = [bool; MAPS.len()];

/// Samples without maps.
pub const NO_MAPS: Having = [false; MAPS.len()];

impl MapKind {
    /// The values of the mapped picture. Directions follow its `turn`; without one nothing is known of them. Ways in
    /// pixels lead to where the same mapping takes their ends.
    pub fn mapped(&self, values: &[Value], mapping: &Mapping, turn: Option<DMat2>) -> Vec<Value> {
        let mut mapped = match self.mixed {
            true => mapping.mixed(values, self.nothing),
            false => mapping.nearest(values, Beyond::Value(self.nothing)),
        };
        let (change, matrix) = match self.follows {
            Follows::Nothing => return mapped,
            Follows::Turn(change) => (change, turn),
            Follows::Pixels(change) => (change, Some(mapping.linear())),
        };
        for value in mapped.iter_mut().filter(|value| **value != self.nothing) {
            *value = matrix.map_or(self.nothing, |matrix| change(*value, matrix));
        }
        mapped
    }
}

impl Entry for MapKind {
    const ALL: &'static [MapKind] = MAPS;
    const NOUN: &'static str = "map";

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

/// A map in a configuration.
pub type MapName = Name<MapKind>;

/// The maps of a sample, by name, as PNGs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maps(BTreeMap<&'static str, Map>);

/// A map of a sample.
#[derive(Debug, Clone, PartialEq)]
struct Map {
    png: Vec<u8>,
    step: Option<f32>,
}

impl Maps {
    /// The PNG of a map; `None` if the sample has none.
    pub fn get(&self, kind: &MapKind) -> Option<&[u8]> {
        self.0.get(kind.name).map(|map| map.png.as_slice())
    }

    /// What a value of 1 stands for in the map's unit, such as metres; `None` if it is as the kind says.
    pub fn step(&self, kind: &MapKind) -> Option<f32> {
        self.0.get(kind.name)?.step
    }

    /// Adds a map, or replaces it.
    pub fn insert(&mut self, kind: &'static MapKind, png: Vec<u8>) {
        self.insert_scaled(kind, png, None);
    }

    /// Adds a map whose values are multiples of `step`, or replaces it.
    pub fn insert_scaled(&mut self, kind: &'static MapKind, png: Vec<u8>, step: Option<f32>) {
        self.0.insert(kind.name, Map { png, step });
    }

    /// Adds a map of these values, row by row, or replaces it.
    ///
    /// # Errors
    /// If a side is zero.
    ///
    /// # Panics
    /// If the length of `values` does not match the size.
    pub fn draw(
        &mut self,
        kind: &'static MapKind,
        values: &[Value],
        dimensions: (u32, u32),
    ) -> Result<()> {
        self.insert(kind, encode(kind, values, dimensions)?);
        Ok(())
    }

    /// Drops a map, if the sample has it.
    pub fn remove(&mut self, kind: &MapKind) {
        self.0.remove(kind.name);
    }

    /// The maps that the sample has, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static MapKind, &[u8])> {
        let known = MAPS.iter();
        known.filter_map(|kind| Some((kind, self.get(kind)?)))
    }

    /// Every map with its values, of a sample of this extent.
    ///
    /// # Errors
    /// If a map cannot be decoded or is not of this extent; the message calls its sample `name`.
    pub fn decoded(&self, extent: Extent, name: &str) -> Result<Decoded> {
        let decoded = |(kind, png)| Ok((kind, decode_of(kind, png, extent, name)?));
        self.iter().map(decoded).collect()
    }

    /// Redraws the values of every map, row by row.
    ///
    /// # Errors
    /// If a map cannot be decoded; the message calls its sample `name`.
    pub fn edit(&mut self, name: &str, mut edit: impl FnMut(&MapKind, &mut [Value])) -> Result<()> {
        for kind in MAPS {
            let Some(map) = self.0.get_mut(kind.name) else {
                continue;
            };
            let (mut values, dimensions) = decode(kind, &map.png, name)?;
            edit(kind, &mut values);
            map.png = encode(kind, &values, dimensions)?;
        }
        Ok(())
    }

    /// The maps of the mapped picture, sampled at the nearest pixel or, where values mix, between the known ones.
    /// Pixels beyond the old frame are unknown. Directions rotate with the picture; they are dropped if the map
    /// does not preserve right angles.
    ///
    /// # Errors
    /// If a map cannot be decoded; the message calls its sample `name`.
    pub(super) fn map(&self, mapping: &Mapping, turn: Option<DMat2>, name: &str) -> Result<Maps> {
        let mut maps = Maps::default();
        for (kind, png) in self.iter() {
            let (values, _) = decode(kind, png, name)?;
            if matches!(kind.follows, Follows::Turn(_)) && turn.is_none() {
                continue;
            }
            let values = kind.mapped(&values, mapping, turn);
            let png = encode(kind, &values, mapping.to.dimensions())?;
            maps.insert_scaled(kind, png, self.step(kind));
        }
        Ok(maps)
    }
}

/// Channels of three numbers a value, which `of` makes of values that are not `nothing`.
fn three(values: &[Value], nothing: Value, of: impl Fn(Value) -> [f32; 3]) -> Vec<f32> {
    let known = |value: &Value| match *value == nothing {
        true => [0.0; 3],
        false => of(*value),
    };
    let all: Vec<[f32; 3]> = values.iter().map(known).collect();
    let channel = |c: usize| all.iter().map(move |value| value[c]);
    (0..3).flat_map(channel).collect()
}

/// A map's values, row by row, with its width and height.
///
/// # Errors
/// If the PNG cannot be decoded; the message calls its sample `name`.
pub fn decode(kind: &MapKind, png: &[u8], name: &str) -> Result<(Vec<Value>, (u32, u32))> {
    let decoded = ::image::load_from_memory(png).map_err(|e| {
        Error::failed(
            format!("the {} map of {name}", kind.name),
            format!("cannot be read: {e}"),
            "check the file that it came from, or remove the cached sample and run again",
        )
    })?;
    let dimensions = (decoded.width(), decoded.height());
    let values = match kind.layout {
        Layout::Grey16 => decoded
            .into_luma16()
            .into_raw()
            .into_iter()
            .map(|v| [v, 0, 0])
            .collect(),
        Layout::Rgb8 => {
            let pixels = decoded.into_rgb8();
            pixels
                .pixels()
                .map(|pixel| pixel.0.map(u16::from))
                .collect()
        }
        Layout::Rgb16 => {
            let pixels = decoded.into_rgb16();
            pixels.pixels().map(|pixel| pixel.0).collect()
        }
    };
    Ok((values, dimensions))
}

/// A map's values, row by row, of a sample of this extent.
///
/// # Errors
/// If the PNG cannot be decoded or is not of this extent; the message calls its sample `name`.
pub fn decode_of(kind: &MapKind, png: &[u8], extent: Extent, name: &str) -> Result<Vec<Value>> {
    let (values, size) = decode(kind, png, name)?;
    if size == extent.dimensions() {
        return Ok(values);
    }
    let (width, height) = size;
    Err(Error::failed(
        format!("the {} map of {name}", kind.name),
        format!("is {width}×{height}, and its picture {extent}"),
        "give map and picture the same size",
    ))
}

/// Encodes a map's values, row by row, as PNG.
///
/// # Errors
/// If a side is zero.
///
/// # Panics
/// If the length of `values` does not match the size.
pub fn encode(kind: &MapKind, values: &[Value], dimensions: (u32, u32)) -> Result<Vec<u8>> {
    match kind.layout {
        Layout::Grey16 => {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value[0].to_ne_bytes())
                .collect();
            picture::encode(&bytes, dimensions, ExtendedColorType::L16)
        }
        Layout::Rgb8 => {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.map(|v| v as u8))
                .collect();
            picture::encode(&bytes, dimensions, ExtendedColorType::Rgb8)
        }
        Layout::Rgb16 => {
            let channels = values.iter().flatten();
            let bytes: Vec<u8> = channels.flat_map(|v| v.to_ne_bytes()).collect();
            picture::encode(&bytes, dimensions, ExtendedColorType::Rgb16)
        }
    }
}
