//! The classes of a folder of templates, each with its drawings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;
use rayon::prelude::*;
use resvg::tiny_skia::Pixmap;

use super::super::draw::chance;
use super::super::names::{self, Named};
use super::svg;
use super::texture::Texture;
use crate::sample::listing::{self, Interrupt, LeftOut, Tree};
use crate::seed::Stream;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Texels of the template's longer side a pixel of the picture's shorter side, and the most it may
/// have unless the picture is large itself.
const OVERSAMPLING: u32 = 8;
const LARGEST: u32 = 512;

/// Bytes of textures that are kept; those of further templates are drawn again for each picture.
const KEPT: usize = 512 << 20;

/// The drawings of a class: the file of its name, and those in the folder of its name.
#[derive(Default)]
pub(super) struct Class {
    pub name: String,
    own: Vec<Template>,
    variants: Vec<Template>,
}

impl Class {
    /// One drawing; where there are both, one of the folder with the probability `share`.
    pub(super) fn draw(&self, share: f64, stream: &mut Stream) -> &Template {
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

/// A template that was found to be sound.
pub(super) struct Template {
    drawing: Drawing,
    /// Texels of its longer side.
    side: u32,
    kept: Option<Arc<Texture>>,
}

impl Template {
    /// Its texture.
    ///
    /// # Errors
    /// If its file can no longer be read, and those of `interrupt`.
    pub(super) fn texture(&self, interrupt: Interrupt) -> Result<Arc<Texture>> {
        match &self.kept {
            Some(texture) => Ok(Arc::clone(texture)),
            // What it leaves out was said when it was first drawn.
            None => {
                let (pixmap, _) = svg::read(&self.drawing.path, self.side, interrupt)?;
                self.drawing.texture(&pixmap).map(Arc::new)
            }
        }
    }
}

/// A template file.
pub(super) struct Drawing {
    path: PathBuf,
    class: String,
    /// Whether the file has the name of its class, not the folder that it is in.
    is_own: bool,
}

impl Drawing {
    /// Its texture, once it is drawn.
    fn texture(&self, pixmap: &Pixmap) -> Result<Texture> {
        self.check(pixmap)?;
        Texture::new(self.class.clone(), &self.path, pixmap).ok_or_else(|| self.nothing())
    }

    /// Checks that something in it is opaque.
    fn check(&self, pixmap: &Pixmap) -> Result<()> {
        match pixmap.pixels().iter().any(|pixel| pixel.alpha() > 127) {
            true => Ok(()),
            false => Err(self.nothing()),
        }
    }

    fn nothing(&self) -> Error {
        Error::failed(self.path.display(), "draws nothing opaque", svg::REMEDY)
    }
}

/// What to do about a class that cannot be a folder.
pub(super) const REMEDY: &str = "rename the file, or the folder that it is in";

/// The templates of a folder.
pub(super) struct Listed {
    pub drawings: Vec<Drawing>,
    pub left_out: LeftOut,
    /// What is said if they look misplaced.
    pub misplaced: Option<String>,
}

/// Lists the templates of a folder.
///
/// # Errors
/// If the folder is missing or holds no .svg.
pub(super) fn list(folder: &Path, interrupt: Interrupt) -> Result<Listed> {
    let Tree { files, left_out } = listing::tree(folder, interrupt)?;
    let mut paths = files;
    paths.retain(|path| {
        let ending = path.extension();
        ending.is_some_and(|e| {
            ["svg", "svgz"]
                .iter()
                .any(|own| e.eq_ignore_ascii_case(own))
        })
    });
    if paths.is_empty() {
        return Err(Error::failed(
            folder.display(),
            "holds no .svg file",
            "put an SVG for each class into it, named by the class, or correct `template.templates`",
        ));
    }
    let drawing = |path: PathBuf| {
        let (class, is_own) = class(folder, &path);
        Drawing {
            path,
            class,
            is_own,
        }
    };
    let drawings: Vec<Drawing> = paths.into_iter().map(drawing).collect();
    let class = &drawings[0].class;
    let same = |one: &Drawing| !one.is_own && one.class == *class;
    let misplaced = (drawings.len() > 1 && drawings.iter().all(same)).then(|| {
        format!(
            "all {} templates lie in one folder and are of one class, `{class}`; if each is a class of its \
             own, write `templates = {:?}`",
            drawings.len(),
            folder.join(class)
        )
    });
    Ok(Listed {
        drawings,
        left_out,
        misplaced,
    })
}

/// The classes of these templates.
pub(super) fn named(drawings: &[Drawing]) -> Vec<Named> {
    let of = |drawing: &Drawing| Named {
        class: drawing.class.clone(),
        source: drawing.path.display().to_string(),
    };
    drawings.iter().map(of).collect()
}

/// Loads all .svg files of a folder, to be drawn in pictures whose shorter side has `side` pixels:
/// classes in the order of their names.
///
/// # Errors
/// If the folder is missing or holds no .svg, or one of them is broken or draws nothing.
pub(super) fn load_folder(folder: &Path, side: u32, context: &Context) -> Result<Vec<Class>> {
    load_within(folder, side, KEPT, context)
}

/// As [`load_folder`], keeping textures of `most` bytes.
pub(super) fn load_within(
    folder: &Path,
    side: u32,
    most: usize,
    context: &Context,
) -> Result<Vec<Class>> {
    let Listed {
        drawings,
        left_out,
        misplaced,
    } = list(folder, &|| context.check_interrupt())?;
    context.report_left_out(folder, &left_out);
    let named = named(&drawings);
    names::check(&named, REMEDY)
        .map_err(|problem| Error::usage(context.id, problem, "correct `template.templates`"))?;
    for text in misplaced.into_iter().chain(names::warning(&named)) {
        context.emit(Event::Warning { text });
    }
    let side = (side * OVERSAMPLING).min(LARGEST.max(side * 5 / 4));
    let kept = AtomicUsize::new(0);
    let templates = drawings.into_par_iter().map(|drawing| {
        context.check_interrupt()?;
        let interrupt = || context.check_interrupt();
        let (pixmap, left_out) = svg::read(&drawing.path, side, &interrupt)?;
        for problem in left_out {
            let text = format!("{}: {problem}", drawing.path.display());
            context.emit(Event::Warning { text });
        }
        if kept.load(Ordering::Relaxed) >= most {
            drawing.check(&pixmap)?;
            return Ok(Template {
                drawing,
                side,
                kept: None,
            });
        }
        let texture = drawing.texture(&pixmap)?;
        kept.fetch_add(texture.bytes(), Ordering::Relaxed);
        Ok(Template {
            drawing,
            side,
            kept: Some(Arc::new(texture)),
        })
    });
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for template in templates.collect::<Result<Vec<_>>>()? {
        let class = classes.entry(template.drawing.class.clone()).or_default();
        let templates = if template.drawing.is_own {
            &mut class.own
        } else {
            &mut class.variants
        };
        templates.push(template);
    }
    let named = |(name, class)| Class { name, ..class };
    Ok(classes.into_iter().map(named).collect())
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
