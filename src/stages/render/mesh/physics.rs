//! How dropped objects come to rest: rigid bodies in the hands of `rapier3d`, in fixed steps on one thread and without
//! operations that differ from processor to processor.
//!
//! A body is the convex hull of its model. It holds all of the model, whether this is closed or not and whichever way
//! its triangles face, so that objects are never in each other; of hollow ones only the outside counts.

use std::f32::consts::{PI, TAU};

use glam::{Mat3A, Quat, Vec2, Vec3, Vec3A, vec2, vec3a};
use rand::RngExt;
use rapier3d::prelude::{
    BroadPhaseBvh, CCDSolver, ColliderBuilder, ColliderSet, ImpulseJointSet, IntegrationParameters,
    IslandManager, MultibodyJointSet, NarrowPhase, PhysicsPipeline, Pose, RigidBodyBuilder,
    RigidBodyHandle, RigidBodySet, Rotation, SharedShape, SoftBodySet, Vector,
};

use super::made::Tray;
use super::model::Model;
use super::scene::{Instance, any_rotation};
use crate::seed::Stream;

/// Steps of a sixtieth of a second; what is not at rest by then is left as it is.
const MOST_STEPS: usize = 600;

const FRICTION: f32 = 0.6;
const RESTITUTION: f32 = 0.15;

/// Room between bodies that touch, over the objects' mean size.
const SKIN: f32 = 1e-3;

/// Half the thickness of what is flat, over its size.
const THINNEST: f32 = 4e-3;

/// What the solver takes for a metre, in mean sizes of the objects: bodies may sink into each other by 0.005 of it.
const LENGTH_UNIT: f32 = 0.1;

/// How far away what has rolled off is left out, over the objects' mean size.
const FARTHEST: f32 = 100.0;

/// Bodies and all that keeps account of them. Lengths are multiples of the objects' mean size, as the solver's
/// tolerances suit bodies of about a metre.
#[derive(Default)]
struct World {
    bodies: RigidBodySet,
    colliders: ColliderSet,
}

/// How instances begin to fall.
#[derive(Clone, Copy)]
pub(super) struct Fall {
    /// Side of the square above which they are, in metres.
    pub side: f32,
    /// The mean size of the objects, in metres.
    pub unit: f32,
    /// How far they may be tipped from how they lie, in radians.
    pub tumble: f32,
}

/// Lets instances fall onto the table, or into a tray, until they rest. Those that roll out of reach are taken out.
pub(super) fn settle(
    instances: &mut Vec<Instance>,
    tray: Option<&Tray>,
    fall: Fall,
    stream: &mut Stream,
) {
    let unit = fall.unit;
    let mut world = World::default();
    let floor = ColliderBuilder::new(SharedShape::halfspace(Vector::Y));
    world.colliders.insert(floor.friction(FRICTION));
    if let Some(tray) = tray {
        world.add_tray(tray, unit);
    }
    let starts = starts(instances, tray, fall, stream);
    let bodies: Vec<RigidBodyHandle> = instances
        .iter()
        .zip(&starts)
        .map(|(instance, start)| world.add(instance.model, *start, unit, stream))
        .collect();
    world.run();
    for (instance, body) in instances.iter_mut().zip(bodies) {
        let pose = world.bodies[body].position();
        let turn = Quat::from_array(pose.rotation.to_array());
        instance.turn(Mat3A::from_quat(turn.normalize()));
        instance.centre = Vec3A::from_array(pose.translation.to_array()) * unit;
        instance.lift(0.0);
    }
    instances.retain(|instance| {
        instance.centre.is_finite()
            && instance.centre.length() < FARTHEST * unit
            && instance.centre.y > 0.0
    });
}

/// Where and how turned instances start: as low as they can be within the square without touching.
fn starts(
    instances: &[Instance],
    tray: Option<&Tray>,
    Fall { side, unit, tumble }: Fall,
    stream: &mut Stream,
) -> Vec<(Vec3A, Quat)> {
    let mut placed: Vec<(Vec3A, f32)> = Vec::with_capacity(instances.len());
    let ground = tray.map_or(0.0, |tray| tray.thickness);
    let start = |instance: &Instance| {
        let radius = instance.model.radius * 1.02;
        let room = tray.map_or(f32::INFINITY, |tray| (tray.side / 2.0 - radius).max(0.0));
        let reach = (side / 2.0).min(room);
        let mut draw = || reach * stream.random_range(-1.0..=1.0_f32);
        let at: Vec2 = vec2(draw(), draw());
        let mut height = ground + radius + 0.2 * unit;
        // Those above others rest on none of them before they fall.
        placed.sort_by(|a, b| a.0.y.total_cmp(&b.0.y));
        for &(other, other_radius) in &placed {
            let beside = at.distance_squared(vec2(other.x, other.z));
            let apart = (radius + other_radius).powi(2);
            if beside < apart {
                let between = (apart - beside).sqrt();
                if (height - other.y).abs() < between {
                    height = other.y + between;
                }
            }
        }
        let centre = vec3a(at.x, height, at.y);
        placed.push((centre, radius));
        (centre, tipped(instance, tumble, stream))
    };
    instances.iter().map(start).collect()
}

