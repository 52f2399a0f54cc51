//! Photos that cover tables: of floors, desks, cloth, whatever objects lie on.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::{Affine2, Mat2, Vec2, Vec3A, vec2};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::{Range, draw};
use super::model::GoOn;
use super::texture::{Content, Picture, Room, Texture, Wrap};
use crate::sample::content::is_called_picture;
use crate::sample::{input, listing};
use crate::seed::Stream;
use crate::stage::{Context, Misfit};
use crate::{Error, Result};

/// Photos that cover tables in place of colours and patterns. What is beyond a photo is its mirror image.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Floors {
    /// PNG, JPEG, WebP, TIFF or BMP files seen from straight above, or folders that are searched for them.
    pub paths: Vec<PathBuf>,
    /// Share of the pictures whose table a photo covers, 0..1.
    pub share: f64,
    /// Metres that the longer side of a photo covers.
    pub metres: Range,
}

impl Default for Floors {
    fn default() -> Self {
        Floors {
            paths: Vec::new(),
            share: 1.0,
            metres: [0.3, 0.6],
        }
    }
}

impl Floors {
    /// # Errors
    /// What is wrong with the numbers.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.paths.is_empty() {
            return Err("`mesh.table.photos.paths` names no photo; add some, or leave the table `photos` out".into());
        }
        if !(0.0..=1.0).contains(&self.share) {
            return Err("`mesh.table.photos.share` must lie in 0..1".into());
        }
        let [least, most] = self.metres;
        if !(1e-3 <= least && least <= most && most <= 1e4) {
            return Err(
                "`mesh.table.photos.metres` must lie between 0.001 and 10000, the lower number first"
                    .into(),
            );
        }
        Ok(())
    }

    /// # Errors
    /// If a folder holds no photo.
    pub(super) fn check_files(&self) -> Result<(), Misfit> {
        for path in &self.paths {
            files(path, &|| Ok(())).map_err(|e| Misfit::of_error(e, "the folder", path))?;
        }
        Ok(())
    }

    /// All photos, in the order of the list, those of a folder by name.
    ///
    /// # Errors
    /// If one cannot be decoded, or a folder holds none.
    pub(super) fn load(&self, context: &Context) -> Result<Vec<Arc<Picture>>> {
        let mut room = Room::default();
        let mut photos = Vec::new();
        for path in &self.paths {
            for file in files(path, &|| context.check_interrupt())? {
                context.check_interrupt()?;
                let bytes = input::read(&file, input::MOST_BYTES)?;
                let name = file.display().to_string();
                let photo = Picture::decode(&bytes, &name, Content::Colour, &mut room)?;
                photos.push(Arc::new(photo));
            }
        }
        Ok(photos)
    }

    /// Draws the photo of a table, and how it lies; `None` leaves the table as it is.
    pub(super) fn draw(&self, photos: &[Arc<Picture>], stream: &mut Stream) -> Option<Floor> {
        if photos.is_empty() || !stream.random_bool(self.share) {
            return None;
        }
        let picture = Arc::clone(&photos[stream.random_range(0..photos.len())]);
        let (width, height) = picture.size();
        let longer = width.max(height) as f32;
        let sides = vec2(width as f32, height as f32) / longer * draw(stream, self.metres);
        let turn = Mat2::from_angle(stream.random_range(0.0..TAU));
        let offset = vec2(stream.random_range(0.0..2.0), stream.random_range(0.0..2.0));
        let place =
            Affine2::from_mat2_translation(Mat2::from_diagonal(sides.recip()) * turn, offset);
        Some(Floor(Texture {
            picture,
            set: 0,
            place,
            wrap: [Wrap::Mirror; 2],
        }))
    }
}

fn files(path: &Path, go_on: GoOn) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let tree = listing::tree(path, go_on)?;
    let mut files = tree.files;
    files.retain(|file| is_called_picture(file));
    match files.is_empty() {
        false => Ok(files),
        true => Err(Error::failed(
            path.display(),
            "holds no photo of a table",
            "put PNG or JPEG files there, or change `mesh.table.photos.paths`",
        )),
    }
}

/// A photo as it lies on one table.
#[derive(Clone)]
pub(super) struct Floor(Texture);

impl Floor {
    /// The colour at a point of the plane y = 0, for a pixel that covers `reach` metres there.
    pub(super) fn colour_at(&self, point: Vec3A, reach: f32) -> Vec3A {
        let found = self.0.sample(Vec2::new(point.x, point.z), reach);
        Vec3A::from_vec4(found)
    }

    pub(super) fn mean(&self) -> Vec3A {
        Vec3A::from_vec4(self.0.picture.mean())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// A photo that is red on the left and blue on the right.
    fn halves() -> Arc<Picture> {
        let pixel = |i: u32| match i % 64 < 32 {
            true => [255, 0, 0, 255],
            false => [0, 0, 255, 255],
        };
        let bytes = (0..64 * 32).flat_map(pixel).collect();
        Arc::new(Picture::from_rgba(bytes, (64, 32)))
    }

    #[test]
    fn a_photo_covers_so_many_metres_and_goes_on_as_in_a_mirror() {
        let floors = Floors {
            metres: [0.5, 0.5],
            ..Floors::default()
        };
        let mut stream = Seed::new(1, "floor").stream(0);
        let floor = floors.draw(&[halves()], &mut stream).unwrap();
        let inverse = floor.0.place.inverse();
        let red = |u: f32, v: f32| {
            let at = inverse.transform_point2(vec2(u, v));
            floor.colour_at(Vec3A::new(at.x, 0.0, at.y), 0.0).x
        };
        assert!(red(0.25, 0.5) > 0.9 && red(0.75, 0.5) < 0.1);
        assert!(red(1.25, 0.5) < 0.1 && red(1.75, 0.5) > 0.9);
        // The longer side measures half a metre, the other a quarter.
        let length = |step: Vec2| {
            (inverse.transform_point2(step) - inverse.transform_point2(Vec2::ZERO)).length()
        };
        assert!((length(Vec2::X) - 0.5).abs() < 1e-5 && (length(Vec2::Y) - 0.25).abs() < 1e-5);
        // From far away, the mean is seen.
        let far = floor.colour_at(Vec3A::ZERO, 100.0);
        assert!(far.distance(floor.mean()) < 0.02, "{far}");
    }

    #[test]
    fn a_share_of_tables_is_covered() {
        let floors = Floors {
            share: 0.5,
            ..Floors::default()
        };
        let mut stream = Seed::new(1, "floor").stream(0);
        let photos = [halves()];
        let covered = (0..200).filter(|_| floors.draw(&photos, &mut stream).is_some());
        assert!((70..130).contains(&covered.count()));
        assert!(floors.draw(&[], &mut stream).is_none());
    }
}
