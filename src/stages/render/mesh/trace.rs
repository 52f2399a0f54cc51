//! Rays through a scene: what they meet, and whether light gets past.
//!
//! A ray is first held against the bounding spheres of all instances, four at a time, then traced
//! through the models whose spheres it meets. Of several instances that block the light, or that lie at
//! one distance, the first in number counts.

use glam::{Vec3A, Vec4};
use obvhs::ray::Ray;

use super::model::Sight;
use super::scene::{Instance, Scene};

/// What a ray meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Triangle of the instance with this number.
    Instance(usize, usize),
    Table,
}

/// The nearest thing on a ray.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// Metres along the ray.
    pub distance: f32,
    pub target: Target,
}

/// The bounding spheres of all instances of a scene.
pub(super) struct Spheres(Vec<Four>);

/// Four spheres side by side.
struct Four {
    x: Vec4,
    y: Vec4,
    z: Vec4,
    /// Squared radius, in square metres.
    radius2: Vec4,
}

impl Spheres {
    pub(super) fn new(instances: &[Instance]) -> Self {
        let four = |chunk: &[Instance]| {
            let lane = |value: fn(&Instance) -> f32, none: f32| {
                Vec4::from_array(std::array::from_fn(|i| chunk.get(i).map_or(none, value)))
            };
            Four {
                x: lane(|instance| instance.centre.x, 0.0),
                y: lane(|instance| instance.centre.y, 0.0),
                z: lane(|instance| instance.centre.z, 0.0),
                // No ray meets a sphere that is not there.
                radius2: lane(|instance| instance.model.radius.powi(2), f32::NEG_INFINITY),
            }
        };
        Spheres(instances.chunks(4).map(four).collect())
    }

    /// Numbers of the instances whose spheres lie on the ray, ahead of its origin, in order.
    fn on(&self, origin: Vec3A, direction: Vec3A) -> impl Iterator<Item = usize> {
        let met = move |four: &Four| four.met_by(origin, direction);
        let fours = self.0.iter().map(met).enumerate();
        fours.filter(|(_, met)| *met != 0).flat_map(|(i, met)| {
            let lanes = (0..4).filter(move |lane| met >> lane & 1 == 1);
            lanes.map(move |lane| 4 * i + lane)
        })
    }
}

/// By how much a squared radius is taken too large, so that no rounding takes a corner from an object: as a share of
/// itself, and of the squared distance.
const WIDER: f32 = 1.002;
const ROUNDING: f32 = 2e-10;

impl Four {
    /// Which spheres the ray meets, the first in the lowest bit.
    fn met_by(&self, origin: Vec3A, direction: Vec3A) -> u32 {
        let (x, y, z) = (self.x - origin.x, self.y - origin.y, self.z - origin.z);
        let ahead = x * direction.x + y * direction.y + z * direction.z;
        let distance2 = x * x + y * y + z * z;
        // From far away, the difference of the squares would lose the digits that matter.
        let across = [
            x - ahead * direction.x,
            y - ahead * direction.y,
            z - ahead * direction.z,
        ];
        let [x, y, z] = across.map(|side| side * side);
        let beside = (x + y + z).cmple(self.radius2 * WIDER + distance2 * ROUNDING);
        let before = ahead.cmpgt(Vec4::ZERO) | distance2.cmple(self.radius2);
        (beside & before).bitmask()
    }
}

impl Instance<'_> {
    /// A ray of the world in the model's coordinates.
    fn ray_to_model(&self, origin: Vec3A, direction: Vec3A, farthest: f32) -> Ray {
        let direction = self.rotation.transpose() * direction;
        Ray::new(self.to_model(origin), direction, 0.0, farthest)
    }

    /// A point of the world in the model's coordinates.
    pub(super) fn to_model(&self, point: Vec3A) -> Vec3A {
        // A rotation's inverse is its transpose.
        self.rotation.transpose() * (point - self.centre) + self.model.centre
    }

    /// Distance and triangle of the first hit within `farthest` metres, as labels see it.
    pub(super) fn hit(
        &self,
        origin: Vec3A,
        direction: Vec3A,
        farthest: f32,
    ) -> Option<(f32, usize)> {
        let ray = self.ray_to_model(origin, direction, farthest);
        self.model.hit(ray, Sight::Labels)
    }

    fn blocks(&self, origin: Vec3A, direction: Vec3A) -> bool {
        let ray = self.ray_to_model(origin, direction, f32::INFINITY);
        self.model.blocks(ray)
    }
}

impl Scene<'_> {
    /// The first thing on a ray, as labels see it; `direction` has unit length.
    pub(super) fn hit(&self, origin: Vec3A, direction: Vec3A) -> Option<Hit> {
        self.first(origin, direction, Sight::Labels)
    }

    /// As [`Scene::hit`], as light sees it: sample number `sample` of the pixel with the random word `pixel`.
    pub(super) fn light_hit(
        &self,
        origin: Vec3A,
        direction: Vec3A,
        (pixel, sample): (u32, u32),
    ) -> Option<Hit> {
        // Multiples of the golden ratio lie evenly between 0 and 1.
        let turn = (sample as f32 * 0.618_034).fract();
        self.first(origin, direction, Sight::Light(pixel, turn))
    }

    fn first(&self, origin: Vec3A, direction: Vec3A, sight: Sight) -> Option<Hit> {
        let mut nearest = (direction.y < 0.0).then(|| Hit {
            // What lies on the table may be a hair below it.
            distance: (-origin.y / direction.y).max(0.0),
            target: Target::Table,
        });
        for number in self.spheres.on(origin, direction) {
            let instance = &self.instances[number];
            let farthest = nearest.map_or(f32::INFINITY, |hit| hit.distance);
            let ray = instance.ray_to_model(origin, direction, farthest);
            if let Some((distance, triangle)) = instance.model.hit(ray, sight) {
                nearest = Some(Hit {
                    distance,
                    target: Target::Instance(number, triangle),
                });
            }
        }
        nearest
    }

    /// An instance between `origin` and the sky in this direction.
    pub(super) fn blocker(&self, origin: Vec3A, direction: Vec3A) -> Option<&Instance<'_>> {
        let on = self.spheres.on(origin, direction);
        on.map(|number| &self.instances[number])
            .find(|instance| instance.blocks(origin, direction))
    }
}
