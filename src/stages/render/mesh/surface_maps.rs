//! Maps of the surfaces that the labels' rays meet: their normals and their colours without light.

use glam::{Vec3, Vec3A};

use super::labels::Buffer;
use super::scene::Scene;
use super::spot::Spot;
use super::trace::{Hit, Target};
use crate::sample::maps::{Value, albedo, normals};

impl Buffer {
    /// The map of normals; those of objects as pictures of normals bend them.
    pub(super) fn normals(&self, scene: &Scene) -> Vec<Value> {
        self.map(scene, normals::MAP.nothing, |target| {
            let normal = match target {
                At::Table(_) => Vec3A::Y,
                At::Object(spot) => spot.normal(),
            };
            normals::value(Vec3::from(scene.camera.rotation * normal))
        })
    }

    /// The map of colours. Of what stands in the table's place, if `has_backdrop`, only the picture is known.
    pub(super) fn albedo(&self, scene: &Scene, has_backdrop: bool) -> Vec<Value> {
        self.map(scene, albedo::MAP.nothing, |target| match target {
            At::Table(_) if has_backdrop => albedo::MAP.nothing,
            At::Table(point) => albedo::value(scene.table.colour_at(point).to_array()),
            At::Object(spot) => albedo::value(spot.finish().colour.to_array()),
        })
    }

    /// A value for every pixel, row by row; `nothing` where there is only sky.
    fn map(&self, scene: &Scene, nothing: Value, value: impl Fn(At) -> Value) -> Vec<Value> {
        let width = self.size.width as usize;
        let of = |(i, hit): (usize, &Option<Hit>)| {
            let Some(Hit { distance, target }) = *hit else {
                return nothing;
            };
            let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
            let direction = scene.camera.direction(x, y);
            value(match target {
                Target::Table => At::Table(scene.camera.position + direction * distance),
                Target::Instance(number, triangle) => {
                    let instance = &scene.instances[number];
                    At::Object(Spot::new(scene, instance, triangle, (distance, direction)))
                }
            })
        };
        self.hits.iter().enumerate().map(of).collect()
    }
}

/// What a ray meets.
enum At<'a> {
    /// The table at this point of the world.
    Table(Vec3A),
    Object(Spot<'a>),
}
