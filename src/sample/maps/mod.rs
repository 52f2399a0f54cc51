//! Maps: what is known of every pixel, as pictures of the sample's own width and height.
//!
//! Adding one means one new file and one line in [`MAPS`].

pub mod albedo;
pub mod depth;
mod name;
pub mod normals;
pub mod semantic;

use std::collections::BTreeMap;

use ::image::ExtendedColorType;
use glam::DMat2;

pub use name::MapName;

use super::image as picture;
use super::mapping::{Beyond, Mapping};
use crate::{Error, Result};

/// One entry of the registry of maps.
#[derive(Debug)]
pub struct MapKind {
    /// What files and columns call it.
    pub name: &'static str,
    /// One line for `verismo list`: meaning and units.
    pub about: &'static str,
    /// How a PNG of it holds its values.
    pub layout: Layout,
    /// The value of a pixel of which nothing is known.
    pub nothing: Value,
    /// What becomes of a value under a turn of the picture plane, where it is a direction.
    pub turn: Option<fn(Value, DMat2) -> Value>,
}

/// The value of a pixel; of a grey map the first number alone.
pub type Value = [u16; 3];

/// How a PNG of a map holds its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One channel of 16 bits.
    Grey16,
    /// Three channels of 8 bits.
    Rgb8,
}

/// Every map that a sample may have.
pub const MAPS: &[MapKind] = &[depth::MAP, normals::MAP, albedo::MAP, semantic::MAP];

/// The maps of a sample, by name, as PNGs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maps(BTreeMap<&'static str, Vec<u8>>);

impl Maps {
    /// The PNG of a map; `None` if the sample has none.
    pub fn get(&self, kind: &MapKind) -> Option<&[u8]> {
        self.0.get(kind.name).map(Vec::as_slice)
    }

    /// Adds a map, or replaces it.
    pub fn insert(&mut self, kind: &'static MapKind, png: Vec<u8>) {
        self.0.insert(kind.name, png);
    }

    /// The maps that there are, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static MapKind, &[u8])> {
        let known = MAPS.iter();
        known.filter_map(|kind| Some((kind, self.get(kind)?)))
    }

    /// Draws anew over the values of every map, row by row.
    ///
    /// # Errors
    /// If a map cannot be decoded; `name` is whose it is.
    pub fn edit(&mut self, name: &str, mut edit: impl FnMut(&MapKind, &mut [Value])) -> Result<()> {
        for kind in MAPS {
            let Some(png) = self.0.get_mut(kind.name) else {
                continue;
            };
            let (mut values, dimensions) = decode(kind, png, name)?;
            edit(kind, &mut values);
            *png = encode(kind, &values, dimensions)?;
        }
        Ok(())
    }

    /// The maps of the mapped picture, sampled at the nearest pixel. Beyond the old frame nothing is
    /// known; directions turn with the picture, and are lost if its right angles do not stay right.
    ///
    /// # Errors
    /// If a map cannot be decoded; `name` is whose it is.
    pub fn map(&self, mapping: &Mapping, name: &str) -> Result<Maps> {
        let turn = mapping.turn(glam::DVec2::ONE).map(|(turn, _)| turn);
        let mut maps = Maps::default();
        for (kind, png) in self.iter() {
            let (values, _) = decode(kind, png, name)?;
            let mut values = mapping.nearest(&values, Beyond::Value(kind.nothing));
            if let Some(direction) = kind.turn {
                let Some(turn) = turn else { continue };
                for value in values.iter_mut().filter(|value| **value != kind.nothing) {
                    *value = direction(*value, turn);
                }
            }
            maps.insert(kind, encode(kind, &values, mapping.to.dimensions())?);
        }
        Ok(maps)
    }
}

/// A map's values, row by row, with its width and height.
///
/// # Errors
/// If the PNG cannot be decoded; `name` is whose map it is.
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
    };
    Ok((values, dimensions))
}

/// The PNG of a map's values, row by row.
///
/// # Errors
/// If a side is zero.
///
/// # Panics
/// If `values` do not fill the picture.
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
    }
}
