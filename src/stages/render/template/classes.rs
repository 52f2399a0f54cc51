//! The classes of a folder of templates, each with its drawings.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt;
use rayon::prelude::*;

use super::draw::chance;
use super::svg;
use super::texture::Texture;
use crate::seed::Stream;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Texels of the template's longer side a pixel of the picture's shorter side, and the most it may
/// have unless the picture is large itself.
const OVERSAMPLING: u32 = 8;
const LARGEST: u32 = 512;

/// The drawings of a class: the file of its name, and those in the folder of its name.
#[derive(Default)]
pub(super) struct Class {
    own: Vec<Texture>,
    variants: Vec<Texture>,
}

impl Class {
    /// One drawing; where there are both, one of the folder with the probability `share`.
    pub(super) fn draw(&self, share: f64, stream: &mut Stream) -> &Texture {
        let from_folder = chance(share, stream) && !self.variants.is_empty();
        let drawings = if from_folder || self.own.is_empty() {
            &self.variants
        } else {
            &self.own
        };
        &drawings[stream.random_range(0..drawings.len())]
    }

    /// How many drawings there are.
    pub(super) fn count(&self) -> usize {
        self.own.len() + self.variants.len()
    }
}

/// Loads all .svg files of a folder, to be drawn in pictures whose shorter side has `side` pixels:
/// classes in the order of their names.
///
/// # Errors
/// If the folder is missing or holds no .svg, or one of them is broken or draws nothing.
pub(super) fn load_folder(folder: &Path, side: u32, context: &Context) -> Result<Vec<Class>> {
    let mut paths = context.files_of(folder)?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    });
    if paths.is_empty() {
        return Err(Error::failed(
            folder.display(),
            "holds no .svg file",
            "put an SVG for each class into it, named by the class, or correct `template.templates`",
        ));
    }
    let side = (side * OVERSAMPLING).min(LARGEST.max(side * 5 / 4));
    let textures: Vec<(bool, Texture)> = paths
        .par_iter()
        .map(|path| {
            context.check_interrupt()?;
            let (class, is_own) = class(folder, path);
            Ok((is_own, load(path, class, side, context)?))
        })
        .collect::<Result<_>>()?;
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for (is_own, texture) in textures {
        let class = classes.entry(texture.class.clone()).or_default();
        let drawings = if is_own {
            &mut class.own
        } else {
            &mut class.variants
        };
        drawings.push(texture);
    }
    Ok(classes.into_values().collect())
}

/// What the file draws: its own name, or that of its folder within `folder`; and whether the first.
fn class(folder: &Path, path: &Path) -> (String, bool) {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let mut parts = inside.iter();
    let first = Path::new(parts.next().unwrap_or_default());
    let (name, is_own) = match parts.next() {
        Some(_) => (first.file_name(), false),
        None => (first.file_stem(), true),
    };
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    (name, is_own)
}

fn load(path: &Path, class: String, side: u32, context: &Context) -> Result<Texture> {
    let pixmap = svg::read(path, side, |problem| {
        let text = format!("{}: {problem}", path.display());
        context.emit(Event::Warning { text });
    })?;
    Texture::new(class, path, &pixmap)
        .ok_or_else(|| Error::failed(path.display(), "draws nothing opaque", svg::REMEDY))
}
