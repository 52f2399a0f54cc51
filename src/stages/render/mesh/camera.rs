//! The camera: where it stands, what it looks at, and how it maps the world to pixels.

use std::f32::consts::TAU;

use glam::{Mat3A, Vec2, Vec3A, vec2, vec3a};

use super::config::{Viewpoint, draw};
use super::scene::{Instance, Scene};
use crate::sample::{self, Extent};
use crate::seed::Stream;

/// What a camera looks at: an object, or all of a scene.
pub(super) struct Focus {
    centre: Vec3A,
    /// Distance from the middle to the farthest point.
    radius: f32,
    /// Longest side of a box around it.
    size: f32,
    /// Its outermost points, in the world.
    points: Vec<Vec3A>,
}

impl Focus {
    pub(super) fn of(instance: &Instance) -> Self {
        let hull = instance.model.hull.iter();
        Focus {
            centre: instance.centre,
            radius: instance.model.radius,
            size: instance.model.size,
            points: hull.map(|&v| instance.to_world(v)).collect(),
        }
    }

    /// All labelled objects but those that rolled far away, or, without any, whatever lies there; a place of the
    /// size of some objects if nothing does. `unit` is the mean size of an object.
    pub(super) fn of_all(instances: &[Instance], unit: f32) -> Self {
        /// Times the median distance from the middle, beyond which an object is far away.
        const FAR: f32 = 3.0;
        let labelled = |wanted| instances.iter().filter(move |i| i.labelled == wanted);
        let mut chosen: Vec<&Instance> = labelled(true).collect();
        if chosen.is_empty() {
            chosen = labelled(false).collect();
        }
        let middle = chosen.iter().map(|i| i.centre).sum::<Vec3A>() / chosen.len().max(1) as f32;
        let away = |i: &Instance| i.centre.distance(middle);
        let mut distances: Vec<f32> = chosen.iter().map(|i| away(i)).collect();
        distances.sort_by(f32::total_cmp);
        let median = distances
            .get(distances.len() / 2)
            .map_or(0.0, |&d| d.max(unit));
        chosen.retain(|i| away(i) <= FAR * median);
        let mut points: Vec<Vec3A> = chosen.iter().flat_map(|i| Focus::of(i).points).collect();
        if points.is_empty() {
            let corners = [-1.0, 1.0].map(|x| [-1.0, 1.0].map(|z| vec3a(x, 0.0, z) * (2.0 * unit)));
            points = corners.concat();
        }
        let (low, high) = points
            .iter()
            .fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), p| {
                (l.min(*p), h.max(*p))
            });
        let centre = (low + high) / 2.0;
        Focus {
            centre,
            radius: points
                .iter()
                .map(|p| p.distance(centre))
                .fold(0.0, f32::max),
            size: (high - low).max_element(),
            points,
        }
    }
}

/// A pinhole camera; x right, y down, looking along z.
#[derive(Clone)]
pub(super) struct Camera {
    pub position: Vec3A,
    /// World to camera.
    pub rotation: Mat3A,
    pub intrinsics: sample::Camera,
}

/// A lens that is open so far that not everything is sharp.
pub(super) struct Aperture {
    /// In metres.
    radius: f32,
    /// Distance of what is sharp from the camera's plane, in metres.
    focus: f32,
}

impl Aperture {
    /// The lens is focused on the first instance; a point that lies an object's size before or behind its middle is a
    /// disc of so many `pixels` across.
    pub(super) fn new(scene: &Scene, pixels: f32) -> Self {
        let (camera, object) = (&scene.camera, &scene.instances[0]);
        let focus = camera.rotation.row(2).dot(object.centre - camera.position);
        let behind = focus + object.model.size;
        let diameter = pixels * focus * behind / (camera.intrinsics.fx * object.model.size);
        Aperture {
            radius: diameter / 2.0,
            focus,
        }
    }
}

/// What the camera's distance follows from.
enum Wanted {
    /// Width of the picture at the table, in metres.
    Field(f32),
    /// In metres.
    Distance(f32),
    /// Longer side of the object's box in the picture.
    Pixels(f32),
}

