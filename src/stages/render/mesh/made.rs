//! Models made in code: what lies among the objects of a scene without a label, and bins.

use std::collections::BTreeMap;
use std::f32::consts::{PI, TAU};
use std::path::Path;

use glam::{Quat, Vec2, Vec3, Vec3A, vec2, vec3a};
use rand::RngExt;

use super::composition::{Bin, Composition};
use super::config::{Paint, Surfaces, draw};
use super::geometry::Geometry;
use super::list;
use super::material::Material;
use super::model::Model;
use super::{GoOn, Mesh};
use crate::Result;
use crate::seed::Stream;

/// Models of distractors, and bins, that are made for a stage; every picture takes some.
const DISTRACTORS: usize = 48;
const BINS: usize = 8;

/// Corners of what is round.
const ROUND: usize = 32;

/// What the scenes of a stage hold beside their objects.
#[derive(Default)]
pub(super) struct Props {
    pub distractors: Vec<Model>,
    pub distractor_surfaces: Surfaces,
    pub bins: Vec<Tray>,
    pub bin_surfaces: Surfaces,
}

/// A box without a lid that stands on the table; lengths in metres.
pub(super) struct Tray {
    pub model: Model,
    /// Inner side of its floor.
    pub side: f32,
    /// Of its walls above the floor.
    pub height: f32,
    /// Of walls and floor.
    pub thickness: f32,
}

impl Props {
    /// What scenes of objects of this mean size need.
    ///
    /// # Errors
    /// If a model of the distractors cannot be read.
    pub(super) fn load(
        mesh: &Mesh,
        scene: &Composition,
        size: f32,
        stream: &mut Stream,
        go_on: GoOn,
    ) -> Result<Self> {
        let wanted = &scene.distractors;
        let mut distractors = Vec::new();
        // What is wrong with the list, `check` said.
        for source in list::expand(&wanted.models).unwrap_or_default() {
            distractors.push(Model::read(&source, mesh.unit_metres, go_on)?);
        }
        if distractors.is_empty() && wanted.count[1] > 0 {
            for number in 0..DISTRACTORS {
                let longest = draw(stream, wanted.size) * size;
                distractors.push(primitive(number, longest, stream)?);
            }
        }
        let mut bins = Vec::new();
        for bin in scene.bin.iter().flat_map(|bin| [bin; BINS]) {
            bins.push(Tray::new(
                draw(stream, bin.side) * size,
                draw(stream, bin.height) * size,
            )?);
        }
        Ok(Props {
            distractors,
            distractor_surfaces: Surfaces {
                random: 1.0,
                random_marbled: 0.5,
                roughness: [0.05, 0.8],
                ..Surfaces::default()
            },
            bins,
            bin_surfaces: Surfaces {
                looks: looks(&scene.bin.clone().unwrap_or_default()),
                jitter: 0.06,
                roughness: [0.25, 0.7],
                gloss: [0.0, 0.3],
                ..Surfaces::default()
            },
        })
    }
}

/// What a made model's only material is called.
const MATERIAL: &str = "default";

fn looks(bin: &Bin) -> Vec<BTreeMap<String, Paint>> {
    let paint = |colour| Paint {
        colour,
        marbled: None,
        pearl: 0.0,
        gloss: 1.0,
    };
    let look = |&colour: &_| BTreeMap::from([(MATERIAL.to_owned(), paint(colour))]);
    bin.colours.iter().map(look).collect()
}

impl Tray {
    fn new(side: f32, height: f32) -> Result<Self> {
        let thickness = 0.03 * side;
        let (half, outer) = (side / 2.0, side / 2.0 + thickness);
        let top = thickness + height;
        let mut geometry = Geometry::default();
        let boxes = [
            [vec3a(-outer, 0.0, -outer), vec3a(outer, thickness, outer)],
            [vec3a(-outer, thickness, -outer), vec3a(-half, top, outer)],
            [vec3a(half, thickness, -outer), vec3a(outer, top, outer)],
            [vec3a(-half, thickness, -outer), vec3a(half, top, -half)],
            [vec3a(-half, thickness, half), vec3a(half, top, outer)],
        ];
        for [low, high] in boxes {
            cuboid(&mut geometry, low, high);
        }
        Ok(Tray {
            model: finish(geometry, "a bin")?,
            side,
            height,
            thickness,
        })
    }

    /// The boxes that it is made of, from the middle of its model's box: middle and half sides.
    pub(super) fn boxes(&self) -> [[Vec3A; 2]; 5] {
        let Tray {
            side,
            height,
            thickness,
            ..
        } = *self;
        let (outer, wall) = (side / 2.0 + thickness, thickness / 2.0);
        let floor = -(height + thickness) / 2.0 + wall;
        let beside = side / 2.0 + wall;
        [
            [vec3a(0.0, floor, 0.0), vec3a(outer, wall, outer)],
            [vec3a(-beside, wall, 0.0), vec3a(wall, height / 2.0, outer)],
            [vec3a(beside, wall, 0.0), vec3a(wall, height / 2.0, outer)],
            [vec3a(0.0, wall, -beside), vec3a(outer, height / 2.0, wall)],
            [vec3a(0.0, wall, beside), vec3a(outer, height / 2.0, wall)],
        ]
    }
}

