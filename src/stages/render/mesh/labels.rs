//! Labels, all from one buffer of instance ids and depths at the pixels' centres.

use glam::{IVec2, Vec3A};

use super::scene::{Instance, Scene};
use super::trace::Target;
use crate::Result;
use crate::sample::maps::{self, depth};
use crate::sample::{Keypoint, Labels, Maps, Mask, Object, Visibility};

/// What a ray through the middle of every pixel meets, row by row.
pub struct Buffer {
    pub size: u32,
    /// Number of the instance; `None` is table or nothing.
    pub ids: Vec<Option<usize>>,
    /// Metres along the optical axis, infinite where nothing is.
    pub depth: Vec<f32>,
}

impl Buffer {
    pub fn trace(scene: &Scene, size: u32) -> Self {
        let count = (size * size) as usize;
        let (mut ids, mut depth) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let axis = scene.camera.rotation.row(2);
        for i in 0..size * size {
            let (x, y) = ((i % size) as f32 + 0.5, (i / size) as f32 + 0.5);
            let direction = scene.camera.direction(x, y);
            let hit = scene.hit(scene.camera.position, direction);
            ids.push(hit.and_then(|hit| match hit.target {
                Target::Instance(number, _) => Some(number),
                Target::Table => None,
            }));
            depth.push(hit.map_or(f32::INFINITY, |hit| hit.distance * axis.dot(direction)));
        }
        Buffer { size, ids, depth }
    }

    fn bitmap(&self, number: usize) -> Vec<bool> {
        self.ids.iter().map(|&id| id == Some(number)).collect()
    }

    /// Visible pixels of an instance over those it would have alone and unclipped.
    pub fn visible_fraction(&self, scene: &Scene, number: usize) -> f32 {
        let visible = self.ids.iter().filter(|&&id| id == Some(number)).count();
        if visible == 0 {
            return 0.0;
        }
        let instance = &scene.instances[number];
        visible as f32 / alone(scene, instance, self.size).max(visible) as f32
    }

    /// The labels of every instance of which at least a pixel is visible.
    ///
    /// # Errors
    /// Where the depth cannot be encoded.
    pub fn labels(&self, scene: &Scene) -> Result<Labels> {
        let mut objects = Vec::new();
        for (number, instance) in scene.instances.iter().enumerate() {
            let mask = Mask::from_bitmap(&self.bitmap(number), self.size, self.size);
            let Some(bbox_xywh) = mask.bbox_xywh(self.size) else {
                continue;
            };
            objects.push(Object {
                keypoints: self.keypoints(scene, instance),
                pose: Some(pose(scene, instance)),
                visible_fraction: self.visible_fraction(scene, number),
                ..Object::new(&instance.face().name, bbox_xywh).with_mask(mask)
            });
        }
        let depths: Vec<_> = self
            .depth
            .iter()
            .map(|&metres| [depth::value(metres), 0, 0])
            .collect();
        let mut maps = Maps::default();
        let png = maps::encode(&depth::MAP, &depths, (self.size, self.size))?;
        maps.insert(&depth::MAP, png);
        Ok(Labels {
            class: scene.instances.first().map(|i| i.face().name.clone()),
            caption: None,
            objects: Some(objects),
            maps,
            camera: Some(scene.camera.intrinsics),
        })
    }

    fn keypoints(&self, scene: &Scene, instance: &Instance) -> Vec<Keypoint> {
        let side = self.size as f32;
        let points = instance.face().keypoints.iter();
        points
            .map(|(name, point)| {
                let world = instance.to_world(*point);
                let pixel = scene.camera.project(world);
                let inside = (0.0..side).contains(&pixel.x) && (0.0..side).contains(&pixel.y);
                let visibility = match inside {
                    false => Visibility::Outside,
                    true if seen(scene, instance, world) => Visibility::Visible,
                    true => Visibility::Hidden,
                };
                Keypoint {
                    name: name.clone(),
                    x: pixel.x,
                    y: pixel.y,
                    visibility,
                }
            })
            .collect()
    }
}

/// Whether nothing stands before a point of the instance. The point may float a little above the
/// surface or lie a little below, as the middle of a dent does.
fn seen(scene: &Scene, instance: &Instance, point: Vec3A) -> bool {
    let way = point - scene.camera.position;
    let distance = way.length();
    scene
        .hit(scene.camera.position, way / distance)
        .is_none_or(|hit| hit.distance > distance - 0.05 * instance.model.size)
}

/// Pixels that the instance covers with nothing before it, in a frame padded on all sides.
fn alone(scene: &Scene, instance: &Instance, size: u32) -> usize {
    let pad = 3 * size as i32;
    let frame = [IVec2::splat(-pad), IVec2::splat(size as i32 + pad)];
    let [low, high] = scene.camera.extent(instance);
    let low = low.floor().as_ivec2().max(frame[0]);
    let high = high.ceil().as_ivec2().min(frame[1]);
    let covered = |x: i32, y: i32| {
        let direction = scene.camera.direction(x as f32 + 0.5, y as f32 + 0.5);
        let origin = scene.camera.position;
        instance.hit(origin, direction, f32::INFINITY).is_some()
    };
    (low.y..=high.y)
        .flat_map(|y| (low.x..=high.x).map(move |x| (x, y)))
        .filter(|&(x, y)| covered(x, y))
        .count()
}

/// Object to camera, row-major 3×4.
fn pose(scene: &Scene, instance: &Instance) -> [f32; 12] {
    let rotation = scene.camera.rotation * instance.rotation;
    let origin = instance.to_world(Vec3A::ZERO);
    let shift = scene.camera.rotation * (origin - scene.camera.position);
    let mut pose = [0.0; 12];
    for (row, out) in pose.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let r = rotation.row(row);
        *out = [r.x, r.y, r.z, shift[row]];
    }
    pose
}