impl Camera {
    /// Stands off as far as the field, or the object's drawn size in the picture, asks for.
    pub(super) fn draw(
        ranges: &Viewpoint,
        focus: &Focus,
        size: Extent,
        stream: &mut Stream,
    ) -> Self {
        let sides = vec2(size.width as f32, size.height as f32);
        let fov = draw(stream, ranges.fov_degrees).to_radians();
        let tilt = draw(stream, ranges.tilt_degrees).to_radians();
        let roll = draw(stream, ranges.roll_degrees).to_radians();
        let wanted = match (ranges.field_metres, ranges.distance_metres) {
            (Some(field), _) => Wanted::Field(draw(stream, field)),
            (None, Some(distance)) => Wanted::Distance(draw(stream, distance)),
            (None, None) => Wanted::Pixels(draw(stream, ranges.object_scale) * sides.min_element()),
        };
        let mut shift = |side: f32| {
            let range = [-1.0, 1.0].map(|sign: f32| sign * ranges.off_centre * side);
            draw(stream, range)
        };
        let shift = vec2(shift(sides.x), shift(sides.y));

        let away = vec3a(0.0, tilt.cos(), tilt.sin());
        let down = vec3a(0.0, -tilt.sin(), tilt.cos());
        let (sin, cos) = roll.sin_cos();
        let right = Vec3A::X * cos + down * sin;
        let down = down * cos - Vec3A::X * sin;
        let focal = sides.y / 2.0 / (fov / 2.0).tan();
        let mut camera = Camera {
            position: Vec3A::ZERO,
            rotation: Mat3A::from_cols(right, down, -away).transpose(),
            intrinsics: sample::Camera {
                fx: focal,
                fy: focal,
                cx: sides.x / 2.0,
                cy: sides.y / 2.0,
            },
        };
        // Never inside the object, however much of the picture it is to fill.
        let least = focus.radius * 1.5;
        match wanted {
            Wanted::Field(metres) => {
                // The distance to the table counts, so that a higher object comes nearer.
                let height = focus.centre.y / tilt.cos();
                let distance = (metres * focal / sides.x - height).max(least);
                camera.position = focus.centre + away * distance;
            }
            Wanted::Distance(metres) => {
                camera.position = focus.centre + away * metres.max(least);
            }
            Wanted::Pixels(pixels) => {
                let mut distance = focus.size * focal / pixels;
                camera.position = focus.centre + away * distance;
                for _ in 0..4 {
                    let [low, high] = camera.bounds(&focus.points);
                    distance *= (high - low).max_element() / pixels;
                    distance = distance.max(least);
                    camera.position = focus.centre + away * distance;
                }
            }
        }
        let [low, high] = camera.bounds(&focus.points);
        let offset = sides / 2.0 + shift - (low + high) / 2.0;
        camera.intrinsics.cx += offset.x;
        camera.intrinsics.cy += offset.y;
        camera
    }

    /// Direction of the ray through a point of the picture in pixels; unit length.
    pub(super) fn direction(&self, x: f32, y: f32) -> Vec3A {
        let c = &self.intrinsics;
        let inside = vec3a((x - c.cx) / c.fx, (y - c.cy) / c.fy, 1.0);
        (self.rotation.transpose() * inside).normalize()
    }

    /// Origin and direction of a ray through `point`, of the unit square, of an open aperture.
    pub(super) fn ray(
        &self,
        x: f32,
        y: f32,
        aperture: &Aperture,
        (u, v): (f32, f32),
    ) -> (Vec3A, Vec3A) {
        let (radius, direction) = (aperture.radius * u.sqrt(), self.direction(x, y));
        let (sin, cos) = (v * TAU).sin_cos();
        let to_world = self.rotation.transpose();
        let origin = self.position + to_world * (vec3a(cos, sin, 0.0) * radius);
        let along = direction.dot(to_world.z_axis);
        let sharp = self.position + direction * (aperture.focus / along);
        (origin, (sharp - origin).normalize())
    }

    /// Pixels of a point of the world.
    pub(super) fn project(&self, point: Vec3A) -> Vec2 {
        let c = &self.intrinsics;
        let p = self.rotation * (point - self.position);
        vec2(p.x / p.z * c.fx + c.cx, p.y / p.z * c.fy + c.cy)
    }

    /// Whether all of an instance lies before the camera.
    pub(super) fn faces(&self, instance: &Instance) -> bool {
        let axis = self.rotation.row(2);
        axis.dot(instance.centre - self.position) > instance.model.radius
    }

    /// The box of an instance in pixels, not cut by the frame: lowest and highest corner. It must lie before the
    /// camera.
    pub(super) fn extent(&self, instance: &Instance) -> [Vec2; 2] {
        self.bounds(&Focus::of(instance).points)
    }

    /// The box of points before the camera in pixels.
    fn bounds(&self, points: &[Vec3A]) -> [Vec2; 2] {
        let pixels = points.iter().map(|&point| self.project(point));
        pixels.fold([Vec2::INFINITY, Vec2::NEG_INFINITY], |[low, high], p| {
            [low.min(p), high.max(p)]
        })
    }
}
