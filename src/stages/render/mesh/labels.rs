//! Labels, all from one buffer of instance ids and depths at the pixels' centres.

use std::collections::BTreeSet;

use glam::{IVec2, Vec3A};

use super::super::Wanted;
use super::model::Model;
use super::scene::{Instance, Scene};
use super::surface::R2;
use super::trace::{Hit, Target};
use crate::Result;
use crate::sample::maps::{self, albedo, depth, normals, semantic};
use crate::sample::{Amodal, Extent, Keypoint, Labels, Maps, Mask, Object, Visibility};

/// What a ray through the middle of every pixel meets, row by row.
pub(super) struct Buffer {
    pub size: Extent,
    pub hits: Vec<Option<Hit>>,
    /// Number of the instance; `None` is table or nothing.
    pub ids: Vec<Option<usize>>,
    /// Metres along the optical axis, infinite where nothing is.
    pub depth: Vec<f32>,
}

/// How well an instance can be seen in a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Its visible fraction.
    visible: f32,
    /// The share of the picture's pixels that are its.
    filled: f32,
    /// The share of its pixels that it covers, little where it is thinner than a pixel; 1 if it has none.
    cover: f32,
}

/// Least visible fraction at which a scene is taken at once.
const WELL: f32 = 0.6;

/// Least share of its own pixels that an object covers; what is thinner is a shade, not an object.
const LEAST_COVER: f32 = 0.25;

/// How far before or behind a surface a keypoint still lies on it, over the size of the model.
const NEAR: f32 = 0.05;

impl Shown {
    /// As in the worse of two frames.
    pub(super) fn least(self, other: Shown) -> Shown {
        Shown {
            visible: self.visible.min(other.visible),
            filled: self.filled.min(other.filled),
            cover: self.cover.min(other.cover),
        }
    }

    /// Whether more than enough of it can be seen.
    pub(super) fn well(self, least: f32) -> bool {
        self.visible >= WELL && self.enough(least)
    }

    /// Whether its mask holds hardly anything of it.
    pub(super) fn thin(self) -> bool {
        self.cover < LEAST_COVER
    }

    /// Whether at least this share of it can be seen, or as large a share of the picture is filled by it, as
    /// from close by.
    pub(super) fn enough(self, least: f32) -> bool {
        self.share() >= least && self.share() > 0.0 && !self.thin()
    }

    pub(super) fn share(self) -> f32 {
        self.visible.max(self.filled)
    }
}

impl Buffer {
    pub(super) fn trace(scene: &Scene, size: Extent) -> Self {
        let count = size.area();
        let (mut ids, mut depth) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut hits = Vec::with_capacity(count);
        let axis = scene.camera.rotation.row(2);
        for (y, x) in (0..size.height).flat_map(|y| (0..size.width).map(move |x| (y, x))) {
            let direction = scene.camera.direction(x as f32 + 0.5, y as f32 + 0.5);
            let hit = scene.hit(scene.camera.position, direction);
            ids.push(hit.and_then(|hit| match hit.target {
                Target::Instance(number, _) => Some(number),
                Target::Table => None,
            }));
            depth.push(hit.map_or(f32::INFINITY, |hit| hit.distance * axis.dot(direction)));
            hits.push(hit);
        }
        Buffer {
            size,
            hits,
            ids,
            depth,
        }
    }

    fn bitmap(&self, number: usize) -> Vec<bool> {
        self.ids.iter().map(|&id| id == Some(number)).collect()
    }

    /// Numbers of the labelled instances that are seen, in order: those of the labels' objects.
    pub(super) fn visible(&self, scene: &Scene) -> impl Iterator<Item = usize> {
        let labelled = scene
            .instances
            .iter()
            .enumerate()
            .filter(|(_, i)| i.labelled);
        labelled
            .map(|(number, _)| number)
            .filter(|number| self.ids.contains(&Some(*number)))
    }

    /// Visible pixels of an instance.
    pub(super) fn pixels(&self, number: usize) -> usize {
        self.ids.iter().filter(|&&id| id == Some(number)).count()
    }

    /// Visible pixels of an instance over those it would have alone and unclipped.
    pub(super) fn visible_fraction(&self, scene: &Scene, number: usize) -> f32 {
        match self.pixels(number) {
            0 => 0.0,
            visible => Alone::of(scene, &scene.instances[number], self.size).shows(visible),
        }
    }

