//! Strokes that pictures are to follow: PNGs with a transparent ground, in a folder for each class.

use std::path::Path;

use image::RgbaImage;
use image::imageops::{FilterType, resize};

use super::Generate;
use crate::generators::Trained;
use crate::sample::image::extent_in;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Strokes with the class that they stand for.
pub(super) struct Guide {
    /// As large as the generator's pictures.
    pub strokes: RgbaImage,
    pub class: usize,
    /// The file, relative to the folder of all.
    pub name: String,
}

/// A larger file is no drawing of a few strokes.
const MOST: usize = 4096 * 4096;

/// All guides in the folder of a configuration; none if there is none.
///
/// # Errors
/// If a file is not a picture with a transparent ground, or lies in no folder of a class.
pub(super) fn read(config: &Generate, context: &Context, trained: &Trained) -> Result<Vec<Guide>> {
    let Some(folder) = &config.guide else {
        return Ok(Vec::new());
    };
    let (mut guides, mut scaled) = (Vec::new(), 0);
    for path in context.files_of(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let name = name.to_string_lossy().replace('\\', "/");
        let class = name
            .split('/')
            .next()
            .filter(|class| name.len() > class.len());
        let class = class.and_then(|class| trained.classes.iter().position(|c| c == class));
        let Some(class) = class else {
            let classes = trained.classes.join(", ");
            let problem = "does not lie in the folder of a class that the generator knows";
            let remedy = format!("put it into one of the folders {classes}");
            return Err(Error::failed(path.display(), problem, remedy));
        };
        let strokes = strokes(&path)?;
        let (width, height) = trained.extent.dimensions();
        let strokes = match strokes.dimensions() == (width, height) {
            true => strokes,
            false => {
                scaled += 1;
                // Halves of strokes would be strokes of another colour.
                resize(&strokes, width, height, FilterType::Nearest)
            }
        };
        guides.push(Guide {
            strokes,
            class,
            name,
        });
    }
    if guides.is_empty() {
        let remedy = "put PNGs with strokes on a transparent ground into a folder for each class";
        return Err(Error::failed(folder.display(), "holds no strokes", remedy));
    }
    if scaled > 0 {
        let text = format!(
            "{scaled} of {} guides are scaled to {}",
            guides.len(),
            trained.extent
        );
        context.emit(Event::Note { text });
    }
    Ok(guides)
}

/// A picture with a transparent ground.
fn strokes(path: &Path) -> Result<RgbaImage> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let name = path.display().to_string();
    let extent = extent_in(std::io::Cursor::new(&bytes), &name)?;
    if extent.area() > MOST {
        let problem = format!("measures {extent}, more than strokes need");
        return Err(Error::failed(
            name,
            problem,
            "make it smaller than 4096x4096",
        ));
    }
    let picture = image::load_from_memory(&bytes).map_err(|e| {
        let problem = format!("cannot be read as a picture: {e}");
        Error::failed(&name, problem, "save it as a PNG with a transparent ground")
    })?;
    let strokes = picture.into_rgba8();
    let drawn = strokes.pixels().filter(|pixel| pixel.0[3] >= 128).count();
    if drawn == 0 {
        let remedy = "draw something, with opaque strokes";
        return Err(Error::failed(name, "is transparent everywhere", remedy));
    }
    Ok(strokes)
}
