//! What stands before the camera: every random choice of a picture, drawn from its one stream.
//!
//! The world is in metres with +y up; the table is the plane y = 0.

use std::f32::consts::TAU;

use glam::{Mat3A, Quat, Vec2, Vec3A, vec2, vec3a};
use rand::RngExt;

use super::Mesh;
use super::camera::{Camera, Focus};
use super::cast::Cast;
use super::config::{Lie, Lighting, Pose, Surfaces, draw};
use super::environment::Environment;
use super::geometry::Face;
use super::model::Model;
use super::surface::{Surface, Table};
use super::trace::Spheres;
use crate::sample::Extent;
use crate::seed::Stream;

/// How far above the table an object lies, over its size: a flat one would else be in the table's plane, and
/// as often below as above it.
const LIFT: f32 = 5e-4;

/// One picture's content.
pub(super) struct Scene<'a> {
    pub camera: Camera,
    /// The object of the picture first, then its neighbours; of a composed scene, objects first.
    pub instances: Vec<Instance<'a>>,
    /// Whether it is of many objects, so that none is that of the picture.
    pub is_composed: bool,
    /// Around the instances.
    pub spheres: Spheres,
    pub table: Table,
    pub light: Light<'a>,
    /// For the noise of shading, the lens and the sensor.
    pub noise: u32,
}

impl<'a> Scene<'a> {
    /// Draws a scene whose object shows `class`, one of its model's faces.
    pub(super) fn draw(
        mesh: &Mesh,
        (model, class): (&'a Model, usize),
        cast: &'a Cast,
        environment: &'a Environment,
        size: Extent,
        stream: &mut Stream,
    ) -> Self {
        let kind = (&mesh.lie, &mesh.surfaces);
        let mut main = Instance::draw(kind, model, class, stream);
        main.place(Vec2::ZERO);
        let camera = Camera::draw(&mesh.camera, &Focus::of(&main), size, stream);
        let mut instances = vec![main];
        let [fewest, most] = mesh.neighbours.count;
        for _ in 0..stream.random_range(fewest..=most) {
            // Mostly the same kind of object, since sets are photographed together.
            let model = match stream.random_bool(0.6) {
                true => model,
                false => cast.any(stream),
            };
            let class = stream.random_range(0..model.faces.len());
            let mut neighbour = Instance::draw(kind, model, class, stream);
            let gap = draw(stream, mesh.neighbours.gap) * model.size;
            let (sin, cos) = stream.random_range(0.0..TAU).sin_cos();
            neighbour.push_away(vec2(cos, sin), gap, &instances);
            instances.push(neighbour);
        }
        Scene {
            camera,
            spheres: Spheres::new(&instances),
            instances,
            is_composed: false,
            table: Table::draw(&mesh.table, model.size, stream),
            light: Light::draw(&mesh.lighting, environment, stream),
            noise: stream.random(),
        }
    }
}

/// One object that lies on the table.
#[derive(Clone)]
pub(super) struct Instance<'a> {
    pub model: &'a Model,
    pub class: usize,
    /// Whether it is an object of the labels.
    pub labelled: bool,
    /// Object to world.
    pub rotation: Mat3A,
    /// Where the middle of the model's box is, in the world.
    pub centre: Vec3A,
    /// Of each material of the model.
    pub surfaces: Vec<Surface>,
    /// Half width and half depth of the box that it stands on, and the direction of its width.
    half: Vec2,
    along: Vec2,
}

