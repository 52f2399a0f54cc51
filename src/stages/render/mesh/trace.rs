//! Rays through a scene: what they meet, and whether light gets past.

use glam::Vec3A;

use super::scene::{Instance, Scene};

/// What a ray meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Triangle of the instance with this number.
    Instance(usize, usize),
    Table,
}

/// The nearest thing on a ray.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Metres along the ray.
    pub distance: f32,
    pub target: Target,
}

impl Instance<'_> {
    /// Whether the ray comes within the bounding sphere, ahead of its origin.
    fn near(&self, origin: Vec3A, direction: Vec3A) -> bool {
        let to_centre = self.centre - origin;
        let ahead = to_centre.dot(direction);
        let radius2 = self.model.radius * self.model.radius;
        let distance2 = to_centre.length_squared();
        distance2 - ahead * ahead <= radius2 && (ahead > 0.0 || distance2 <= radius2)
    }

    fn to_object(&self, origin: Vec3A, direction: Vec3A) -> (Vec3A, Vec3A) {
        // A rotation's inverse is its transpose.
        let turn = self.rotation.transpose();
        (
            turn * (origin - self.centre) + self.model.centre,
            turn * direction,
        )
    }

    /// A point of the world in the model's coordinates.
    pub fn to_model(&self, point: Vec3A) -> Vec3A {
        self.rotation.transpose() * (point - self.centre) + self.model.centre
    }

    /// Distance and triangle of the first hit within `farthest` metres.
    pub fn hit(&self, origin: Vec3A, direction: Vec3A, farthest: f32) -> Option<(f32, usize)> {
        if !self.near(origin, direction) {
            return None;
        }
        let (origin, direction) = self.to_object(origin, direction);
        self.model.hit(origin, direction, farthest)
    }

    fn blocks(&self, origin: Vec3A, direction: Vec3A) -> bool {
        self.near(origin, direction) && {
            let (origin, direction) = self.to_object(origin, direction);
            self.model.blocks(origin, direction)
        }
    }
}

impl Scene<'_> {
    /// The first thing on a ray; `direction` has unit length.
    pub fn hit(&self, origin: Vec3A, direction: Vec3A) -> Option<Hit> {
        let mut nearest = (direction.y < 0.0).then(|| Hit {
            distance: -origin.y / direction.y,
            target: Target::Table,
        });
        for (number, instance) in self.instances.iter().enumerate() {
            let farthest = nearest.map_or(f32::INFINITY, |hit| hit.distance);
            if let Some((distance, triangle)) = instance.hit(origin, direction, farthest) {
                nearest = Some(Hit {
                    distance,
                    target: Target::Instance(number, triangle),
                });
            }
        }
        nearest
    }

    /// An instance between `origin` and the sky in this direction.
    pub fn blocker(&self, origin: Vec3A, direction: Vec3A) -> Option<&Instance<'_>> {
        self.instances
            .iter()
            .find(|instance| instance.blocks(origin, direction))
    }
}
