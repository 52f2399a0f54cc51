//! How a surface scatters light: a matt body under a coat, or a metal; both are microfacets in the end.
//!
//! The body is Lambert's, the coat that of Walter et al. 2007 (GGX) with the height-correlated masking of Smith
//! (Heitz 2014) and Schlick's reflection. Directions come from the normals that the viewer sees (Heitz 2018, in the
//! form of Dupuy and Benyoub 2023). What the coat mirrors on the whole, the body lacks, and light that a rough coat
//! scatters more than once is given back in one factor (Turquin 2019), so that nothing gives more light than it gets
//! and a white metal just as much.

use std::f32::consts::{PI, TAU};
use std::sync::OnceLock;

use glam::{Vec3A, vec3a};

use super::points::{Points, Use};
use crate::sample::colour::luminance;

/// The square of the least roughness: a perfect mirror has no density.
const LEAST_ALPHA: f32 = 2e-3;

/// Of dielectrics that reflect less head on than this, as no real ones do, the edges shine less, too.
const LEAST_SHINE: f32 = 0.04;

/// What the coat of a surface is like.
pub(super) struct Gloss {
    pub normal: Vec3A,
    /// Reflection head on, as a share of the light.
    pub head_on: Vec3A,
    pub roughness: f32,
}

/// A surface at one point, seen from one direction.
pub(super) struct Bsdf {
    normal: Vec3A,
    /// Share of the light that the body scatters.
    pub body: Vec3A,
    coat: Option<Coat>,
}

struct Coat {
    side: Vec3A,
    up: Vec3A,
    normal: Vec3A,
    /// Towards the viewer, by side, up and normal.
    view: Vec3A,
    head_on: Vec3A,
    edge: Vec3A,
    alpha: f32,
    masked: f32,
    /// For light that is scattered more than once.
    gain: Vec3A,
    /// Of the samples.
    share: f32,
}

/// What gets from one direction to the viewer, times the cosine, and how likely a sample goes there.
#[derive(Clone, Copy, Default)]
pub(super) struct Scattered {
    pub body: Vec3A,
    pub coat: Vec3A,
    /// A steradian.
    pub density: f32,
}

impl Bsdf {
    /// A matt surface of this colour.
    pub(super) fn matt(normal: Vec3A, body: Vec3A) -> Self {
        Bsdf {
            normal,
            body,
            coat: None,
        }
    }

    /// A surface with a coat; `view` is the direction to the viewer.
    pub(super) fn coated(normal: Vec3A, colour: Vec3A, gloss: &Gloss, view: Vec3A) -> Self {
        let edge = (gloss.head_on / LEAST_SHINE).min(Vec3A::ONE);
        if edge.max_element() <= 0.0 {
            return Bsdf::matt(normal, colour);
        }
        let (side, up) = gloss.normal.any_orthonormal_pair();
        let inside = vec3a(view.dot(side), view.dot(up), view.dot(gloss.normal));
        let view = inside.with_z(inside.z.max(1e-3)).normalize();
        let alpha = (gloss.roughness * gloss.roughness).clamp(LEAST_ALPHA, 1.0);
        let [plain, grazing] = mirrored_share(alpha.sqrt(), view.z);
        let whole = gloss.head_on * plain + edge * grazing;
        let gain = Vec3A::ONE + gloss.head_on * (1.0 / (plain + grazing).max(0.1) - 1.0);
        let mirrored = (whole * gain).min(Vec3A::ONE);
        let body = colour * (Vec3A::ONE - mirrored);
        let [matt, shine] = [body, mirrored].map(|v| luminance(v.to_array()).max(0.0).sqrt());
        // Light on the body is known better than what a coat mirrors.
        let share = match matt > 0.02 {
            true => (shine / (shine + matt)).clamp(0.45, 0.9),
            false => 1.0,
        };
        Bsdf {
            normal,
            body,
            coat: Some(Coat {
                side,
                up,
                normal: gloss.normal,
                view,
                head_on: gloss.head_on,
                edge,
                alpha,
                masked: masked(alpha, view.z),
                gain,
                share,
            }),
        }
    }