    /// The labels of every labelled instance of which at least a pixel is visible; the class is that of the object
    /// that the picture is of, or, of a scene, the only one. `classes` are all that there are.
    ///
    /// # Errors
    /// If a map cannot be encoded.
    pub(super) fn labels(
        &self,
        scene: &Scene,
        wanted: Wanted,
        classes: &BTreeSet<&str>,
        has_backdrop: bool,
    ) -> Result<Labels> {
        let Extent { width, height } = self.size;
        let (mut class, mut objects) = (None, Vec::new());
        let instances = scene.instances.iter().enumerate();
        for (number, instance) in instances.filter(|(_, instance)| instance.labelled) {
            let mask = Mask::from_bitmap(&self.bitmap(number), width, height);
            let Some(bbox_xywh) = mask.bbox_xywh(height) else {
                continue;
            };
            if number == 0 && !scene.is_composed {
                class = Some(instance.face().name.clone());
            }
            let alone = Alone::of(scene, instance, self.size);
            objects.push(Object {
                keypoints: self.keypoints(scene, instance),
                pose: Some(pose(scene, instance)),
                box_3d: Some(box_3d(instance.model)),
                visible_fraction: alone.shows(self.pixels(number)),
                truncation: scene.is_composed.then(|| alone.truncation()),
                amodal: scene.is_composed.then(|| alone.amodal(self.size)),
                ..Object::new(&instance.face().name, bbox_xywh).with_mask(mask)
            });
        }
        let dimensions = self.size.dimensions();
        let step = depth::step(self.farthest());
        let value = |&metres: &f32| [depth::value(metres, step), 0, 0];
        let depths: Vec<_> = self.depth.iter().map(value).collect();
        let mut maps = Maps::default();
        let png = maps::encode(&depth::MAP, &depths, dimensions)?;
        maps.insert_scaled(&depth::MAP, png, Some(step));
        if wanted.has_map(&normals::MAP) {
            maps.draw(&normals::MAP, &self.normals(scene), dimensions)?;
        }
        if wanted.has_map(&albedo::MAP) {
            let values = self.albedo(scene, has_backdrop);
            maps.draw(&albedo::MAP, &values, dimensions)?;
        }
        if wanted.has_map(&semantic::MAP) {
            let values = semantic::draw(&objects, classes.iter().copied(), self.size);
            maps.draw(&semantic::MAP, &values, dimensions)?;
        }
        let mut labels = Labels {
            class,
            caption: None,
            objects: Some(objects),
            maps,
            camera: Some(scene.camera.intrinsics),
        };
        if scene.is_composed {
            labels.class = labels.only_class().map(str::to_owned);
        }
        Ok(labels)
    }

    /// How far the map of depths must reach, in metres: to all that is seen, but of a table that goes on to the
    /// horizon only four times as far as the objects.
    fn farthest(&self) -> f32 {
        let far = |most: f32, depth: f32| {
            if depth.is_finite() {
                most.max(depth)
            } else {
                most
            }
        };
        let objects = self
            .depth
            .iter()
            .zip(&self.ids)
            .filter(|(_, id)| id.is_some());
        let objects = objects.map(|(depth, _)| *depth).fold(0.0, far);
        let all = self.depth.iter().copied().fold(0.0, far);
        match objects > 0.0 {
            true => all.min(4.0 * objects),
            false => all,
        }
    }

    /// How well an instance can be seen.
    pub(super) fn shown(&self, scene: &Scene, number: usize) -> Shown {
        let mask: Vec<usize> = (0..self.ids.len())
            .filter(|&i| self.ids[i] == Some(number))
            .collect();
        Shown {
            visible: self.visible_fraction(scene, number),
            filled: mask.len() as f32 / self.ids.len() as f32,
            cover: self.cover(scene, number, &mask),
        }
    }

    /// The share of pixels of the `mask` that the instance covers, from rays through some of them. Their
    /// places in a pixel form no grid, which a thin line could follow.
    fn cover(&self, scene: &Scene, number: usize, mask: &[usize]) -> f32 {
        const PIXELS: usize = 64;
        const RAYS: usize = 1024;
        if mask.is_empty() {
            return 1.0;
        }
        let width = self.size.width as usize;
        let each = (RAYS / mask.len()).clamp(RAYS / PIXELS, 256);
        let (mut rays, mut hits) = (0, 0);
        for &pixel in mask.iter().step_by(mask.len().div_ceil(PIXELS)) {
            for ray in 0..each {
                let [u, v] = R2.map(|step| (ray as f32 * step).fract());
                let (x, y) = ((pixel % width) as f32 + u, (pixel / width) as f32 + v);
                let hit = scene.hit(scene.camera.position, scene.camera.direction(x, y));
                let target = hit.map(|hit| hit.target);
                hits += usize::from(matches!(target, Some(Target::Instance(n, _)) if n == number));
                rays += 1;
            }
        }
        hits as f32 / rays as f32
    }

