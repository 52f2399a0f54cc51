//! How camera and objects move in a clip: at constant velocity, through the scene that was drawn, which is that of
//! the clip's middle.
//!
//! The camera turns about the middle of the picture's object, which therefore stays where it is in the picture but
//! for its own motion. Objects move and turn on the table; those that would run into each other stand still.

use glam::{Mat3A, Vec2, Vec3A, vec2};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::camera::Camera;
use super::config::{Range, Viewpoint, draw};
use super::scene::{Instance, Scene};
use super::surface::hash;
use super::trace::Spheres;
use crate::seed::Stream;

/// Ranges of the motion in clips, drawn for each clip, those of objects for each object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Motion {
    /// Turn of the camera about the vertical through the object, in degrees a frame.
    pub orbit_degrees: Range,
    /// Change of the camera's tilt, in degrees a frame.
    pub tilt_degrees: Range,
    /// Change of the camera's distance from the object, as a share of it a frame; below 0 it comes nearer.
    pub distance: Range,
    /// Way of an object on the table, in its sizes a frame, in any direction.
    pub shift: Range,
    /// Turn of an object about the vertical, in degrees a frame.
    pub spin_degrees: Range,
}

impl Default for Motion {
    fn default() -> Self {
        Motion {
            orbit_degrees: [-3.0, 3.0],
            tilt_degrees: [-0.5, 0.5],
            distance: [-0.01, 0.01],
            shift: [0.0, 0.03],
            spin_degrees: [-4.0, 4.0],
        }
    }
}

/// The steepest look along the table, in degrees.
const MOST_TILT: f32 = 88.0;

impl Motion {
    /// Checks the ranges for clips of `frames` seen by this camera.
    ///
    /// # Errors
    /// What is out of bounds.
    pub(super) fn check(&self, camera: &Viewpoint, frames: u64) -> Result<(), String> {
        let limits = [
            ("orbit_degrees", self.orbit_degrees, -180.0, 180.0),
            ("tilt_degrees", self.tilt_degrees, -45.0, 45.0),
            ("distance", self.distance, -0.5, 1.0),
            ("shift", self.shift, 0.0, 10.0),
            ("spin_degrees", self.spin_degrees, -180.0, 180.0),
        ];
        for (name, [low, high], least, most) in limits {
            if !(least <= low && low <= high && high <= most) {
                return Err(format!(
                    "`mesh.motion.{name}` must lie between {least} and {most}, the lower number first"
                ));
            }
        }
        let fastest = self
            .tilt_degrees
            .map(f32::abs)
            .into_iter()
            .fold(0.0, f32::max);
        let most = camera.tilt_degrees[1] + fastest * moment(frames, frames);
        if most > MOST_TILT {
            return Err(format!(
                "`mesh.motion.tilt_degrees` takes the camera to a tilt of {most:.0} degrees in a clip of {frames} \
                 frames, and {MOST_TILT} is the most; lower it, `mesh.camera.tilt_degrees` or `clip`"
            ));
        }
        Ok(())
    }
}

/// The time of a frame, in frames from the middle of a clip of so many.
fn moment(frame: u64, frames: u64) -> f32 {
    frame as f32 - (frames as f32 - 1.0) / 2.0
}

/// The motion of one clip.
pub(super) struct Path {
    frames: u64,
    /// Radians a frame.
    orbit: f32,
    tilt: f32,
    /// Change of the distance, as a share of it, a frame.
    distance: f32,
    objects: Vec<Ride>,
}

/// How an object moves, a frame.
#[derive(Clone, Copy, PartialEq)]
struct Ride {
    /// On the table, in metres.
    shift: Vec2,
    /// Radians about the vertical.
    spin: f32,
}

const STILL: Ride = Ride {
    shift: Vec2::ZERO,
    spin: 0.0,
};

impl Path {
    /// Draws the motion through a scene in a clip of `frames`, and in the frame after the last.
    pub(super) fn draw(ranges: &Motion, scene: &Scene, frames: u64, stream: &mut Stream) -> Self {
        let mut ride = |instance: &Instance| {
            let way = draw(stream, ranges.shift) * instance.model.size;
            let (sin, cos) = stream.random_range(0.0..std::f32::consts::TAU).sin_cos();
            Ride {
                shift: vec2(cos, sin) * way,
                spin: draw(stream, ranges.spin_degrees).to_radians(),
            }
        };
        let objects = scene.instances.iter().map(&mut ride).collect();
        let mut path = Path {
            frames,
            orbit: draw(stream, ranges.orbit_degrees).to_radians(),
            tilt: draw(stream, ranges.tilt_degrees).to_radians(),
            distance: draw(stream, ranges.distance),
            objects,
        };
        while let Some(pair) = path.collision(&scene.instances) {
            pair.into_iter()
                .for_each(|number| path.objects[number] = STILL);
        }
        path
    }

    /// Two objects of which one moves and that touch in some frame. Where the scene has them, they do not.
    fn collision(&self, instances: &[Instance]) -> Option<[usize; 2]> {
        (0..=self.frames).find_map(|frame| {
            let placed: Vec<Instance> = self.placed(instances, frame);
            let mut pairs = (1..placed.len()).flat_map(|b| (0..b).map(move |a| [a, b]));
            pairs.find(|&[a, b]| {
                let moving = [a, b].iter().any(|&number| self.objects[number] != STILL);
                moving && placed[a].overlaps(&placed[b])
            })
        })
    }

    fn placed<'a>(&self, instances: &[Instance<'a>], frame: u64) -> Vec<Instance<'a>> {
        let time = moment(frame, self.frames);
        let rides = instances.iter().zip(&self.objects);
        rides
            .map(|(instance, ride)| instance.moved(ride.shift * time, ride.spin * time))
            .collect()
    }

    /// The scene at a frame, or, of the frame after the last, as it would be.
    pub(super) fn at<'a>(&self, scene: &Scene<'a>, frame: u64) -> Scene<'a> {
        let instances = self.placed(&scene.instances, frame);
        Scene {
            camera: self.camera(scene, frame),
            spheres: Spheres::new(&instances),
            instances,
            is_composed: scene.is_composed,
            table: scene.table.clone(),
            light: scene.light.clone(),
            // A sensor's noise is another one in each frame.
            noise: hash(scene.noise ^ hash(frame as u32)),
        }
    }

    fn camera(&self, scene: &Scene, frame: u64) -> Camera {
        let (camera, object) = (&scene.camera, &scene.instances[0]);
        let time = moment(frame, self.frames);
        // The tilt of a scene is about the axis x of the world.
        let turn =
            Mat3A::from_rotation_y(self.orbit * time) * Mat3A::from_rotation_x(self.tilt * time);
        let away: Vec3A = turn * (camera.position - object.centre);
        // Never inside the object.
        let nearest = (1.5 * object.model.radius / away.length()).min(1.0);
        let distance = (1.0 + self.distance).powf(time).max(nearest);
        Camera {
            position: object.centre + away * distance,
            rotation: camera.rotation * turn.transpose(),
            intrinsics: camera.intrinsics,
        }
    }
}
