//! Light on its way from where it comes from to the camera, walked backwards: path tracing (Kajiya 1986).
//!
//! At each surface one direction is chosen by the sky's brightness, one by the lamp and one by how the surface
//! scatters, and what several of them may find is weighted by the balance heuristic (Veach 1997). A path ends after
//! some bounces, or by chance the earlier the less it would bring (Russian roulette).
//!
//! Light on a matt body is told in three numbers: what would come if nothing stood in its way, which is known without
//! noise; the same as sampled; and what does come as sampled. Samples then count only by how they differ (control
//! variates at later surfaces, and the ratio estimator of Heitz et al. 2018 where the camera looks): where nothing
//! blocks, nothing is noisy. One simplification: a matt surface sees all others as matt, so that no caustics are cast.

use std::f32::consts::TAU;

use glam::Vec3A;

use super::bsdf::{Bsdf, Gloss, Scattered};
use super::points::{Points, Random, Use};
use super::scene::Scene;
use super::spot::Spot;
use super::trace::{Hit, Target};
use crate::sample::colour::luminance;

/// Light from further surfaces that counts at most: a path in thousands that finds a lamp in a mirror is noise.
const MOST: f32 = 8.0;

/// Mirrors see no even light, so that some samples are always for the panorama.
const MOST_EVEN: f32 = 0.8;

/// What gets through where whoever takes the photo stands in the light.
const PHOTOGRAPHER: f32 = 0.1;

/// By what directions to lights are chosen; one alone is for tests.
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(not(test), expect(dead_code, reason = "tests compare the ways"))]
pub(super) enum Ways {
    Lights,
    Surfaces,
    Both,
}

impl Ways {
    /// The weight of what a light's sample found, which a surface's would with the `other` density.
    fn light(self, own: f32, other: f32) -> f32 {
        match self {
            Ways::Lights => 1.0,
            Ways::Surfaces => 0.0,
            Ways::Both => own / (own + other),
        }
    }

    /// The same of a surface's sample.
    fn surface(self, own: f32, other: f32) -> f32 {
        match self {
            Ways::Lights => 0.0,
            Ways::Surfaces => 1.0,
            Ways::Both => own / (own + other),
        }
    }
}

/// Light that leaves a surface towards the viewer.
#[derive(Clone, Copy, Default)]
pub(super) struct Light {
    /// From the body, if nothing stood in the light's way; exact.
    pub known: Vec3A,
    /// The same, sampled.
    pub bare: Vec3A,
    /// From the body, sampled.
    pub met: Vec3A,
    /// From the coat, and the surface's own.
    pub gloss: Vec3A,
}

impl Light {
    fn whole(&self) -> Vec3A {
        self.known + self.met - self.bare + self.gloss
    }
}

/// What a ray of the camera finds.
pub(super) enum Found {
    Sky(Vec3A),
    Surface(Seen),
}

/// A surface that the camera sees.
pub(super) struct Seen {
    /// Number of the instance; none is the table.
    pub instance: Option<usize>,
    pub light: Light,
    /// Share of the light that the body scatters.
    pub body: Vec3A,
    pub normal: Vec3A,
}

/// Walks the paths of one picture.
pub(super) struct Tracer<'a> {
    scene: &'a Scene<'a>,
    /// Surfaces after the first.
    bounces: u32,
    ways: Ways,
    /// Whether the table is white to the camera.
    pub white_table: bool,
    lamp: Lamp,
    /// What the bare table would throw back.
    ground: Vec3A,
    /// Share of the sky's samples that are for the even part of its light.
    even: f32,
}

/// The lamp, a disc in the sky.
struct Lamp {
    middle: Vec3A,
    side: Vec3A,
    up: Vec3A,
    /// Of its angular radius.
    sin: f32,
    cos: f32,
    radiance: Vec3A,
    strength: Vec3A,
    /// Of its samples, a steradian.
    density: f32,
    /// Of the light samples after the first bounce.
    share: f32,
}

/// A point that light leaves towards a viewer.
struct Vertex {
    origin: Vec3A,
    bsdf: Bsdf,
    /// Of the surrounding light, what gets through the shape's finest details.
    gap: f32,
    emission: Vec3A,
    /// Metres of the surface that the ray stands for.
    reach: f32,
}

