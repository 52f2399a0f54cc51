//! Writes BOP's scenes, each of at most a thousand images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use serde::Serialize;

use super::{ByImage, CAMERA, INFO, Info, Intrinsics, NAMES, POSES, Pose};
use crate::formats::{DatasetInfo, ImageEntry, Writer};
use crate::sample::image::encode;
use crate::sample::maps::{self, depth};
use crate::sample::{Camera, Extent, Object, Sample};
use crate::{Error, Result};

/// Images of one scene.
const SCENE: usize = 1000;

struct Bop<'a> {
    dataset: DatasetInfo<'a>,
    scenes: BTreeMap<&'a str, Scene>,
    /// Images written; numbers continue from one split to the next.
    images: u64,
}

/// The scene that a split is written to now.
#[derive(Default)]
struct Scene {
    folder: PathBuf,
    number: u64,
    poses: ByImage<Vec<Pose>>,
    info: ByImage<Vec<Info>>,
    camera: ByImage<Intrinsics>,
}

/// Starts the first scene of every split.
///
/// # Errors
/// If a folder cannot be created.
pub(super) fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'a String| Ok((split.as_str(), Scene::start(dataset.out, split, 0)?));
    let path = dataset.out.join(NAMES);
    let names = (1..)
        .zip(dataset.categories)
        .map(|(number, c)| (number.to_string(), &c.name));
    write_json(&path, &names.collect::<BTreeMap<_, _>>())?;
    Ok(Box::new(Bop {
        dataset: *dataset,
        scenes: dataset.images.keys().map(start).collect::<Result<_>>()?,
        images: 0,
    }))
}

impl Scene {
    fn start(out: &Path, split: &str, number: u64) -> Result<Self> {
        let folder = out.join(split).join(format!("{number:06}"));
        for name in ["rgb", "mask_visib"] {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
        Ok(Scene {
            folder,
            number,
            ..Scene::default()
        })
    }

    fn finish(&self) -> Result<()> {
        write_json(&self.folder.join(POSES), &self.poses)?;
        write_json(&self.folder.join(INFO), &self.info)?;
        write_json(&self.folder.join(CAMERA), &self.camera)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value).map_err(|e| Error::io(path, e.into()))?;
    std::fs::write(path, text).map_err(|e| Error::io(path, e))
}

impl Writer for Bop<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; an image without objects would say that there are none.
            return Ok(());
        };
        let Some(scene) = self.scenes.get_mut(entry.split) else {
            return Ok(());
        };
        if scene.poses.len() == SCENE {
            scene.finish()?;
            *scene = Scene::start(self.dataset.out, entry.split, scene.number + 1)?;
        }
        let number = self.images;
        self.images += 1;
        let to = format!(
            "{}/{:06}/rgb/{number:06}.{}",
            entry.split,
            scene.number,
            entry.ending()
        );
        entry.place_at(self.dataset.out, &to)?;
        let (mut poses, mut info) = (Vec::new(), Vec::new());
        for object in objects {
            let Some(id) = self.dataset.class_id(&object.class) else {
                continue;
            };
            let name = format!("mask_visib/{number:06}_{:06}.png", poses.len());
            write_mask(&scene.folder.join(name), object, entry.sample.extent)?;
            poses.push(pose(object, id as u64 + 1));
            info.push(covered(object));
        }
        let key = number.to_string();
        scene.poses.insert(key.clone(), poses);
        scene.info.insert(key.clone(), info);
        let depth_scale = write_depth(&scene.folder, number, entry.sample)?;
        let camera = entry.sample.labels.camera.map(intrinsics);
        scene.camera.insert(
            key,
            Intrinsics {
                matrix: camera,
                depth_scale,
            },
        );
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.scenes.values().try_for_each(Scene::finish)
    }
}

fn pose(object: &Object, number: u64) -> Pose {
    let pose = object.pose.map(|pose| pose.map(f64::from));
    Pose {
        rotation: pose.map(|p| [p[0], p[1], p[2], p[4], p[5], p[6], p[8], p[9], p[10]]),
        translation: pose.map(|p| [p[3], p[7], p[11]].map(|metres| metres * 1000.0)),
        object: number,
    }
}

fn covered(object: &Object) -> Info {
    let visible = object.bbox_xywh.map(f64::from);
    let whole = object
        .amodal
        .as_ref()
        .map(|whole| whole.bbox_xywh.map(f64::from));
    let pixels = object.mask.as_ref().map(|mask| f64::from(mask.area()));
    let fraction = f64::from(object.visible_fraction);
    Info {
        bbox_obj: Some(whole.unwrap_or(visible)),
        bbox_visib: Some(visible),
        px_count_all: pixels.map(|pixels| (pixels / fraction.max(1e-6)).round()),
        px_count_valid: pixels,
        px_count_visib: pixels,
        visib_fract: Some(fraction),
    }
}

fn intrinsics(Camera { fx, fy, cx, cy }: Camera) -> [f64; 9] {
    let [fx, fy, cx, cy] = [fx, fy, cx, cy].map(f64::from);
    [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
}

fn write_mask(path: &Path, object: &Object, extent: Extent) -> Result<()> {
    let Some(mask) = &object.mask else {
        return Ok(());
    };
    let bitmap = mask.to_bitmap(extent.width, extent.height);
    let pixels: Vec<u8> = bitmap.iter().map(|set| 255 * u8::from(*set)).collect();
    let png = encode(&pixels, extent.dimensions(), ExtendedColorType::L8)?;
    std::fs::write(path, png).map_err(|e| Error::io(path, e))
}

/// Writes the depth, if it is known, and returns the millimetres for each step. BOP's 0 is unknown.
fn write_depth(scene: &Path, number: u64, sample: &Sample) -> Result<Option<f64>> {
    let Some(png) = sample.labels.maps.get(&depth::MAP) else {
        return Ok(None);
    };
    let (mut values, size) = maps::decode(&depth::MAP, png, &sample.id)?;
    for value in values
        .iter_mut()
        .filter(|value| **value == depth::MAP.nothing)
    {
        *value = [0; 3];
    }
    let folder = scene.join("depth");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let path = folder.join(format!("{number:06}.png"));
    std::fs::write(&path, maps::encode(&depth::MAP, &values, size)?)
        .map_err(|e| Error::io(&path, e))?;
    let step = sample.labels.maps.step(&depth::MAP);
    Ok(Some(1000.0 * f64::from(step.unwrap_or(depth::STEP))))
}