impl<'a> Instance<'a> {
    /// Draws how it lies and what it looks like.
    pub(super) fn draw(
        (lie, surfaces): (&Lie, &Surfaces),
        model: &'a Model,
        class: usize,
        stream: &mut Stream,
    ) -> Self {
        let turns = &lie.turns_degrees;
        let yaw = match turns.is_empty() {
            true => stream.random_range(0.0..TAU),
            false => turns[stream.random_range(0..turns.len())].to_radians(),
        };
        let upright = Mat3A::from_quat(upright(lie.pose, model, class, stream));
        let (mut low, mut high) = (Vec3A::INFINITY, Vec3A::NEG_INFINITY);
        for &vertex in &model.hull {
            let turned = upright * (vertex - model.centre);
            (low, high) = (low.min(turned), high.max(turned));
        }
        let surfaces = Surface::draw_all(surfaces, model, stream);
        Instance {
            model,
            class,
            labelled: true,
            rotation: Mat3A::from_quat(Quat::from_rotation_y(yaw)) * upright,
            // Resting on the lowest vertex.
            centre: vec3a(0.0, LIFT * model.size - low.y, 0.0),
            surfaces,
            half: vec2(high.x.max(-low.x), high.z.max(-low.z)),
            along: vec2(yaw.cos(), -yaw.sin()),
        }
    }

    /// The same, not an object of the labels.
    pub(super) fn unlabelled(self) -> Self {
        Instance {
            labelled: false,
            ..self
        }
    }

    pub(super) fn place(&mut self, ground: Vec2) {
        (self.centre.x, self.centre.z) = (ground.x, ground.y);
    }

    /// Stands as it was modelled, in the middle of the table.
    pub(super) fn stand(&mut self) {
        (self.rotation, self.centre) = (Mat3A::IDENTITY, Vec3A::ZERO);
        self.lift(0.0);
    }

    /// Turned as it fell; if its model has named faces, its class is the one on top.
    pub(super) fn turn(&mut self, rotation: Mat3A) {
        self.rotation = rotation;
        let up = |face: &Face| (rotation * (face.upright.inverse() * Vec3A::Y)).y;
        if self.model.has_named_faces() {
            let faces = self.model.faces.iter().map(up).enumerate();
            self.class = faces
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(face, _)| face);
        }
    }

    /// Raises it, if need be, until it is a hair above a floor of this height.
    pub(super) fn lift(&mut self, floor: f32) {
        let hull = self.model.hull.iter();
        let lowest = hull
            .map(|&v| self.to_world(v).y)
            .fold(f32::INFINITY, f32::min);
        self.centre.y += (floor + LIFT * self.model.size - lowest).max(0.0);
    }

    fn ground(&self) -> Vec2 {
        vec2(self.centre.x, self.centre.z)
    }

    /// Moves from the first of `others` along `direction` until it touches none, and `gap` further.
    fn push_away(&mut self, direction: Vec2, gap: f32, others: &[Instance]) {
        let step = self.model.size * 0.02;
        let start = others.first().map_or(Vec2::ZERO, Instance::ground);
        let mut distance = 0.0;
        self.place(start);
        while others.iter().any(|other| self.overlaps(other)) {
            distance += step;
            self.place(start + direction * distance);
        }
        self.place(start + direction * (distance + gap));
        while others.iter().any(|other| self.overlaps(other)) {
            distance += step;
            self.place(start + direction * (distance + gap));
        }
    }

    /// The same, moved on the table and turned about the vertical through its middle, in radians.
    pub(super) fn moved(&self, shift: Vec2, turn: f32) -> Self {
        let mut moved = self.clone();
        moved.place(self.ground() + shift);
        moved.rotation = Mat3A::from_rotation_y(turn) * self.rotation;
        moved.along = Vec2::from_angle(-turn).rotate(self.along);
        moved
    }

    /// Whether the boxes that both stand on overlap (separating axes).
    pub(super) fn overlaps(&self, other: &Instance) -> bool {
        let between = other.ground() - self.ground();
        let axes = [
            self.along,
            self.along.perp(),
            other.along,
            other.along.perp(),
        ];
        axes.iter().all(|&axis| {
            let reach = |i: &Instance| {
                i.half.x * i.along.dot(axis).abs() + i.half.y * i.along.perp().dot(axis).abs()
            };
            between.dot(axis).abs() < reach(self) + reach(other)
        })
    }

    pub(super) fn face(&self) -> &'a Face {
        &self.model.faces[self.class]
    }

    /// From the model's coordinates to the world.
    pub(super) fn to_world(&self, point: Vec3A) -> Vec3A {
        self.rotation * (point - self.model.centre) + self.centre
    }
}

