//! Light from all around: a panorama (HDRI) as mirrors see it, as matt surfaces do, and as a light to sample.
//!
//! Mirrors see the panorama itself, matt surfaces where nothing blocks its cosine convolution, which is not noisy,
//! and `sky` chooses directions by brightness. Everything is scaled per channel so that a level white surface under
//! it has radiance 1: the automatic white balance of a camera.

use std::f32::consts::{PI, TAU};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ::image::ImageFormat;
use glam::{Vec3A, vec3a};
use rayon::prelude::*;

use super::builtin;
use super::sky::Sky;
use crate::sample::listing::is_hidden;
use crate::sample::{image, input};
use crate::stage::Context;
use crate::{Error, Result};

/// What to do about a broken file.
const REMEDY: &str =
    "the file is cut off or not an RGB panorama in OpenEXR; replace it or take it out";

/// Texels around.
const WIDTH: usize = 256;

/// A panorama prepared for rendering.
pub(super) struct Environment {
    sharp: Panorama,
    irradiance: Panorama,
    /// Its upper half, to choose directions from.
    pub sky: Sky,
}

impl Environment {
    /// Reads an equirectangular EXR.
    ///
    /// # Errors
    /// If the file is missing, unreadable or black.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = input::read(path, input::MOST_BYTES)?;
        let unusable = |problem: &str| Error::failed(path.display(), problem, REMEDY);
        let name = path.display().to_string();
        let picture = image::decode(&bytes, Some(ImageFormat::OpenExr), &name, REMEDY)?;
        let picture = picture.into_rgb32f();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width < 2 || height < 2 {
            return Err(unusable("is smaller than 2×2 pixels"));
        }
        let base = averaged((width, height), WIDTH, |i| {
            let light = |c: usize| {
                let v = picture.as_raw()[3 * i + c];
                if v > 0.0 { v.min(1e4) } else { 0.0 }
            };
            vec3a(light(0), light(1), light(2))
        });
        Self::balanced(base).ok_or_else(|| unusable("has no light in its upper half"))
    }

    /// The panoramas made in code, prepared once a process.
    fn built_in() -> &'static [Arc<Environment>] {
        static ALL: OnceLock<Vec<Arc<Environment>>> = OnceLock::new();
        ALL.get_or_init(|| {
            let skies = builtin::all();
            // One after the other: whoever waits for them may be a thread of the pool that would make them.
            let all = skies.iter().filter_map(|sky| {
                // Four points a texel, so that edges are smooth.
                let fine = Panorama::from_directions(2 * WIDTH, sky);
                Self::balanced(fine.resized(WIDTH)).map(Arc::new)
            });
            all.collect()
        })
    }

    /// Scaled so that a level white surface has radiance 1; `None` if there is no light.
    fn balanced(mut base: Panorama) -> Option<Self> {
        let level_light = base.resized(64).irradiance(Vec3A::Y);
        if level_light.min_element() <= 0.0 {
            return None;
        }
        for texel in &mut base.texels {
            *texel /= level_light;
        }
        Some(Self::prepare(base))
    }

    fn prepare(sharp: Panorama) -> Self {
        let small = sharp.resized(64);
        let irradiance = Panorama::from_directions(32, |normal| small.irradiance(normal));
        Environment {
            sky: Sky::new((sharp.width, sharp.height), &sharp.texels),
            sharp,
            irradiance,
        }
    }

    /// One of even light.
    #[cfg(test)]
    pub(super) fn white() -> Self {
        Self::prepare(Panorama::from_directions(WIDTH, |_| Vec3A::ONE))
    }

    /// Radiance from a direction.
    pub(super) fn seen(&self, direction: Vec3A) -> Vec3A {
        self.sharp.at(angles(direction))
    }

    /// Radiance of a white matt surface with this normal, lit by the upper half alone.
    pub(super) fn diffuse(&self, normal: Vec3A) -> Vec3A {
        self.irradiance.at(angles(normal))
    }
}

/// The panoramas of `paths`, where [`builtin::NAME`] stands for those made in code.
///
/// # Errors
/// If a file or folder is missing or unusable.
pub(super) fn load(paths: &[PathBuf], context: &Context) -> Result<Vec<Arc<Environment>>> {
    let (built_in, files): (Vec<PathBuf>, Vec<PathBuf>) =
        (paths.iter().cloned()).partition(|path| path.as_os_str() == builtin::NAME);
    let read = find(&files)?.into_par_iter().map(|path| {
        context.check_interrupt()?;
        Environment::read(&path).map(Arc::new)
    });
    let mut environments = read.collect::<Result<Vec<_>>>()?;
    if !built_in.is_empty() {
        environments.extend(Environment::built_in().iter().cloned());
    }
    Ok(environments)
}

/// The EXR files among `paths`: files as they are, folders by name.
///
/// # Errors
/// If a folder is unreadable, or nothing is left.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| Error::io(path, e))? {
            let file = entry.map_err(|e| Error::io(path, e))?.path();
            let is_exr = file
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("exr"));
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if is_exr && !is_hidden(&name) {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Error::failed(
                path.display(),
                "holds no EXR panorama",
                "put equirectangular .exr files there, or change `environments`",
            ));
        }
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

