//! What things are made of: paints, marbling by 3D noise, and the table's blotches.
//!
//! A paint that a look gives a material by its name takes the place of the file's own colour, metal, roughness and
//! light, with their pictures. Random colours do so where there is something to paint: on materials that a look
//! names, and on those of which the file does not say what they look like. Bent normals, occlusion and holes
//! belong to the shape, and stay under any paint.

use std::collections::{BTreeMap, BTreeSet};
use std::f32::consts::TAU;

use glam::{IVec3, Mat3A, Vec3A, vec3a};
use rand::RngExt;

use super::config::{self, Surfaces, draw};
use super::floor::Floor;
use super::material::{Finish, Material};
use super::model::{Contact, Model};
use super::pattern::Covering;
use crate::sample::colour::to_linear;
use crate::seed::Stream;

/// The appearance of one material on one instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    /// Linear light, 0..1.
    pub colour: Vec3A,
    /// Whether the file's own appearance is to be seen.
    own: bool,
    marbling: Option<Marbling>,
    /// Share of the colour that comes from flakes, 0..1.
    pearl: f32,
    /// Swirls of flakes a metre, and where they begin.
    flakes: (f32, Vec3A),
    /// 0 (mirror) to 1 (matt).
    pub roughness: f32,
    /// Reflection head on, as a share of the light.
    pub reflectance: f32,
    waves: Option<Waves>,
}

/// The unevenness of a moulded surface, which bends what it mirrors.
#[derive(Debug, Clone, Copy)]
struct Waves {
    /// Largest slope.
    slope: f32,
    /// Waves a metre.
    frequency: f32,
    offset: Vec3A,
}

#[derive(Debug, Clone, Copy)]
struct Marbling {
    colour: Vec3A,
    /// Swirls a metre.
    frequency: f32,
    offset: Vec3A,
}

impl Surface {
    /// Draws one look for all materials of a model.
    pub(super) fn draw_all(ranges: &Surfaces, model: &Model, stream: &mut Stream) -> Vec<Self> {
        let look = (!ranges.looks.is_empty())
            .then(|| &ranges.looks[stream.random_range(0..ranges.looks.len())]);
        let random = stream.random_bool(ranges.random.into());
        let roughness = draw(stream, ranges.roughness);
        let reflectance = 0.04 * draw(stream, ranges.gloss);
        let frequency = draw(stream, ranges.marbling_swirls) / model.size.max(f32::MIN_POSITIVE);
        let waves = (ranges.waviness_degrees[1] > 0.0).then(|| Waves {
            slope: draw(stream, ranges.waviness_degrees).to_radians().tan(),
            frequency: draw(stream, ranges.waves) / model.size.max(f32::MIN_POSITIVE),
            offset: Vec3A::from_array(std::array::from_fn(|_| stream.random_range(0.0..99.0))),
        });
        let mut surfaces: Vec<Surface> = Vec::new();
        for material in &model.materials {
            let paint = look.and_then(|look| look.get(&material.name));
            let random = random && is_paintable(ranges, model, material);
            let (colour, second, pearl) = match paint {
                _ if random => {
                    let (colour, second) = random_colours(ranges, &surfaces, stream);
                    (colour, second, 0.0)
                }
                Some(paint) => {
                    let colour = paint.colour.jittered(stream, ranges.jitter);
                    let second = paint.marbled.map(|m| m.jittered(stream, ranges.jitter));
                    (colour, second, paint.pearl)
                }
                None if material.painted => (material.mean(), None, 0.0),
                None => (material.mean() * model.mean_vertex_colour(), None, 0.0),
            };
            let offset = Vec3A::from_array(std::array::from_fn(|_| stream.random_range(0.0..99.0)));
            surfaces.push(Surface {
                colour,
                own: paint.is_none() && !random,
                marbling: second.map(|colour| Marbling {
                    colour,
                    frequency,
                    offset,
                }),
                pearl,
                flakes: (1.6 * frequency, offset),
                roughness,
                reflectance: reflectance * paint.map_or(1.0, |paint| paint.gloss),
                waves,
            });
        }
        surfaces
    }

    /// What the surface is at a point of the model, `inside`, whose pixel reaches over `reach` metres of it.
    pub(super) fn finish(
        &self,
        model: &Model,
        contact: &Contact,
        inside: Vec3A,
        reach: f32,
    ) -> Finish {
        if self.own {
            let drawn = (self.roughness, self.reflectance);
            return model.materials[contact.material].finish(model, contact, reach, drawn);
        }
        Finish {
            colour: self.colour_at(inside),
            metallic: 0.0,
            roughness: self.roughness,
            reflectance: self.reflectance,
            emission: Vec3A::ZERO,
        }
    }

