//! Reads BOP's scenes, one at a time.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{ByImage, CAMERA, INFO, Info, Intrinsics, NAMES, POSES, Pose};
use crate::formats::{
    Category, Picture, Reader, entries, file_name, folders_in, from_json, is_called_picture, wrong,
};
use crate::sample::image::{decode, extent_of};
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::maps::{self, depth};
use crate::sample::{Camera, Extent, Labels, Mask, Object};
use crate::{Error, Result};

/// The scenes at a path, in it, or in its splits, each with its split.
pub(super) fn scenes(path: &Path) -> Vec<(Option<String>, PathBuf)> {
    let is_scene = |folder: &PathBuf| folder.join(POSES).is_file();
    let below = |folder: &Path| -> Vec<PathBuf> {
        let folders = folders_in(folder).unwrap_or_default().into_iter();
        folders.filter(is_scene).collect()
    };
    if is_scene(&path.to_path_buf()) {
        return vec![(None, path.to_path_buf())];
    }
    let own = below(path);
    if !own.is_empty() {
        return own.into_iter().map(|scene| (None, scene)).collect();
    }
    let splits = folders_in(path).unwrap_or_default().into_iter();
    let scenes = splits.flat_map(|split| {
        let name = file_name(&split);
        below(&split)
            .into_iter()
            .map(move |scene| (Some(name.clone()), scene))
    });
    scenes.collect()
}

/// Hands on the pictures of all scenes.
///
/// # Errors
/// If a file of a scene cannot be read.
pub(super) fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    let names = names(path)?;
    let mut numbered: Vec<(&u64, &String)> = names.iter().collect();
    numbered.sort();
    for (_, name) in numbered {
        reader.class(Category {
            name: name.clone(),
            ..Category::default()
        });
    }
    for (split, folder) in scenes(path) {
        let scene = Scene {
            poses: json(&folder.join(POSES))?,
            info: optional(&folder.join(INFO))?,
            camera: optional(&folder.join(CAMERA))?,
            pictures: pictures(&folder)?,
            names: &names,
            folder,
        };
        let mut images: Vec<(u64, &String)> = Vec::new();
        for key in scene.poses.keys() {
            let number = key
                .parse()
                .map_err(|_| format!("has the image `{key}`, which is not a number"));
            images.extend(
                reader
                    .some(scene.folder.display(), number)?
                    .map(|n| (n, key)),
            );
        }
        images.sort();
        for (number, key) in images {
            let place = format!("{}: image {key}", scene.folder.join(POSES).display());
            let picture = scene.picture(number, key, &place, reader);
            if let Some(picture) = reader.file(picture)? {
                let split = split.clone();
                reader.add(place, Picture { split, ..picture })?;
            }
        }
    }
    Ok(())
}

/// The names of objects; empty if there is no file that names them.
fn names(path: &Path) -> Result<HashMap<u64, String>> {
    let above = path.parent().unwrap_or(path);
    let file = [path, above]
        .into_iter()
        .map(|folder| folder.join(NAMES))
        .find(|f| f.is_file());
    let names: BTreeMap<String, String> = match file {
        Some(file) => json(&file)?,
        None => BTreeMap::new(),
    };
    let numbered = names
        .into_iter()
        .filter_map(|(number, name)| Some((number.parse().ok()?, name)));
    Ok(numbered.collect())
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = input::read(path, MOST_BYTES)?;
    from_json(&text).map_err(|e| wrong(path, e))
}

fn optional<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    match path.is_file() {
        true => json(path),
        false => Ok(T::default()),
    }
}

/// The pictures of a scene by number.
fn pictures(scene: &Path) -> Result<HashMap<u64, PathBuf>> {
    let folders = ["rgb", "gray"].map(|name| scene.join(name));
    let folder = folders.into_iter().find(|folder| folder.is_dir());
    let folder = folder.ok_or_else(|| wrong(scene, "has no folder `rgb` or `gray`"))?;
    let pictures = entries(&folder)?
        .into_iter()
        .filter(|file| is_called_picture(file));
    let numbered = pictures.filter_map(|file| {
        let number = file.file_stem()?.to_string_lossy().parse().ok()?;
        Some((number, file))
    });
    Ok(numbered.collect())
}

struct Scene<'a> {
    folder: PathBuf,
    poses: ByImage<Vec<Pose>>,
    info: ByImage<Vec<Info>>,
    camera: ByImage<Intrinsics>,
    pictures: HashMap<u64, PathBuf>,
    names: &'a HashMap<u64, String>,
}

