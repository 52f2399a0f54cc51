//! What pictures are to follow: strokes, PNGs with a transparent ground in a folder for each class, or the objects of
//! renders.

use std::path::Path;

use image::RgbaImage;
use image::imageops::{FilterType, resize};

use super::Generate;
use crate::artifact::Artifact;
use crate::generators::Trained;
use crate::sample::image::{decode_rgb, extent_in};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Strokes with the class that they stand for.
pub(super) struct Guide {
    /// As large as the generator's pictures.
    pub strokes: RgbaImage,
    pub class: usize,
    /// The file, relative to the folder of all, or the render.
    pub name: String,
}

/// A larger file is no drawing of a few strokes.
const MOST: usize = 4096 * 4096;

/// All guides that are given: strokes in the folder of the configuration, or renders in the role `guides`; none if
/// there are none.
///
/// # Errors
/// If a file is not a picture with a transparent ground, or lies in no folder of a class, or no render has a mask.
pub(super) fn read(config: &Generate, context: &Context, trained: &Trained) -> Result<Vec<Guide>> {
    let mut guides = match (&config.guide, context.inputs.get("guides")) {
        (Some(folder), _) => drawn(folder, context, trained)?,
        (None, Some(renders)) => rendered(renders, context, trained)?,
        (None, None) => Vec::new(),
    };
    let (width, height) = trained.extent.dimensions();
    let mut scaled = 0;
    for guide in &mut guides {
        if guide.strokes.dimensions() != (width, height) {
            // Halves of strokes would be strokes of another colour.
            guide.strokes = resize(&guide.strokes, width, height, FilterType::Nearest);
            scaled += 1;
        }
    }
    if scaled > 0 {
        let all = guides.len();
        let text = format!("{scaled} of {all} guides are scaled to {}", trained.extent);
        context.emit(Event::Note { text });
    }
    Ok(guides)
}

/// Strokes that were drawn.
fn drawn(folder: &Path, context: &Context, trained: &Trained) -> Result<Vec<Guide>> {
    let mut guides = Vec::new();
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
        guides.push(Guide {
            strokes: strokes(&path)?,
            class,
            name,
        });
    }
    if guides.is_empty() {
        let remedy = "put PNGs with strokes on a transparent ground into a folder for each class";
        return Err(Error::failed(folder.display(), "holds no strokes", remedy));
    }
    Ok(guides)
}

/// What the masks of renders hold.
fn rendered(renders: &Artifact, context: &Context, trained: &Trained) -> Result<Vec<Guide>> {
    let (mut guides, mut left_out) = (Vec::new(), 0);
    for sample in renders.samples() {
        let sample = sample?;
        let class = sample.labels.class.as_ref();
        let class = class.and_then(|class| trained.classes.iter().position(|c| c == class));
        let masks = sample.labels.objects().iter();
        let masks: Vec<_> = masks.filter_map(|object| object.mask.as_ref()).collect();
        let Some(class) = class.filter(|_| !masks.is_empty()) else {
            left_out += 1;
            continue;
        };
        let picture = decode_rgb(&sample.image, &sample.id)?;
        let (width, height) = picture.dimensions();
        let masks: Vec<_> = masks
            .into_iter()
            .map(|mask| mask.to_bitmap(width, height))
            .collect();
        let strokes = RgbaImage::from_fn(width, height, |x, y| {
            let [r, g, b] = picture.get_pixel(x, y).0;
            let seen = masks.iter().any(|mask| mask[(y * width + x) as usize]);
            image::Rgba([r, g, b, if seen { 255 } else { 0 }])
        });
        guides.push(Guide {
            strokes,
            class,
            name: sample.id,
        });
    }
    if guides.is_empty() {
        return Err(Error::failed(
            context.id,
            "finds no guide that has a mask, and a class that the generator knows",
            format!(
                "give the role `guides` renders of the classes {}",
                trained.classes.join(", ")
            ),
        ));
    }
    if left_out > 0 {
        let text = format!(
            "{left_out} guides are not followed: they have no mask, or a class that the generator does not know"
        );
        context.emit(Event::Warning { text });
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