/// Azimuth and angle from the zenith, both as a share of the map, 0..1.
fn angles(direction: Vec3A) -> (f32, f32) {
    let azimuth = direction.z.atan2(direction.x) / TAU + 0.5;
    (azimuth, direction.y.clamp(-1.0, 1.0).acos() / PI)
}

/// A map of `width` columns. Each of its texels is the mean over its area in a map of `columns` × `rows`,
/// whose texels `texel` tells by number, row by row.
fn averaged(
    (columns, rows): (usize, usize),
    width: usize,
    texel: impl Fn(usize) -> Vec3A,
) -> Panorama {
    let height = width / 2;
    let span = |i: usize, new: usize, old: usize| {
        let start = i * old / new;
        start..((i + 1) * old / new).max(start + 1)
    };
    let mean = |i: usize| {
        let rows = span(i / width, height, rows);
        let across = span(i % width, width, columns);
        let count = (rows.len() * across.len()) as f32;
        let sum: Vec3A = rows
            .flat_map(|y| across.clone().map(move |x| y * columns + x))
            .map(&texel)
            .sum();
        sum / count
    };
    let texels = (0..width * height).map(mean).collect();
    Panorama::new(width, height, texels)
}

/// An equirectangular map: y is up, row 0 the zenith.
struct Panorama {
    width: usize,
    height: usize,
    texels: Vec<Vec3A>,
    /// Of the texels' centres.
    directions: Vec<Vec3A>,
}

impl Panorama {
    fn new(width: usize, height: usize, texels: Vec<Vec3A>) -> Self {
        let directions = (0..width * height).map(|i| {
            let (x, y) = (i % width, i / width);
            let azimuth = ((x as f32 + 0.5) / width as f32 - 0.5) * TAU;
            let polar = (y as f32 + 0.5) / height as f32 * PI;
            let (sin, cos) = polar.sin_cos();
            vec3a(sin * azimuth.cos(), cos, sin * azimuth.sin())
        });
        Panorama {
            width,
            height,
            texels,
            directions: directions.collect(),
        }
    }

    fn from_directions(width: usize, value: impl Fn(Vec3A) -> Vec3A) -> Self {
        let mut map = Self::new(width, width / 2, Vec::new());
        map.texels = map.directions.iter().map(|&d| value(d)).collect();
        map
    }

    /// Solid angle of a texel in steradians.
    fn solid_angle(&self, index: usize) -> f32 {
        let height = self.directions[index].y;
        let ring = (1.0 - height * height).max(0.0).sqrt();
        ring * TAU * PI / (self.width * self.height) as f32
    }

    /// Linear interpolation between the four nearest texels, by [`angles`].
    #[inline]
    fn at(&self, (azimuth, polar): (f32, f32)) -> Vec3A {
        let x = azimuth * self.width as f32 - 0.5 + self.width as f32;
        let y = (polar * self.height as f32 - 0.5).clamp(0.0, (self.height - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (dx, dy) = (x - x0 as f32, y - y0 as f32);
        let texel =
            |x: usize, y: usize| self.texels[y.min(self.height - 1) * self.width + x % self.width];
        let above = texel(x0, y0).lerp(texel(x0 + 1, y0), dx);
        let below = texel(x0, y0 + 1).lerp(texel(x0 + 1, y0 + 1), dx);
        above.lerp(below, dy)
    }

    /// The mean over the area of each new texel.
    fn resized(&self, width: usize) -> Panorama {
        averaged((self.width, self.height), width, |i| self.texels[i])
    }

    /// Cosine-weighted mean of the upper half about `normal`, over π.
    fn irradiance(&self, normal: Vec3A) -> Vec3A {
        (0..self.width * self.height / 2)
            .map(|i| {
                let cosine = self.directions[i].dot(normal).max(0.0);
                self.texels[i] * (cosine * self.solid_angle(i) / PI)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_sky_lights_and_mirrors_evenly() {
        let sky = Environment::white();
        assert!((sky.diffuse(Vec3A::Y).x - 1.0).abs() < 0.02);
        assert!((sky.diffuse(Vec3A::X).x - 0.5).abs() < 0.03);
        assert!((sky.seen(vec3a(0.6, 0.0, -0.8)).x - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_texel_is_found_in_its_own_direction() {
        let map = Panorama::from_directions(64, |d| d);
        for i in [0, 100, 777, 2047] {
            assert!(
                map.at(angles(map.directions[i]))
                    .distance(map.directions[i])
                    < 1e-3
            );
        }
    }

    #[test]
    fn a_device_is_no_panorama() {
        if cfg!(unix) {
            let error = Environment::read(Path::new("/dev/zero")).err().unwrap();
            assert!(error.to_string().contains("is a pipe or device"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_exr_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.exr");
        std::fs::write(&path, b"v/1\x01 and then nothing").unwrap();
        let error = Environment::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("cut.exr") && error.contains("help:"),
            "{error}"
        );
    }
}