    /// Whether all pixels about a point of the instance show something nearer, so that it can be seen through a gap
    /// at most that is narrower than a pixel.
    fn buried(&self, scene: &Scene, instance: &Instance, point: Vec3A) -> bool {
        let size = instance.model.size;
        let way = point - scene.camera.position;
        let depth = scene.camera.rotation.row(2).dot(way);
        let least = depth * (1.0 - NEAR * size / way.length()) - 0.02 * size;
        let pixel = scene.camera.project(point).floor().as_ivec2();
        let sides = IVec2::new(self.size.width as i32, self.size.height as i32);
        let mut around = (-1..=1).flat_map(|y| (-1..=1).map(move |x| pixel + IVec2::new(x, y)));
        around.all(|at| {
            let inside = at.cmpge(IVec2::ZERO).all() && at.cmplt(sides).all();
            !inside || self.depth[(at.y * sides.x + at.x) as usize] < least
        })
    }

    fn keypoints(&self, scene: &Scene, instance: &Instance) -> Vec<Keypoint> {
        let [width, height] = [self.size.width, self.size.height].map(|side| side as f32);
        let points = instance.face().keypoints.iter();
        points
            .map(|(name, point)| {
                let world = instance.to_world(*point);
                let pixel = scene.camera.project(world);
                let inside = (0.0..width).contains(&pixel.x) && (0.0..height).contains(&pixel.y);
                let visibility = match inside {
                    false => Visibility::Outside,
                    true if seen(scene, instance, world)
                        && !self.buried(scene, instance, world) =>
                    {
                        Visibility::Visible
                    }
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
        .is_none_or(|hit| hit.distance > distance - NEAR * instance.model.size)
}

/// The pixels that an instance covers with nothing before it, in a frame padded on all sides.
struct Alone {
    /// How many there are.
    covered: usize,
    /// Lowest and highest; the first above the second if there are none.
    bounds: [IVec2; 2],
    /// Of the picture, row by row.
    inside: Vec<bool>,
}

impl Alone {
    fn of(scene: &Scene, instance: &Instance, picture: Extent) -> Self {
        let size = IVec2::new(picture.width as i32, picture.height as i32);
        let frame = [size * -3, size * 4];
        let [low, high] = match scene.camera.faces(instance) {
            true => scene.camera.extent(instance),
            false => frame.map(IVec2::as_vec2),
        };
        let low = low.floor().as_ivec2().max(frame[0]);
        let high = high.ceil().as_ivec2().min(frame[1]);
        let mut alone = Alone {
            covered: 0,
            bounds: [IVec2::MAX, IVec2::MIN],
            inside: vec![false; picture.area()],
        };
        let origin = scene.camera.position;
        for (y, x) in (low.y..=high.y).flat_map(|y| (low.x..=high.x).map(move |x| (y, x))) {
            let direction = scene.camera.direction(x as f32 + 0.5, y as f32 + 0.5);
            if instance.hit(origin, direction, f32::INFINITY).is_some() {
                alone.add(IVec2::new(x, y), size);
            }
        }
        alone
    }

    fn add(&mut self, pixel: IVec2, size: IVec2) {
        self.covered += 1;
        self.bounds = [self.bounds[0].min(pixel), self.bounds[1].max(pixel)];
        if pixel.cmpge(IVec2::ZERO).all() && pixel.cmplt(size).all() {
            self.inside[(pixel.y * size.x + pixel.x) as usize] = true;
        }
    }

    /// The visible fraction of an instance of which so many pixels are seen.
    fn shows(&self, visible: usize) -> f32 {
        visible as f32 / self.covered.max(visible).max(1) as f32
    }

    /// The share beyond the picture.
    fn truncation(&self) -> f32 {
        let inside = self.inside.iter().filter(|inside| **inside).count();
        1.0 - inside as f32 / self.covered.max(1) as f32
    }

    /// Box and mask; there must be a pixel.
    fn amodal(&self, size: Extent) -> Amodal {
        let [low, high] = self.bounds;
        let sides = high - low + 1;
        Amodal {
            bbox_xywh: [low.x, low.y, sides.x, sides.y].map(|value| value as f32),
            mask: Some(Mask::from_bitmap(&self.inside, size.width, size.height)),
        }
    }
}

/// Least and greatest corner in the coordinates of the file, which the pose counts in.
fn box_3d(model: &Model) -> [f32; 6] {
    let [[a, b, c], [d, e, f]] = model
        .bounds
        .map(|corner| (corner + model.origin).to_array());
    [a, b, c, d, e, f]
}

/// Object to camera, row-major 3×4.
pub(super) fn pose(scene: &Scene, instance: &Instance) -> [f32; 12] {
    let rotation = scene.camera.rotation * instance.rotation;
    // That of the file, also where the model's coordinates count from elsewhere.
    let origin = instance.to_world(Vec3A::ZERO - instance.model.origin);
    let shift = scene.camera.rotation * (origin - scene.camera.position);
    let mut pose = [0.0; 12];
    for (row, out) in pose.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let r = rotation.row(row);
        *out = [r.x, r.y, r.z, shift[row]];
    }
    pose
}