/// A thing of some shape whose longest side has this length.
fn primitive(number: usize, longest: f32, stream: &mut Stream) -> Result<Model> {
    let mut geometry = Geometry::default();
    let mut share = |low: f32| stream.random_range(low..1.0);
    match number % 6 {
        0 => {
            let half = vec3a(1.0, share(0.15), share(0.3)) / 2.0;
            cuboid(&mut geometry, -half, half);
        }
        1 => lathe(
            &mut geometry,
            &arc(Vec2::ZERO, 0.5, [-PI / 2.0, PI / 2.0]),
            true,
        ),
        2 => {
            let radius = share(0.1) / 2.0;
            let profile = [
                vec2(0.0, -0.5),
                vec2(radius, -0.5),
                vec2(radius, 0.5),
                vec2(0.0, 0.5),
            ];
            lathe(&mut geometry, &profile, false);
        }
        3 => {
            let radius = share(0.3) / 2.0;
            lathe(
                &mut geometry,
                &[vec2(0.0, -0.5), vec2(radius, -0.5), vec2(0.0, 0.5)],
                false,
            );
        }
        4 => {
            let tube = 0.08 + 0.12 * share(0.0);
            lathe(
                &mut geometry,
                &arc(vec2(0.5 - tube, 0.0), tube, [-PI, PI]),
                true,
            );
        }
        _ => {
            let (body, neck) = (0.14 + 0.1 * share(0.0), 0.04 + 0.04 * share(0.0));
            let profile = [
                vec2(0.0, -0.5),
                vec2(body, -0.5),
                vec2(body, 0.15),
                vec2(neck, 0.32),
                vec2(neck, 0.5),
                vec2(0.0, 0.5),
            ];
            lathe(&mut geometry, &profile, false);
        }
    }
    finish(geometry.scaled(longest), "a distractor")
}

fn finish(mut geometry: Geometry, name: &str) -> Result<Model> {
    geometry.materials.push(Material::named(MATERIAL));
    Model::new(geometry, Path::new(name), name.to_owned(), &|| Ok(()))
}

fn cuboid(geometry: &mut Geometry, low: Vec3A, high: Vec3A) {
    let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
    for axis in [Vec3A::X, Vec3A::Y, Vec3A::Z] {
        for normal in [axis, -axis] {
            let right = vec3a(normal.y, normal.z, normal.x);
            let up = normal.cross(right);
            let corner = |u: f32, v: f32| middle + (normal + right * u + up * v) * half;
            let [a, b, c, d] = [
                corner(-1.0, -1.0),
                corner(1.0, -1.0),
                corner(1.0, 1.0),
                corner(-1.0, 1.0),
            ];
            geometry.add([a, b, c], [normal.into(); 3], 0);
            geometry.add([a, c, d], [normal.into(); 3], 0);
        }
    }
}

/// Points of an arc between two angles.
fn arc(centre: Vec2, radius: f32, [from, to]: [f32; 2]) -> Vec<Vec2> {
    let steps = ROUND / 2;
    let angle = |i: usize| from + (to - from) * i as f32 / steps as f32;
    (0..=steps)
        .map(|i| centre + Vec2::from_angle(angle(i)) * radius)
        .collect()
}

/// Turns a profile, of distances from the axis and heights, about the vertical. Its corners are sharp unless it is
/// `smooth`.
fn lathe(geometry: &mut Geometry, profile: &[Vec2], smooth: bool) {
    let outwards = |from: Vec2, to: Vec2| -(to - from).perp().normalize_or(Vec2::X);
    let at = |i: usize| profile[i.min(profile.len() - 1)];
    let normal = |segment: usize, point: usize| match smooth {
        false => outwards(at(segment), at(segment + 1)),
        true => outwards(at(point.saturating_sub(1)), at(point + 1)),
    };
    let turned = |p: Vec2, step: usize| {
        let angle = TAU * (step % ROUND) as f32 / ROUND as f32;
        Quat::from_rotation_y(angle) * Vec3::new(p.x.max(0.0), p.y, 0.0)
    };
    let round = |n: Vec2, step: usize| {
        Quat::from_rotation_y(TAU * (step % ROUND) as f32 / ROUND as f32) * Vec3::new(n.x, n.y, 0.0)
    };
    for segment in 0..profile.len() - 1 {
        let ends = [segment, segment + 1];
        for step in 0..ROUND {
            let corner = |end: usize, step| {
                (
                    Vec3A::from(turned(at(ends[end]), step)),
                    round(normal(segment, ends[end]), step),
                )
            };
            let [a, b, c, d] = [
                corner(0, step),
                corner(0, step + 1),
                corner(1, step + 1),
                corner(1, step),
            ];
            for [a, b, c] in [[a, b, c], [a, c, d]] {
                geometry.add([a.0, b.0, c.0], [a.1, b.1, c.1], 0);
            }
        }
    }
}
