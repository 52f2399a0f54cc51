//! Pictures on surfaces: decoded once, and filtered from a pyramid of halved pictures (Williams 1983).
//!
//! Texture coordinates are those of glTF: u to the right, v down, both 0..1 over the picture. Readers of formats
//! whose v points up turn it round.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use glam::{Affine2, Vec2, Vec3, Vec4};
use image::ImageReader;

use crate::sample::colour::{to_linear, to_srgb};
use crate::sample::{image as pictures, input};
use crate::{Error, Result};

/// What to do about a broken texture.
const REMEDY: &str = "save the picture again as PNG or JPEG, and name that file";

/// Pixels of one picture, before it is decoded.
const MOST_PIXELS: u64 = 1 << 26;

/// Pixels that are kept of all pictures of a model, or of tables, halved ones left aside.
const MOST_KEPT: u64 = 1 << 26;

/// A longer side is halved when the picture is read: renders are smaller.
const LONGEST: u32 = 2048;

/// What the numbers of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Content {
    /// sRGB colours, and opacity.
    Colour,
    /// Numbers such as roughness or directions.
    Data,
}

/// A decoded picture and its halved copies, down to one pixel.
pub(super) struct Picture {
    content: Content,
    /// 3 or 4 bytes a pixel.
    channels: usize,
    levels: Vec<Level>,
}

struct Level {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

/// Room that is left for the pictures of one model, or of tables, in pixels.
pub(super) struct Room(u64);

impl Default for Room {
    fn default() -> Self {
        Room(MOST_KEPT)
    }
}

/// The picture files of one model, each read once.
#[derive(Default)]
pub(super) struct Pictures {
    known: HashMap<(PathBuf, Content), Arc<Picture>>,
    /// Normals made of heights.
    bumps: HashMap<(PathBuf, Wrap), Arc<Picture>>,
    room: Room,
}

impl Pictures {
    /// The picture in `file`.
    ///
    /// # Errors
    /// If it is missing, broken or too large.
    pub(super) fn read(&mut self, file: &Path, content: Content) -> Result<Arc<Picture>> {
        let key = (file.to_path_buf(), content);
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let bytes = input::read(file, input::MOST_BYTES)?;
        let name = file.display().to_string();
        let picture = Arc::new(Picture::decode(&bytes, &name, content, &mut self.room)?);
        self.known.insert(key, Arc::clone(&picture));
        Ok(picture)
    }

    /// The picture of bumps in `file` as directions: heights, if it is grey, are turned into them.
    ///
    /// # Errors
    /// As [`Pictures::read`].
    pub(super) fn bumps(&mut self, file: &Path, wrap: Wrap) -> Result<Arc<Picture>> {
        let key = (file.to_path_buf(), wrap);
        if let Some(known) = self.bumps.get(&key) {
            return Ok(Arc::clone(known));
        }
        let picture = self.read(file, Content::Data)?;
        if !picture.is_grey() {
            return Ok(picture);
        }
        let normals = Arc::new(picture.normals(wrap));
        self.bumps.insert(key, Arc::clone(&normals));
        Ok(normals)
    }
}

/// The file that a model names, as it is in `folder` or else, by its last part alone, beside the model: many files
/// name the folders of the machine that they were made on. Capital letters count only if two files differ in them.
/// `None` if none exists below the model's folder.
pub(super) fn find(model: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
    let name = name.trim().replace('\\', "/");
    let beside = model.parent().unwrap_or(Path::new(""));
    let last = name.rsplit('/').next().unwrap_or_default();
    let places = [(folder, &*name), (beside, &*name), (beside, last)];
    let inside = places
        .into_iter()
        .filter(|(_, name)| !name.is_empty() && input::stays_inside(Path::new(name)));
    let files: Vec<PathBuf> = inside.map(|(folder, name)| folder.join(name)).collect();
    let exact = files.iter().find(|file| file.is_file()).cloned();
    exact.or_else(|| files.iter().find_map(|file| in_other_case(file)))
}

/// The first file, by name, that is called the same but for capital letters.
fn in_other_case(file: &Path) -> Option<PathBuf> {
    let wanted = file.file_name()?.to_string_lossy().to_lowercase();
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let same = names.filter(|name| name.to_string_lossy().to_lowercase() == wanted);
    let found = same.min()?;
    let found = file.with_file_name(found);
    found.is_file().then_some(found)
}

impl Picture {
    /// Decodes PNG, JPEG or another format that is read everywhere, and takes its pixels from `room`.
    ///
    /// # Errors
    /// If it cannot be decoded, or has too many pixels, which its header says beforehand; the message calls it
    /// `name`.
    pub(super) fn decode(
        bytes: &[u8],
        name: &str,
        content: Content,
        room: &mut Room,
    ) -> Result<Self> {
        input::guarded(name, REMEDY, || {
            let unreadable = |e: image::ImageError| {
                Error::failed(name, format!("cannot be read as a texture: {e}"), REMEDY)
            };
            let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
            let reader = reader.map_err(|e| unreadable(e.into()))?;
            let (width, height) = reader.into_dimensions().map_err(unreadable)?;
            let problem = format!("is a texture of {width}×{height} pixels");
            let pixels = u64::from(width) * u64::from(height);
            if pixels > MOST_PIXELS {
                let problem = format!("{problem}; at most {MOST_PIXELS} are read");
                return Err(Error::failed(name, problem, "make it smaller"));
            }
            let decoded = pictures::decode(bytes, None, name, REMEDY)?;
            // As it is seen: EXIF data may have turned it.
            let size = (decoded.width(), decoded.height());
            let picture = match decoded.color().has_alpha() {
                true => Picture::new(decoded.into_rgba8().into_raw(), 4, size, content),
                false => Picture::new(decoded.into_rgb8().into_raw(), 3, size, content),
            };
            let kept = picture.levels.first();
            let kept = kept.map_or(0, |l| u64::from(l.width) * u64::from(l.height));
            room.0 = room.0.checked_sub(kept).ok_or_else(|| {
                let problem = format!(
                    "{problem}, and all textures together have more than {MOST_KEPT} together"
                );
                Error::failed(name, problem, "make the textures smaller")
            })?;
            Ok(picture)
        })
    }

