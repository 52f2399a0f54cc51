//! Maps of the surfaces that the labels' rays meet: their normals and their colours without light.

use glam::{Vec2, Vec3, Vec3A, vec2};

use super::labels::Buffer;
use super::scene::Scene;
use super::spot::Spot;
use super::trace::{Hit, Target};
use crate::sample::maps::{Value, albedo, flow, normals};

impl Buffer {
    /// The map of normals; those of objects as pictures of normals bend them.
    pub(super) fn normals(&self, scene: &Scene) -> Vec<Value> {
        self.map(scene, normals::MAP.nothing, |target| {
            let normal = match target {
                At::Table(..) => Vec3A::Y,
                At::Object(spot) => spot.normal(),
            };
            normals::value(Vec3::from(scene.camera.rotation * normal))
        })
    }

    /// The map of colours. Of what stands in the table's place, if `has_backdrop`, only the picture is known.
    pub(super) fn albedo(&self, scene: &Scene, has_backdrop: bool) -> Vec<Value> {
        self.map(scene, albedo::MAP.nothing, |target| match target {
            At::Table(..) if has_backdrop => albedo::MAP.nothing,
            At::Table(point, reach) => {
                albedo::value(scene.table.colour_at(point, reach).to_array())
            }
            At::Object(spot) => albedo::value(spot.finish().colour.to_array()),
        })
    }

    /// The map of motions to the `next` scene, in which the same objects and the camera are elsewhere. What stands in
    /// the table's place, if `has_backdrop`, has no place of its own.
    pub(super) fn flow(&self, scene: &Scene, next: &Scene, has_backdrop: bool) -> Vec<Value> {
        let width = self.size.width as usize;
        let slack = 1e-3 * scene.instances[0].model.size;
        let of = |(i, hit): (usize, &Option<Hit>)| {
            let middle = vec2((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
            let point = |distance: f32| {
                scene.camera.position + scene.camera.direction(middle.x, middle.y) * distance
            };
            let moved = match *hit {
                Some(Hit {
                    distance,
                    target: Target::Instance(number, _),
                }) => {
                    let inside = scene.instances[number].to_model(point(distance));
                    next.instances[number].to_world(inside)
                }
                Some(Hit {
                    distance,
                    target: Target::Table,
                }) if !has_backdrop => point(distance),
                _ => return flow::MAP.nothing,
            };
            let way = moved - next.camera.position;
            if next.camera.rotation.row(2).dot(way) <= 0.0 {
                return flow::MAP.nothing;
            }
            let to = next.camera.project(moved);
            let sides = vec2(self.size.width as f32, self.size.height as f32);
            let distance = way.length();
            let is_seen = to.cmpge(Vec2::ZERO).all()
                && to.cmplt(sides).all()
                && next
                    .hit(next.camera.position, way / distance)
                    .is_none_or(|hit| hit.distance > distance - slack);
            flow::value((to - middle).to_array(), is_seen)
        };
        self.hits.iter().enumerate().map(of).collect()
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
                Target::Table => At::Table(
                    scene.camera.position + direction * distance,
                    0.5 * distance / scene.camera.intrinsics.fx,
                ),
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
    /// The table at this point of the world, and how many metres the pixel covers there.
    Table(Vec3A, f32),
    Object(Spot<'a>),
}