    /// The same without a coat: what that would mirror is scattered all around.
    pub(super) fn blurred(self) -> Self {
        let Some(coat) = &self.coat else {
            return self;
        };
        let [plain, grazing] = mirrored_share(coat.alpha.sqrt(), coat.view.z);
        let mirrored = (coat.head_on * plain + coat.edge * grazing) * coat.gain;
        Bsdf::matt(self.normal, self.body + mirrored.min(Vec3A::ONE))
    }

    pub(super) fn normal(&self) -> Vec3A {
        self.normal
    }

    /// What gets from `direction` to the viewer.
    pub(super) fn scattered(&self, direction: Vec3A) -> Scattered {
        let cosine = self.normal.dot(direction).max(0.0) / PI;
        let body = self.body * cosine;
        let Some(coat) = &self.coat else {
            return Scattered {
                body,
                coat: Vec3A::ZERO,
                density: cosine,
            };
        };
        let (shine, density) = coat.mirrored(direction);
        Scattered {
            body,
            coat: shine,
            density: coat.share * density + (1.0 - coat.share) * cosine,
        }
    }

    /// A direction from which much light may come, and whether the coat chose it.
    pub(super) fn sample(&self, lobe: f32, point: (f32, f32)) -> (Vec3A, bool) {
        match &self.coat {
            Some(coat) if lobe < coat.share => (coat.sample(point), true),
            _ => (about(self.normal, point), false),
        }
    }
}

impl Coat {
    /// What the coat mirrors from `direction`, times the cosine, and the density of its samples there.
    fn mirrored(&self, direction: Vec3A) -> (Vec3A, f32) {
        let light = direction.dot(self.normal);
        if light <= 0.0 {
            return (Vec3A::ZERO, 0.0);
        }
        let half = (vec3a(direction.dot(self.side), direction.dot(self.up), light) + self.view)
            .normalize();
        let alpha2 = self.alpha * self.alpha;
        let spread = half.x * half.x + half.y * half.y + alpha2 * half.z * half.z;
        let facets = alpha2 / (PI * spread * spread);
        let density = facets / (4.0 * self.view.z * (1.0 + self.masked));
        let seen = (1.0 + self.masked) / (1.0 + self.masked + masked(self.alpha, light));
        let edge = fifth(1.0 - half.dot(self.view).clamp(0.0, 1.0));
        let fresnel = self.head_on + (self.edge - self.head_on) * edge;
        (fresnel * self.gain * (density * seen), density)
    }

    fn sample(&self, point: (f32, f32)) -> Vec3A {
        let half = visible_normal(self.view, self.alpha, point);
        let inside = half * (2.0 * half.dot(self.view)) - self.view;
        self.side * inside.x + self.up * inside.y + self.normal * inside.z
    }
}

/// A direction about `normal`, distributed by the cosine.
fn about(normal: Vec3A, (u, v): (f32, f32)) -> Vec3A {
    let (side, up) = normal.any_orthonormal_pair();
    let (sin, cos) = (v * TAU).sin_cos();
    normal * (1.0 - u).sqrt() + (side * cos + up * sin) * u.sqrt()
}

/// A microfacet's normal, as likely as the viewer sees it.
fn visible_normal(view: Vec3A, alpha: f32, (u, v): (f32, f32)) -> Vec3A {
    let stretch = vec3a(alpha, alpha, 1.0);
    let from = (view * stretch).normalize();
    let z = (1.0 - v) * (1.0 + from.z) - from.z;
    let (sin, cos) = (u * TAU).sin_cos();
    let ring = (1.0 - z * z).max(0.0).sqrt();
    let cap = vec3a(ring * cos, ring * sin, z) + from;
    (cap * stretch).with_z(cap.z.max(1e-6)).normalize()
}

/// Smith's Λ for GGX: masked over visible facets in a direction of this cosine.
fn masked(alpha: f32, cosine: f32) -> f32 {
    let cos2 = (cosine * cosine).max(1e-8);
    ((1.0 + alpha * alpha * (1.0 - cos2) / cos2).sqrt() - 1.0) / 2.0
}

fn fifth(x: f32) -> f32 {
    let x2 = x * x;
    x2 * x2 * x
}

/// Cells of the table of what coats mirror, by roughness and by cosine.
const CELLS: usize = 24;