    /// The normal, in the world, of the coat at a point of the model, whose `normal` it bends.
    pub(super) fn coat_normal(&self, to_world: Mat3A, point: Vec3A, normal: Vec3A) -> Vec3A {
        let Some(Waves {
            slope,
            frequency,
            offset,
        }) = self.waves
        else {
            return normal;
        };
        let p = point * frequency + offset;
        let tilt = vec3a(
            smooth_noise(p),
            smooth_noise(p + 31.7),
            smooth_noise(p + 67.1),
        );
        let tilt = to_world * (tilt * 2.0 - Vec3A::ONE) * slope;
        (normal + tilt).normalize_or(normal)
    }

    /// What flakes at a point of the model do to its brightness: `facing` is the cosine between its
    /// normal and the direction to the camera.
    ///
    /// Flakes lie along the surface, tilted in swirls, and mirror light from about the camera.
    pub(super) fn shimmer(&self, point: Vec3A, facing: f32) -> f32 {
        if self.pearl == 0.0 {
            return 1.0;
        }
        let (frequency, offset) = self.flakes;
        // Streaks: finer across than along.
        let p = (point * vec3a(1.0, 2.5, 1.7)) * frequency + offset;
        let swirl = smooth_noise(p + smooth_noise(p * 1.3) * 2.0);
        let tilt = (swirl - 0.5) * 1.4;
        let towards = (facing.clamp(0.0, 1.0).acos() + tilt).cos().max(0.0);
        1.0 + self.pearl * (1.5 * towards.powi(6) - 0.85)
    }

    /// The paint's colour at a point of the model.
    fn colour_at(&self, point: Vec3A) -> Vec3A {
        let Some(marbling) = &self.marbling else {
            return self.colour;
        };
        let p = point * marbling.frequency + marbling.offset;
        let bend = vec3a(
            smooth_noise(p),
            smooth_noise(p + 31.7),
            smooth_noise(p + 67.1),
        );
        let value = smooth_noise(p * 1.3 + bend * 2.5) * 0.7 + smooth_noise(p * 3.1 + bend) * 0.3;
        let edge = ((value - 0.35) / 0.3).clamp(0.0, 1.0);
        self.colour
            .lerp(marbling.colour, edge * edge * (3.0 - 2.0 * edge))
    }
}

/// Whether random colours may take the place of a material's own.
fn is_paintable(ranges: &Surfaces, model: &Model, material: &Material) -> bool {
    let named = || {
        ranges
            .looks
            .iter()
            .any(|look| look.contains_key(&material.name))
    };
    (!material.own && !model.has_vertex_colours()) || named()
}

/// The names of materials that looks paint and no model has, in order.
pub(super) fn unmatched<'a>(ranges: &'a Surfaces, models: &[Model]) -> Vec<&'a str> {
    let has = |name: &str| {
        let mut materials = models.iter().flat_map(|model| &model.materials);
        materials.any(|material| material.name == name)
    };
    let names: BTreeSet<&str> = ranges
        .looks
        .iter()
        .flat_map(BTreeMap::keys)
        .map(String::as_str)
        .collect();
    names.into_iter().filter(|name| !has(name)).collect()
}

/// Any colour, and sometimes a second; redrawn while hard to tell from the other materials'.
fn random_colours(
    ranges: &Surfaces,
    others: &[Surface],
    stream: &mut Stream,
) -> (Vec3A, Option<Vec3A>) {
    let mut colour = Vec3A::ZERO;
    for _ in 0..8 {
        let channels = std::array::from_fn(|_| to_linear(stream.random()));
        colour = Vec3A::from_array(channels);
        if others.iter().all(|o| o.colour.distance(colour) > 0.35) {
            break;
        }
    }
    let marbled = others.is_empty() && stream.random_bool(ranges.random_marbled.into());
    let near = Vec3A::from_array(std::array::from_fn(|_| stream.random_range(0.3..1.5)));
    (colour, marbled.then(|| (colour * near).min(Vec3A::ONE)))
}

/// The appearance of the table.
#[derive(Clone)]
pub(super) struct Table {
    colour: Vec3A,
    /// Strength of the blotches.
    texture: f32,
    /// Blotches a metre.
    frequency: f32,
    offset: Vec3A,
    /// Beyond the line normal · (x, z) = distance, another colour.
    seam: Option<(Vec3A, f32, Vec3A)>,
    covering: Option<Covering>,
    /// In place of colour and covering.
    floor: Option<Floor>,
}