/// A rotation in which an instance begins to fall.
fn tipped(instance: &Instance, tumble: f32, stream: &mut Stream) -> Quat {
    if tumble >= PI {
        return any_rotation(stream);
    }
    let axis = Quat::from_rotation_y(stream.random_range(0.0..TAU)) * Vec3::X;
    let lying = Quat::from_mat3a(&instance.rotation);
    Quat::from_axis_angle(axis, stream.random_range(-1.0..=1.0) * tumble) * lying
}

impl World {
    fn add_tray(&mut self, tray: &Tray, unit: f32) {
        let middle = f32::midpoint(tray.height, tray.thickness);
        for [centre, half] in tray.boxes() {
            let (centre, half) = ((centre + Vec3A::Y * middle) / unit, half / unit);
            let wall = ColliderBuilder::cuboid(half.x, half.y, half.z)
                .translation(vector(centre))
                .friction(FRICTION);
            self.colliders.insert(wall);
        }
    }

    /// Adds a body that falls, slightly in motion.
    fn add(
        &mut self,
        model: &Model,
        (centre, turn): (Vec3A, Quat),
        unit: f32,
        stream: &mut Stream,
    ) -> RigidBodyHandle {
        let mut draw = |most: f32| {
            let [x, y, z] = std::array::from_fn(|_| stream.random_range(-most..=most));
            Vector::new(x, y, z)
        };
        let turn = Rotation::from_array(turn.to_array());
        let body = RigidBodyBuilder::dynamic()
            .pose(Pose::from_parts(vector(centre / unit), turn))
            .linvel(draw(0.5))
            .angvel(draw(3.0))
            .linear_damping(0.1)
            .angular_damping(0.4)
            .ccd_enabled(true);
        let body = self.bodies.insert(body);
        let solid = ColliderBuilder::new(hull(model, unit))
            .friction(FRICTION)
            .restitution(RESTITUTION)
            .contact_skin(SKIN);
        self.colliders
            .insert_with_parent(solid, body, &mut self.bodies);
        body
    }

    /// Lets time pass until all bodies are at rest.
    fn run(&mut self) {
        let mut pipeline = PhysicsPipeline::new();
        let (mut islands, mut broad, mut narrow) = (
            IslandManager::new(),
            BroadPhaseBvh::new(),
            NarrowPhase::new(),
        );
        let (mut joints, mut multibodies) = (ImpulseJointSet::new(), MultibodyJointSet::new());
        let (mut soft, mut ccd) = (SoftBodySet::new(), CCDSolver::new());
        let parameters = IntegrationParameters {
            length_unit: LENGTH_UNIT,
            ..IntegrationParameters::default()
        };
        for _ in 0..MOST_STEPS {
            pipeline.step(
                Vector::new(0.0, -9.81, 0.0),
                &parameters,
                &mut islands,
                &mut broad,
                &mut narrow,
                &mut self.bodies,
                &mut self.colliders,
                &mut joints,
                &mut multibodies,
                &mut soft,
                &mut ccd,
                &(),
                &(),
            );
            if self.bodies.iter().all(|(_, body)| body.is_sleeping()) {
                break;
            }
        }
    }
}

fn vector(v: Vec3A) -> Vector {
    Vector::new(v.x, v.y, v.z)
}

/// The convex hull about the middle of the model's box; of what is flat, a thin box.
fn hull(model: &Model, unit: f32) -> SharedShape {
    let points: Vec<Vector> = model
        .hull
        .iter()
        .map(|&p| vector((p - model.centre) / unit))
        .collect();
    let sides = model.sides() / unit;
    let least = THINNEST * sides.max_element();
    let solid = (sides.min_element() > 2.0 * least)
        .then(|| SharedShape::convex_hull(&points))
        .flatten();
    solid.unwrap_or_else(|| {
        let half = (sides / 2.0).max(Vec3A::splat(least));
        SharedShape::cuboid(half.x, half.y, half.z)
    })
}