    /// Of sRGB colours and opacity, four bytes a pixel.
    pub(super) fn from_rgba(bytes: Vec<u8>, size: (u32, u32)) -> Self {
        Picture::new(bytes, 4, size, Content::Colour)
    }

    /// Whether any pixel is at least this opaque.
    pub(super) fn is_opaque_somewhere(&self, least: f32) -> bool {
        let pixels = self.levels[0].bytes.chunks_exact(self.channels);
        self.channels < 4 || pixels.into_iter().any(|p| f32::from(p[3]) >= least * 255.0)
    }

    fn new(bytes: Vec<u8>, channels: usize, (width, height): (u32, u32), content: Content) -> Self {
        let mut level = Level {
            width,
            height,
            bytes,
        };
        while level.width.max(level.height) > LONGEST {
            level = level.halved(channels, content);
        }
        let mut levels = vec![level];
        while let Some(last) = levels.last().filter(|last| last.width.max(last.height) > 1) {
            let next = last.halved(channels, content);
            levels.push(next);
        }
        Picture {
            content,
            channels,
            levels,
        }
    }

    /// Whether pixels may be see-through.
    pub(super) fn has_opacity(&self) -> bool {
        self.channels == 4
    }

    /// Width and height as they are kept.
    pub(super) fn size(&self) -> (u32, u32) {
        let first = self.levels.first();
        first.map_or((1, 1), |level| (level.width, level.height))
    }

    /// Whether all pixels are grey: heights, or opacity.
    pub(super) fn is_grey(&self) -> bool {
        let level = &self.levels[0];
        let mut pixels = level.bytes.chunks_exact(self.channels);
        pixels.all(|p| p[0].abs_diff(p[1]) < 8 && p[1].abs_diff(p[2]) < 8)
    }

    /// The directions in which the surface of these heights looks, as a picture of normals has them: red to the right,
    /// green up, blue outwards. White lies two pixels' widths above black.
    fn normals(&self, wrap: Wrap) -> Picture {
        let level = &self.levels[0];
        let height = |x: i64, y: i64| {
            let (x, y) = (wrap.pixel(x, level.width), wrap.pixel(y, level.height));
            self.texel(level, x, y).x
        };
        let mut bytes = Vec::with_capacity(3 * level.width as usize * level.height as usize);
        for y in 0..i64::from(level.height) {
            for x in 0..i64::from(level.width) {
                let right = height(x + 1, y) - height(x - 1, y);
                let up = height(x, y - 1) - height(x, y + 1);
                let normal = Vec3::new(-right, -up, 1.0).normalize();
                bytes.extend(normal.to_array().map(|v| (127.5 * (v + 1.0)).round() as u8));
            }
        }
        Picture::new(bytes, 3, (level.width, level.height), Content::Data)
    }