impl Table {
    /// `size` is that of the object, in metres.
    pub(super) fn draw(ranges: &config::Table, size: f32, stream: &mut Stream) -> Self {
        let mut colour = || {
            let palette = &ranges.colours;
            match palette.is_empty() {
                true => Vec3A::splat(stream.random()),
                false => {
                    palette[stream.random_range(0..palette.len())].jittered(stream, ranges.jitter)
                }
            }
        };
        let (first, second) = (colour(), colour());
        let (sin, cos) = stream.random_range(0.0..TAU).sin_cos();
        let distance = draw(stream, [0.4, 1.2]) * size;
        Table {
            colour: first,
            texture: draw(stream, ranges.texture),
            frequency: draw(stream, [2.0, 12.0]) / size,
            offset: vec3a(stream.random_range(0.0..99.0), 0.5, 0.5),
            seam: stream.random_bool(ranges.seam.into()).then(|| {
                (
                    vec3a(cos, 0.0, sin),
                    distance,
                    second * draw(stream, [0.4, 1.0]),
                )
            }),
            covering: (!ranges.patterns.is_empty())
                .then(|| Covering::draw(&ranges.patterns, size, second, stream)),
            floor: None,
        }
    }

    /// The same, covered by a photo.
    pub(super) fn cover(&mut self, floor: Floor) {
        self.colour = floor.mean();
        self.floor = Some(floor);
    }

    /// The colour at a point of the plane y = 0, for a pixel that covers `reach` metres there.
    pub(super) fn colour_at(&self, point: Vec3A, reach: f32) -> Vec3A {
        let mut colour = match (&self.floor, &self.covering) {
            (Some(floor), _) => floor.colour_at(point, reach),
            (None, Some(covering)) => covering.colour_at(point, self.colour),
            (None, None) => self.colour,
        };
        if let Some((normal, distance, beyond)) = self.seam {
            let width = distance * 0.05;
            let past = ((normal.dot(point) - distance) / width).clamp(0.0, 1.0);
            colour = colour.lerp(beyond, past);
        }
        let p = point * self.frequency + self.offset;
        let value = smooth_noise(p) + 0.5 * smooth_noise(p * 2.7) - 0.75;
        colour * (1.0 + self.texture * value)
    }

    /// The colour without blotches and seam.
    pub(super) fn mean(&self) -> Vec3A {
        self.colour
    }
}

/// Value noise, 0..1, that changes over a length of about 1.
pub(super) fn smooth_noise(point: Vec3A) -> f32 {
    let cell = point.floor();
    let t = point - cell;
    let t = t * t * (Vec3A::splat(3.0) - 2.0 * t);
    let cell = cell.as_ivec3();
    let at = |x, y, z| {
        let IVec3 { x, y, z } = cell + IVec3::new(x, y, z);
        let word = (x as u32).wrapping_mul(0x8da6_b343)
            ^ (y as u32).wrapping_mul(0xd816_3841)
            ^ (z as u32).wrapping_mul(0xcb1a_b31f);
        unit(hash(word))
    };
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    let row = |y, z| mix(at(0, y, z), at(1, y, z), t.x);
    let plane = |z| mix(row(0, z), row(1, z), t.y);
    mix(plane(0), plane(1), t.z)
}

/// Steps of the R2 sequence (Roberts 2018): multiples of them, less their whole parts, fill the unit square evenly,
/// however many there are.
pub(super) const R2: [f32; 2] = [0.754_877_7, 0.569_840_3];

/// Scrambles a word (PCG's output permutation; Jarzynski and Olano 2020).
#[inline]
pub(super) fn hash(word: u32) -> u32 {
    let state = word.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

/// A word as a number in 0..1.
#[inline]
pub(super) fn unit(word: u32) -> f32 {
    (word >> 8) as f32 / (1 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flakes_shine_at_the_camera_and_darken_where_they_turn_away() {
        let mut surface = Surface {
            colour: Vec3A::ONE,
            own: false,
            marbling: None,
            pearl: 0.0,
            flakes: (100.0, Vec3A::ZERO),
            roughness: 0.2,
            reflectance: 0.04,
            waves: None,
        };
        let mean = |surface: &Surface, facing: f32| {
            let points = (0..200).map(|i| vec3a(i as f32, 0.4 * i as f32, 0.7) * 1e-3);
            points.map(|p| surface.shimmer(p, facing)).sum::<f32>() / 200.0
        };
        assert_eq!((mean(&surface, 1.0), mean(&surface, 0.2)), (1.0, 1.0));
        surface.pearl = 0.9;
        let (towards, away) = (mean(&surface, 1.0), mean(&surface, 0.2));
        assert!(towards > 0.9 && away < 0.6, "{towards} {away}");
    }
}