/// Uniform over all rotations (Shoemake 1992).
pub(super) fn any_rotation(stream: &mut Stream) -> Quat {
    let [u, v, w]: [f32; 3] = std::array::from_fn(|_| stream.random());
    let (a, b) = ((v * TAU).sin_cos(), (w * TAU).sin_cos());
    let (p, q) = ((1.0 - u).sqrt(), u.sqrt());
    Quat::from_xyzw(p * a.0, p * a.1, q * b.0, q * b.1).normalize()
}

/// Turns the model so that it lies as it is to.
fn upright(pose: Pose, model: &Model, class: usize, stream: &mut Stream) -> Quat {
    if pose == Pose::Free && !model.has_named_faces() {
        return any_rotation(stream);
    }
    if model.stable_poses.is_empty() {
        return model.faces[class].upright;
    }
    let total: f32 = model.stable_poses.iter().map(|pose| pose.weight).sum();
    let mut left = stream.random::<f32>() * total;
    let chosen = model.stable_poses.iter().find(|pose| {
        left -= pose.weight;
        left < 0.0
    });
    chosen.unwrap_or(&model.stable_poses[0]).upright
}

/// What lights the scene: the environment and one lamp.
#[derive(Clone)]
pub(super) struct Light<'a> {
    pub environment: &'a Environment,
    /// Factor on the environment's light, colour included.
    pub environment_strength: Vec3A,
    /// Share of it that comes evenly from all around.
    pub even: f32,
    /// Sine and cosine of the environment's turn.
    pub turn: (f32, f32),
    /// Towards the middle of the lamp.
    pub lamp: Vec3A,
    /// Angular radius in radians.
    pub lamp_radius: f32,
    /// Radiance of a white matt surface that the lamp lights head on.
    pub lamp_strength: Vec3A,
    /// Angles in radians about the direction to the camera: within the first next to nothing is
    /// mirrored, beyond the second everything.
    pub photographer: [f32; 2],
}

impl<'a> Light<'a> {
    pub(super) fn draw(
        ranges: &Lighting,
        environment: &'a Environment,
        stream: &mut Stream,
    ) -> Self {
        let mut tint = || 1.0 + draw(stream, [-ranges.tint, ranges.tint]);
        let tint = vec3a(tint(), 1.0, tint());
        let exposure = draw(stream, ranges.exposure);
        let share = draw(stream, ranges.lamp_share);
        let turn = draw(stream, ranges.rotation_degrees).to_radians();
        let elevation = draw(stream, ranges.lamp_elevation_degrees).to_radians();
        let (sin, cos) = stream.random_range(0.0..TAU).sin_cos();
        Light {
            environment,
            environment_strength: tint * exposure * (1.0 - share),
            even: draw(stream, ranges.even_share),
            turn: turn.sin_cos(),
            lamp: vec3a(
                elevation.cos() * cos,
                elevation.sin(),
                elevation.cos() * sin,
            ),
            lamp_radius: draw(stream, ranges.lamp_radius_degrees).to_radians(),
            photographer: ranges.photographer_degrees.map(f32::to_radians),
            lamp_strength: tint * exposure * share / elevation.sin(),
        }
    }

    /// A direction of the world in the environment's own coordinates.
    pub(super) fn inward(&self, direction: Vec3A) -> Vec3A {
        let (sin, cos) = self.turn;
        vec3a(
            cos * direction.x + sin * direction.z,
            direction.y,
            cos * direction.z - sin * direction.x,
        )
    }

    /// The inverse of [`Light::inward`].
    pub(super) fn outward(&self, direction: Vec3A) -> Vec3A {
        let (sin, cos) = self.turn;
        vec3a(
            cos * direction.x - sin * direction.z,
            direction.y,
            cos * direction.z + sin * direction.x,
        )
    }
}