    /// Red, green, blue and opacity of one pixel, 0..1, colours in linear light.
    fn texel(&self, level: &Level, x: u32, y: u32) -> Vec4 {
        let at = (y as usize * level.width as usize + x as usize) * self.channels;
        let pixel = &level.bytes[at..at + self.channels];
        let value = |c: usize| match self.content {
            Content::Colour if c < 3 => LINEAR[usize::from(pixel[c])],
            _ => f32::from(pixel[c]) / 255.0,
        };
        let opacity = if self.channels == 4 { value(3) } else { 1.0 };
        Vec4::new(value(0), value(1), value(2), opacity)
    }

    /// The mean of all pixels.
    pub(super) fn mean(&self) -> Vec4 {
        self.texel(&self.levels[self.levels.len() - 1], 0, 0)
    }
}

/// Linear light of each sRGB byte.
static LINEAR: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|i| to_linear(i as f32 / 255.0)));

/// The sRGB byte of linear light in steps of 1/4095.
static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |i: u16| (to_srgb(f32::from(i) / 4095.0) * 255.0).round() as u8;
    (0..4096).map(byte).collect()
});

impl Level {
    /// Half as wide and high, each pixel the mean of up to four.
    fn halved(&self, channels: usize, content: Content) -> Level {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let mut bytes = Vec::with_capacity(width as usize * height as usize * channels);
        let row = self.width as usize * channels;
        for y in 0..height {
            let rows = [2 * y, (2 * y + 1).min(self.height - 1)].map(|y| y as usize * row);
            for x in 0..width {
                let columns = [2 * x, (2 * x + 1).min(self.width - 1)];
                let columns = columns.map(|x| x as usize * channels);
                for c in 0..channels {
                    let four = rows.map(|r| columns.map(|x| self.bytes[r + x + c]));
                    let four = four.as_flattened().iter().map(|&b| b as usize);
                    bytes.push(match content {
                        Content::Colour if c < 3 => {
                            let light: f32 = four.map(|b| LINEAR[b]).sum();
                            ENCODED[(light / 4.0 * 4095.0).round() as usize]
                        }
                        _ => ((four.sum::<usize>() + 2) / 4) as u8,
                    });
                }
            }
        }
        Level {
            width,
            height,
            bytes,
        }
    }
}

/// What is beyond the border of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Wrap {
    /// The picture again.
    #[default]
    Repeat,
    /// The picture in a mirror.
    Mirror,
    /// The border's colour.
    Clamp,
}

impl Wrap {
    /// The pixel in `0..side` that stands at `i`.
    fn pixel(self, i: i64, side: u32) -> u32 {
        let side = i64::from(side);
        let inside = match self {
            Wrap::Repeat => i.rem_euclid(side),
            Wrap::Mirror => {
                let i = i.rem_euclid(2 * side);
                i.min(2 * side - 1 - i)
            }
            Wrap::Clamp => i.clamp(0, side - 1),
        };
        inside as u32
    }
}

/// A picture on a surface.
#[derive(Clone)]
pub(super) struct Texture {
    pub picture: Arc<Picture>,
    /// Which of the surface's sets of coordinates places it.
    pub set: usize,
    /// Applied to the coordinates.
    pub place: Affine2,
    /// Beyond left and right, above and below.
    pub wrap: [Wrap; 2],
}

impl Texture {
    /// Red, green, blue and opacity, 0..1, where the surface has the coordinates `at`; `reach` is how far, in
    /// coordinates, the pixel that asks reaches over the surface.
    pub(super) fn sample(&self, at: Vec2, reach: f32) -> Vec4 {
        let at = self.place.transform_point2(at);
        let at = if at.is_finite() { at } else { Vec2::ZERO };
        let picture = &*self.picture;
        let (width, height) = picture.size();
        let scale = self.place.matrix2.determinant().abs().sqrt();
        let texels = reach * scale * (width as f32 * height as f32).sqrt();
        // The level whose pixels are about as wide as the reach; 0 for a NaN.
        let level = (texels.log2().max(0.0) as usize).min(picture.levels.len() - 1);
        let level = &picture.levels[level];
        let x = at.x * level.width as f32 - 0.5;
        let y = at.y * level.height as f32 - 0.5;
        let (x0, y0) = (x.floor(), y.floor());
        let (tx, ty) = (x - x0, y - y0);
        let pixel = |dx: i64, dy: i64| {
            let x = self.wrap[0].pixel((x0 as i64).saturating_add(dx), level.width);
            let y = self.wrap[1].pixel((y0 as i64).saturating_add(dy), level.height);
            picture.texel(level, x, y)
        };
        let upper = pixel(0, 0).lerp(pixel(1, 0), tx);
        upper.lerp(pixel(0, 1).lerp(pixel(1, 1), tx), ty)
    }
}

#[cfg(test)]
pub(super) mod tests;