/// The share of even light that a coat mirrors to a viewer at this cosine: the first number times the reflection
/// head on, plus the second times that at the edge.
fn mirrored_share(roughness: f32, cosine: f32) -> [f32; 2] {
    static TABLE: OnceLock<Vec<[f32; 2]>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let place = |i: usize| i as f32 / (CELLS - 1) as f32;
        let cells = (0..CELLS * CELLS).map(|i| measured_share(place(i / CELLS), place(i % CELLS)));
        cells.collect()
    });
    let place = |v: f32| {
        let at = v.clamp(0.0, 1.0) * (CELLS - 1) as f32;
        let cell = (at as usize).min(CELLS - 2);
        (cell, at - cell as f32)
    };
    let ((row, down), (column, across)) = (place(roughness), place(cosine));
    std::array::from_fn(|k| {
        let at = |r: usize, c: usize| table[r * CELLS + c][k];
        let line = |r: usize| at(r, column) + (at(r, column + 1) - at(r, column)) * across;
        line(row) + (line(row + 1) - line(row)) * down
    })
}

fn measured_share(roughness: f32, cosine: f32) -> [f32; 2] {
    const COUNT: u32 = 512;
    let alpha = (roughness * roughness).max(LEAST_ALPHA);
    let cosine = cosine.max(0.01);
    let view = vec3a((1.0 - cosine * cosine).max(0.0).sqrt(), 0.0, cosine);
    let mut sums = [0.0; 2];
    for sample in 0..COUNT {
        let half = visible_normal(view, alpha, Points { pixel: 1, sample }.at(Use::Bounce));
        let light = 2.0 * half.dot(view) * half.z - view.z;
        if light > 0.0 {
            let own = 1.0 + masked(alpha, view.z);
            let seen = own / (own + masked(alpha, light));
            let edge = fifth(1.0 - half.dot(view).clamp(0.0, 1.0));
            sums[0] += seen * (1.0 - edge) / COUNT as f32;
            sums[1] += seen * edge / COUNT as f32;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and spread of what a surface scatters of even light, by its own samples or by even ones.
    fn furnace(bsdf: &Bsdf, own: bool) -> Vec3A {
        let count = 8192;
        let mut sum = Vec3A::ZERO;
        for sample in 0..count {
            let points = Points { pixel: 5, sample };
            let (direction, density) = match own {
                true => {
                    let direction = bsdf
                        .sample(points.at(Use::Lobe).0, points.at(Use::Bounce))
                        .0;
                    (direction, bsdf.scattered(direction).density)
                }
                false => {
                    let (u, v) = points.at(Use::Bounce);
                    let (sin, cos) = (v * TAU).sin_cos();
                    let ring = (1.0 - u * u).sqrt();
                    (vec3a(ring * cos, ring * sin, u), 1.0 / TAU)
                }
            };
            let scattered = bsdf.scattered(direction);
            if direction.z > 0.0 && density > 0.0 {
                sum += (scattered.body + scattered.coat) / (density * count as f32);
            }
        }
        sum
    }

    fn seen_at(cosine: f32, colour: f32, head_on: f32, roughness: f32) -> Bsdf {
        let view = vec3a((1.0 - cosine * cosine).sqrt(), 0.0, cosine);
        let gloss = Gloss {
            normal: Vec3A::Z,
            head_on: Vec3A::splat(head_on),
            roughness,
        };
        Bsdf::coated(Vec3A::Z, Vec3A::splat(colour), &gloss, view)
    }

    #[test]
    fn white_surfaces_give_the_light_that_they_get() {
        for roughness in [0.05, 0.2, 0.5, 0.8, 1.0] {
            for cosine in [0.15, 0.5, 0.95] {
                let metal = furnace(&seen_at(cosine, 0.0, 1.0, roughness), true).x;
                let coated = furnace(&seen_at(cosine, 1.0, 0.04, roughness), true).x;
                for white in [metal, coated] {
                    let place = format!("{roughness} {cosine}: {metal} {coated}");
                    assert!((0.96..1.02).contains(&white), "{place}");
                }
            }
        }
    }

    #[test]
    fn samples_are_as_dense_as_they_say() {
        for (cosine, roughness) in [(0.3, 0.6), (0.9, 0.45), (0.6, 1.0)] {
            let surface = seen_at(cosine, 0.5, 0.3, roughness);
            let [own, even] = [true, false].map(|own| furnace(&surface, own).x);
            assert!((own - even).abs() < 0.02, "{own} {even}");
        }
    }
}