impl Scene<'_> {
    fn picture(&self, number: u64, key: &str, place: &str, reader: &mut Reader) -> Result<Picture> {
        let file = self.pictures.get(&number);
        let file = file.ok_or_else(|| wrong(&self.folder, format!("has no picture {number}")))?;
        let extent = extent_of(file)?;
        let info = self.info.get(key).map_or(&[][..], Vec::as_slice);
        let mut objects = Vec::new();
        for (index, pose) in self.poses[key].iter().enumerate() {
            let seen = info.get(index);
            let hidden = |info: &Info| {
                info.px_count_visib == Some(0.0) || info.bbox_visib.is_some_and(|b| b[2] <= 0.0)
            };
            // Objects of the scene that the picture does not show are listed as well.
            if seen.is_some_and(hidden) {
                continue;
            }
            let mask = self
                .folder
                .join(format!("mask_visib/{number:06}_{index:06}.png"));
            let object = self.object(pose, seen, &mask, extent);
            objects.extend(reader.some(format!("{place}, object {index}"), object)?);
        }
        let camera = self.camera.get(key);
        let mut labels = Labels {
            objects: Some(objects),
            camera: camera.and_then(|camera| camera.matrix).map(pinhole),
            ..Labels::default()
        };
        let depth_scale = camera.and_then(|camera| camera.depth_scale);
        let depth = self.folder.join(format!("depth/{number:06}.png"));
        if let Some(scale) = depth_scale.filter(|scale| *scale > 0.0 && depth.is_file()) {
            let map = read_depth(&depth, extent);
            if let Some(png) = reader.file(map)? {
                // BOP counts in millimetres.
                let step = Some((scale / 1000.0) as f32);
                labels.maps.insert_scaled(&depth::MAP, png, step);
            }
        }
        Ok(Picture {
            extent: Some(extent),
            ..Picture::new(file.clone(), labels)
        })
    }

    fn object(
        &self,
        pose: &Pose,
        info: Option<&Info>,
        mask: &Path,
        extent: Extent,
    ) -> Result<Object, String> {
        let class = self.names.get(&pose.object).cloned();
        let class = class.unwrap_or_else(|| format!("obj_{:06}", pose.object));
        let mask = match mask.is_file() {
            true => Some(read_mask(mask, extent).map_err(|e| e.to_string())?),
            false => None,
        };
        let tight = mask.as_ref().and_then(|mask| mask.bbox_xywh(extent.height));
        let listed = info.and_then(|info| info.bbox_visib.or(info.bbox_obj));
        let bbox = listed.map(|bbox| bbox.map(|v| v as f32)).or(tight);
        let bbox = bbox.ok_or("has neither a box nor a mask; it is left out")?;
        let transform = pose.rotation.zip(pose.translation);
        let transform = transform.map(|(r, t)| {
            let t = t.map(|millimetres| millimetres / 1000.0);
            [
                r[0], r[1], r[2], t[0], r[3], r[4], r[5], t[1], r[6], r[7], r[8], t[2],
            ]
            .map(|v| v as f32)
        });
        let fraction = info.and_then(|info| info.visib_fract);
        Ok(Object {
            mask,
            pose: transform,
            visible_fraction: fraction.unwrap_or(1.0) as f32,
            ..Object::new(class, bbox)
        })
    }
}

fn pinhole(k: [f64; 9]) -> Camera {
    let [fx, fy, cx, cy] = [k[0], k[4], k[2], k[5]].map(|v| v as f32);
    Camera { fx, fy, cx, cy }
}

fn read_mask(path: &Path, extent: Extent) -> Result<Mask> {
    let pixels = read_png(path, extent)?.into_luma8();
    let bitmap: Vec<bool> = pixels.into_raw().into_iter().map(|v| v > 0).collect();
    Ok(Mask::from_bitmap(&bitmap, extent.width, extent.height))
}

/// Depth in the file's own steps; what is 0 here is unknown.
fn read_depth(path: &Path, extent: Extent) -> Result<Vec<u8>> {
    let pixels = read_png(path, extent)?.into_luma16();
    let value = |raw: u16| match raw {
        0 => depth::MAP.nothing,
        raw => [raw, 0, 0],
    };
    let values: Vec<_> = pixels.into_raw().into_iter().map(value).collect();
    maps::encode(&depth::MAP, &values, extent.dimensions())
}

fn read_png(path: &Path, extent: Extent) -> Result<image::DynamicImage> {
    let bytes = input::read(path, MOST_BYTES)?;
    let remedy = "replace the file";
    let picture = decode(&bytes, None, &path.display().to_string(), remedy)?;
    let (width, height) = (picture.width(), picture.height());
    if (width, height) != extent.dimensions() {
        let problem = format!("has {width}×{height} pixels, but its picture {extent}");
        return Err(Error::failed(path.display(), problem, remedy));
    }
    Ok(picture)
}