/// How far a path has come.
struct Way<'a> {
    bounce: u32,
    /// What a unit of light would bring.
    worth: f32,
    towards_camera: Vec3A,
    /// Before the first bounce.
    points: Option<Points>,
    random: &'a mut Random,
}

impl Way<'_> {
    fn pair(&mut self, purpose: Use) -> (f32, f32) {
        match self.points {
            Some(points) => points.at(purpose),
            None => self.random.pair(),
        }
    }
}

impl<'a> Tracer<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, bounces: u32, ways: Ways) -> Self {
        let light = &scene.light;
        let (side, up) = light.lamp.any_orthonormal_pair();
        let (sin, cos) = light.lamp_radius.sin_cos();
        let level = |light: Vec3A| luminance(light.to_array());
        let lamp = level(light.lamp_strength * light.lamp.y);
        let all = lamp + level(light.environment_strength);
        Tracer {
            scene,
            bounces,
            ways,
            white_table: false,
            lamp: Lamp {
                middle: light.lamp,
                side,
                up,
                sin,
                cos,
                radiance: light.lamp_strength / (sin * sin),
                strength: light.lamp_strength,
                density: 1.0 / (TAU * (1.0 - cos)),
                share: lamp / all.max(f32::MIN_POSITIVE),
            },
            ground: scene.table.mean() * level_light(scene),
            even: light.even.min(MOST_EVEN),
        }
    }

    /// What a ray of the camera finds. Without light, no more than what is known of it is told.
    pub(super) fn look(
        &self,
        (origin, direction): (Vec3A, Vec3A),
        points: Points,
        with_light: bool,
    ) -> Found {
        let scene = self.scene;
        let Some(hit) = scene.light_hit(origin, direction, (points.pixel, points.sample)) else {
            return Found::Sky(self.mirrored_sky(direction));
        };
        let reach = 0.5 * hit.distance / scene.camera.intrinsics.fx;
        let mut vertex = self.vertex(&hit, (origin, direction), reach);
        let instance = match hit.target {
            Target::Instance(number, _) => Some(number),
            Target::Table => None,
        };
        if instance.is_none() && self.white_table {
            vertex.bsdf = Bsdf::matt(Vec3A::Y, Vec3A::ONE);
        }
        let mut way = Way {
            bounce: 0,
            worth: 1.0,
            towards_camera: -direction,
            points: Some(points),
            random: &mut points.rest(),
        };
        Found::Surface(Seen {
            instance,
            light: match with_light {
                true => self.leaving(&vertex, &mut way),
                false => Light {
                    known: vertex.bsdf.body * self.known(&vertex),
                    ..Light::default()
                },
            },
            body: vertex.bsdf.body,
            normal: vertex.bsdf.normal(),
        })
    }

    /// The surface where a ray ends, which stands for so many metres of it.
    fn vertex(&self, hit: &Hit, (origin, direction): (Vec3A, Vec3A), reach: f32) -> Vertex {
        let point = origin + direction * hit.distance;
        let Target::Instance(number, triangle) = hit.target else {
            let colour = self.scene.table.colour_at(point, reach);
            return Vertex {
                origin: point.with_y(0.0),
                bsdf: Bsdf::matt(Vec3A::Y, colour),
                gap: 1.0,
                emission: Vec3A::ZERO,
                reach,
            };
        };
        let instance = &self.scene.instances[number];
        let spot = Spot::at(instance, triangle, (point, direction), reach);
        let (normal, surface, finish) = (spot.normal(), spot.surface(), spot.finish());
        let shimmer = surface.shimmer(spot.inside, -normal.dot(direction));
        let colour = finish.colour * ((1.0 - finish.metallic) * shimmer);
        let gloss = Gloss {
            normal: surface.coat_normal(instance.rotation, spot.inside, normal),
            head_on: Vec3A::splat(finish.reflectance).lerp(finish.colour, finish.metallic),
            roughness: finish.roughness,
        };
        Vertex {
            origin: point + spot.flat_normal() * (spot.model.size * 1e-3),
            bsdf: Bsdf::coated(normal, colour.min(Vec3A::ONE), &gloss, -direction),
            gap: spot.material().occlusion(spot.model, &spot.contact, reach),
            emission: finish.emission,
            reach,
        }
    }

    /// The light that leaves a surface.
    fn leaving(&self, vertex: &Vertex, way: &mut Way) -> Light {
        let mut light = Light {
            known: vertex.bsdf.body * self.known(vertex),
            gloss: vertex.emission,
            ..Light::default()
        };
        let goes_on = match way.bounce {
            0 => self.bounces.min(1) as f32,
            bounce if bounce < self.bounces => way.worth.clamp(0.05, 1.0),
            _ => 0.0,
        };
        // Whatever no surface's sample can find, a light's must.
        let ways = if goes_on > 0.0 {
            self.ways
        } else {
            Ways::Lights
        };
        let [sky, lamp] = match way.points {
            Some(_) => [1.0, 1.0],
            None if way.random.number() < self.lamp.share => [0.0, self.lamp.share],
            None => [1.0 - self.lamp.share, 0.0],
        };
        if sky > 0.0 {
            self.add_sky(vertex, way, (ways, sky), &mut light);
        }
        if lamp > 0.0 {
            self.add_lamp(vertex, way, (ways, lamp), &mut light);
        }
        if goes_on > 0.0 && (goes_on >= 1.0 || way.random.number() < goes_on) {
            self.add_scattered(vertex, way, goes_on, &mut light);
        }
        light
    }

    /// Adds what comes from a bright part of the sky, chosen by this chance.
    fn add_sky(&self, vertex: &Vertex, way: &mut Way, (ways, chance): (Ways, f32), to: &mut Light) {
        let around = &self.scene.light;
        let glimpse = around.environment.sky.sample(way.pair(Use::Sky), self.even);
        let direction = around.outward(glimpse.direction);
        let Scattered {
            body,
            coat,
            density,
        } = vertex.bsdf.scattered(direction);
        if density <= 0.0 {
            return;
        }
        let share = ways.light(glimpse.density, density) / (glimpse.density * chance);
        let body = body * self.matt_sky(glimpse.radiance) * (share * vertex.gap);
        to.bare += body;
        if self.scene.blocker(vertex.origin, direction).is_none() {
            to.met += body;
            if coat.max_element() * share > 1e-4 {
                let sky = self.mirrored_sky(direction) * self.open(direction, way);
                to.gloss += coat * sky * share;
            }
        }
    }

    /// Adds what comes from a point of the lamp, chosen by this chance.
    fn add_lamp(
        &self,
        vertex: &Vertex,
        way: &mut Way,
        (ways, chance): (Ways, f32),
        to: &mut Light,
    ) {
        let direction = self.lamp.sample(way.pair(Use::Lamp));
        let Scattered {
            body,
            coat,
            density,
        } = vertex.bsdf.scattered(direction);
        if density <= 0.0 {
            return;
        }
        let share = ways.light(self.lamp.density, density) / (self.lamp.density * chance);
        let (body, coat) = (body * share, coat * share);
        to.bare += body * self.lamp.radiance;
        if direction.y > 0.0 && self.scene.blocker(vertex.origin, direction).is_none() {
            to.met += body * self.lamp.radiance;
            to.gloss += coat * self.lamp.radiance;
        }
    }

    /// Adds what comes from where the surface scatters to; paths go on by this chance.
    fn add_scattered(&self, vertex: &Vertex, way: &mut Way, chance: f32, to: &mut Light) {
        let lobe = match way.points {
            Some(points) => points.at(Use::Lobe).0,
            None => way.random.number(),
        };
        let (direction, by_coat) = vertex.bsdf.sample(lobe, way.pair(Use::Bounce));
        let Scattered {
            body,
            coat,
            density,
        } = vertex.bsdf.scattered(direction);
        if density <= 0.0 {
            return;
        }
        let (body, coat) = (body / (density * chance), coat / (density * chance));
        let lights = match direction.y > 0.0 {
            true => self.seen_lights(direction, density),
            false => [self.ground * vertex.gap, Vec3A::ZERO],
        };
        let gap = if direction.y > 0.0 { vertex.gap } else { 1.0 };
        let matt = body * (lights[0] * gap + lights[1]);
        to.bare += matt;
        let aim = (way.random.word(), 0);
        let Some(hit) = self.scene.light_hit(vertex.origin, direction, aim) else {
            to.met += matt;
            if coat.max_element() > 1e-4 {
                let glimpse = self
                    .scene
                    .light
                    .environment
                    .sky
                    .at(self.scene.light.inward(direction), self.even);
                let share = self.ways.surface(density, glimpse.density);
                let sky = self.mirrored_sky(direction) * (share * self.open(direction, way));
                to.gloss += coat * (sky + lights[1]);
            }
            return;
        };
        let wide = if by_coat { 0.02 } else { 0.2 };
        let mut next = self.vertex(
            &hit,
            (vertex.origin, direction),
            vertex.reach + wide * hit.distance,
        );
        if !by_coat {
            next.bsdf = next.bsdf.blurred();
        }
        let mut on = Way {
            bounce: way.bounce + 1,
            worth: way.worth * (body + coat).max_element().min(1.0),
            towards_camera: way.towards_camera,
            points: None,
            random: &mut *way.random,
        };
        let incoming = self.leaving(&next, &mut on).whole().min(Vec3A::splat(MOST));
        to.met += body * incoming * vertex.gap;
        to.gloss += coat * incoming;
    }

    /// Light from sky and lamp in a direction that a surface chose, as far as its samples count.
    fn seen_lights(&self, direction: Vec3A, density: f32) -> [Vec3A; 2] {
        let light = &self.scene.light;
        let glimpse = light.environment.sky.at(light.inward(direction), self.even);
        let sky = self.matt_sky(glimpse.radiance) * self.ways.surface(density, glimpse.density);
        let lamp = match direction.dot(self.lamp.middle) > self.lamp.cos {
            true => self.lamp.radiance * self.ways.surface(density, self.lamp.density),
            false => Vec3A::ZERO,
        };
        [sky, lamp]
    }

    /// Light on a matt surface over its brightness, if nothing stood in its way but the bare table.
    fn known(&self, vertex: &Vertex) -> Vec3A {
        let (light, normal) = (&self.scene.light, vertex.bsdf.normal());
        // By the environment's scale, a level surface receives just 1.
        let around = match normal == Vec3A::Y {
            true => light.environment_strength,
            false => {
                let uneven = light.environment.diffuse(light.inward(normal));
                let even = Vec3A::splat(0.5 + 0.5 * normal.y);
                light.environment_strength * uneven.lerp(even, light.even)
                    + self.ground * (0.5 - 0.5 * normal.y)
            }
        };
        around * vertex.gap + self.lamp.strength * self.lamp.level(normal)
    }

    /// Radiance of the sky as matt surfaces see it.
    fn matt_sky(&self, radiance: Vec3A) -> Vec3A {
        let light = &self.scene.light;
        light.environment_strength * radiance.lerp(Vec3A::ONE, light.even)
    }

    /// Radiance of the sky as mirrors and the camera see it.
    fn mirrored_sky(&self, direction: Vec3A) -> Vec3A {
        let light = &self.scene.light;
        light.environment_strength * light.environment.seen(light.inward(direction))
    }

    /// Whoever takes a photo from above stands in the light that a level surface would mirror.
    fn open(&self, direction: Vec3A, way: &Way) -> f32 {
        let [core, rim] = self.scene.light.photographer;
        let angle = direction.dot(way.towards_camera).clamp(-1.0, 1.0).acos();
        ((angle - core) / (rim - core).max(1e-3)).clamp(PHOTOGRAPHER, 1.0)
    }
}

impl Lamp {
    /// A direction to a point of it, all as likely.
    fn sample(&self, (u, v): (f32, f32)) -> Vec3A {
        let along = 1.0 - u * (1.0 - self.cos);
        let away = (1.0 - along * along).max(0.0).sqrt();
        let (sin, cos) = (v * TAU).sin_cos();
        self.middle * along + (self.side * cos + self.up * sin) * away
    }

    /// What it brings to a surface with this normal, over what it would head on. Where the surface's horizon cuts
    /// it, a parabola stands for the arc.
    fn level(&self, normal: Vec3A) -> f32 {
        let cosine = normal.dot(self.middle);
        match cosine.abs() < self.sin {
            true => (cosine + self.sin).powi(2) / (4.0 * self.sin),
            false => cosine.max(0.0),
        }
    }
}

/// Light on the bare table.
pub(super) fn level_light(scene: &Scene) -> Vec3A {
    scene.light.environment_strength + scene.light.lamp_strength * scene.light.lamp.y
}
