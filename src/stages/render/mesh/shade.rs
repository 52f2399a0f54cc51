//! Colours of the picture: direct light with soft shadows, and a glossy coat.
//!
//! Diffuse light from the environment is the noise-free convolution times the sampled share of it
//! that is not blocked (after the ratio estimator of Heitz et al. 2018): where nothing blocks,
//! nothing is noisy. Blocked light is replaced by a share of the blocker's own colour, the first bounce.

use std::f32::consts::{PI, TAU};

use glam::Vec3A;
use image::RgbImage;

use super::backdrop::Behind;
use super::config::Lens;
use super::develop::{Exposure, develop};
use super::scene::{Instance, Scene};
use super::spot::Spot;
use super::surface::{R2, hash, unit};
use super::trace::Target;
use crate::sample::Extent;
use crate::sample::colour::luminance;
use crate::seed::Stream;

/// Share of the light that a blocking neighbour throws on, on average.
const BOUNCE: f32 = 0.25;

/// One sample of one pixel, as a source of points that cover the unit square evenly over the
/// samples of the pixel: the R2 sequence (Roberts 2018), shifted by another amount for each use.
#[derive(Clone, Copy)]
struct Ray {
    pixel: u32,
    sample: u32,
}

/// What a point of the unit square is for.
#[derive(Clone, Copy)]
enum Use {
    Pixel,
    Lamp,
    Sky,
    Patch,
    Even,
}

impl Ray {
    fn point(self, purpose: Use) -> (f32, f32) {
        let start = hash(self.pixel.wrapping_add(purpose as u32));
        let sample = self.sample as f32;
        (
            (unit(start) + sample * R2[0]).fract(),
            (unit(hash(start)) + sample * R2[1]).fract(),
        )
    }
}

/// Renders the picture, with `behind` instead of the table if it is given. `ids` are the
/// instances at the pixels' centres, for spending fewer rays on bare table.
pub(super) fn picture(
    scene: &Scene,
    lens: &Lens,
    behind: Option<&Behind>,
    size: Extent,
    ids: &[Option<usize>],
    stream: &mut Stream,
) -> RgbImage {
    let width = size.width as usize;
    let mut light = vec![Vec3A::ZERO; size.area()];
    let mut open = vec![Vec3A::ZERO; size.area()];
    let bare: Vec<bool> = (0..size.area())
        .map(|i| around(i, size, 1).all(|near| ids[near].is_none()))
        .collect();
    for i in 0..size.area() {
        let place = Place {
            x: (i % width) as f32,
            y: (i / width) as f32,
            seed: hash(scene.noise ^ hash(i as u32)),
        };
        // What is left of the noise on bare table is averaged below.
        let samples = match bare[i] {
            true => [(lens.samples * 2).div_ceil(3); 2],
            false => [lens.samples, lens.samples.saturating_mul(MOST_ROUNDS)],
        };
        [light[i], open[i]] = place.light(scene, samples, behind.is_some());
    }
    match behind {
        None => smooth(&mut light, size, &bare),
        Some(_) => smooth(&mut open, size, &bare),
    }
    let exposure = Exposure {
        extent: size,
        light,
        open,
    };
    develop(exposure, behind, lens, stream, scene.noise)
}

/// A pixel is sampled in rounds of `lens.samples` until it is no longer noisy, this many at most.
const MOST_ROUNDS: u32 = 8;

/// The standard error of a pixel's printed value, 0..1, that is not worth another round: three steps of 8 bits.
const FINE: f32 = 0.012;

/// A pixel: its upper left corner, and the seed of its samples.
struct Place {
    x: f32,
    y: f32,
    seed: u32,
}

impl Place {
    /// The light that comes in, and what [`Exposure`] calls open where there is a backdrop. At least the first
    /// number of samples is taken, and rounds of as many more, up to the second, while the mean is uncertain.
    fn light(&self, scene: &Scene, [round, most]: [u32; 2], has_backdrop: bool) -> [Vec3A; 2] {
        let (mut light, mut open) = (Vec3A::ZERO, Vec3A::ZERO);
        let (mut sum, mut squares, mut sample) = (0.0, 0.0, 0);
        while sample < most {
            for _ in 0..round {
                let ray = Ray {
                    pixel: self.seed,
                    sample,
                };
                sample += 1;
                let (dx, dy) = ray.point(Use::Pixel);
                let direction = scene.camera.direction(self.x + dx, self.y + dy);
                let brightness = match (seen(scene, direction, ray), has_backdrop) {
                    (Seen::Object(radiance), _) | (Seen::Around { radiance, .. }, false) => {
                        light += radiance;
                        luminance(radiance.min(Vec3A::ONE).to_array())
                    }
                    (Seen::Around { lit, .. }, true) => {
                        open += Vec3A::new(1.0, lit, 0.0);
                        lit.min(1.0)
                    }
                };
                sum += brightness;
                squares += brightness * brightness;
            }
            let count = sample as f32;
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            // A printed value is about the root of the light, so that noise in the dark shows more.
            let error = (variance / count).sqrt() / (2.0 * mean.max(0.01).sqrt());
            if error <= FINE {
                break;
            }
        }
        let count = sample.max(1) as f32;
        [light / count, open / count]
    }
}

/// Numbers of the pixels within `reach` rows and columns of pixel `i`, row by row.
fn around(i: usize, size: Extent, reach: usize) -> impl Iterator<Item = usize> {
    let (width, height) = (size.width as usize, size.height as usize);
    let near = move |v: usize, side: usize| v.saturating_sub(reach)..(v + reach + 1).min(side);
    let (columns, rows) = (near(i % width, width), near(i / width, height));
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
}

/// Averages what is left of the shadows' sampling noise on bare table, where nothing is sharp.
fn smooth(pixels: &mut [Vec3A], size: Extent, bare: &[bool]) {
    const REACH: usize = 2;
    let rough = pixels.to_vec();
    for (i, pixel) in pixels.iter_mut().enumerate().filter(|&(i, _)| bare[i]) {
        let (mut sum, mut count) = (Vec3A::ZERO, 0.0);
        for near in around(i, size, REACH).filter(|&near| bare[near]) {
            sum += rough[near];
            count += 1.0;
        }
        // The pixel itself is bare, so that at least one was counted.
        *pixel = sum / count;
    }
}

/// What the camera sees in a direction.
enum Seen {
    /// An object, and its radiance.
    Object(Vec3A),
    /// Table or sky: its radiance, and the share of the open table's light that it gets.
    Around { radiance: Vec3A, lit: f32 },
}

/// Light that reaches the camera from a direction.
fn seen(scene: &Scene, direction: Vec3A, ray: Ray) -> Seen {
    let Some(hit) = scene.light_hit(scene.camera.position, direction, (ray.pixel, ray.sample))
    else {
        let radiance = sky(scene, direction, 0.0);
        return Seen::Around { radiance, lit: 1.0 };
    };
    let point = scene.camera.position + direction * hit.distance;
    match hit.target {
        Target::Table => {
            let (light, _) = received(scene, point, Vec3A::Y, 1.0, ray);
            Seen::Around {
                radiance: scene.table.colour_at(point) * light,
                lit: light.element_sum() / level_light(scene).element_sum().max(f32::MIN_POSITIVE),
            }
        }
        Target::Instance(number, triangle) => Seen::Object(radiance(
            scene,
            &scene.instances[number],
            triangle,
            (hit.distance, direction),
            ray,
        )),
    }
}

/// Radiance of a triangle of an instance, `distance` metres from the camera.
fn radiance(
    scene: &Scene,
    instance: &Instance,
    triangle: usize,
    (distance, direction): (f32, Vec3A),
    ray: Ray,
) -> Vec3A {
    let spot = Spot::new(scene, instance, triangle, (distance, direction));
    let Spot { model, inside, .. } = spot;
    let origin = spot.point + spot.flat_normal() * (model.size * 1e-3);
    let normal = spot.normal();
    let surface = spot.surface();
    let finish = spot.finish();
    let open = spot.material().occlusion(model, &spot.contact, spot.reach);
    let (light, lamp) = received(scene, origin, normal, open, ray);
    let shimmer = surface.shimmer(inside, -normal.dot(direction));
    // A rough metal mirrors light from as wide around as a matt surface.
    let wide = finish.metallic * finish.roughness * finish.roughness;
    let body = finish.colour * light * shimmer * (1.0 - finish.metallic + wide);
    let head_on = Vec3A::splat(finish.reflectance).lerp(finish.colour, finish.metallic);
    let coat = Coat {
        head_on: head_on * (1.0 - wide),
        roughness: finish.roughness,
        normal: surface.coat_normal(instance.rotation, inside, normal),
    };
    body + gloss(scene, instance, &coat, (origin, direction), lamp) + finish.emission
}

/// Light on a matt white surface over its brightness in radiance, and the lamp's visible share. What lies around
/// leaves `gap` of the surrounding light.
fn received(scene: &Scene, point: Vec3A, normal: Vec3A, gap: f32, ray: Ray) -> (Vec3A, f32) {
    let light = &scene.light;
    let share = |blocker: Option<&Instance>| match blocker {
        None => Vec3A::ONE,
        Some(blocker) => blocker.mean * BOUNCE,
    };
    // By the environment's scale, a level surface receives just 1.
    let sky = match normal == Vec3A::Y {
        true => Vec3A::ONE,
        false => light.environment.diffuse(light.inward(normal)),
    };
    let towards = sky_direction(scene, ray);
    let open = match normal.dot(towards) > 0.0 {
        true => share(scene.blocker(point, towards)),
        false => Vec3A::ONE,
    };
    let even = even_direction(normal, ray);
    let even = match even.y > 0.0 {
        true => share(scene.blocker(point, even)),
        // From below comes what the table throws back, a part of it kept off by the object itself.
        false => level_light(scene) * scene.table.mean() * 0.6,
    };
    let below = level_light(scene) * scene.table.mean() * (0.3 * (1.0 - normal.y));
    let uneven = sky * open + below;
    let mut sum = light.environment_strength * uneven.lerp(even, light.even) * gap;

    let lamp = lamp_direction(scene, ray);
    let cosine = normal.dot(lamp).max(0.0);
    let mut lit = 1.0;
    if cosine > 0.0 {
        let blocker = scene.blocker(point, lamp);
        lit = if blocker.is_some() { 0.0 } else { 1.0 };
        sum += light.lamp_strength * share(blocker) * cosine;
    }
    (sum, lit)
}

/// A direction to the environment's light, near bright places more often.
fn sky_direction(scene: &Scene, ray: Ray) -> Vec3A {
    let lights = &scene.light.environment.lights;
    let chosen = (ray.point(Use::Sky).0 * lights.len() as f32) as usize;
    let middle = scene.light.outward(lights[chosen.min(lights.len() - 1)]);
    // A light stands for the patch of sky around it.
    let (u, v) = ray.point(Use::Patch);
    let (side, up) = middle.any_orthonormal_pair();
    (middle + side * (0.1 * (u - 0.5)) + up * (0.1 * (v - 0.5))).normalize()
}

/// A direction about `normal`, distributed by the cosine.
fn even_direction(normal: Vec3A, ray: Ray) -> Vec3A {
    let (u, v) = ray.point(Use::Even);
    let (side, up) = normal.any_orthonormal_pair();
    let (sin, cos) = (v * TAU).sin_cos();
    normal * (1.0 - u).sqrt() + (side * cos + up * sin) * u.sqrt()
}

/// Light on the bare table.
fn level_light(scene: &Scene) -> Vec3A {
    scene.light.environment_strength + scene.light.lamp_strength * scene.light.lamp.y
}

/// A direction towards a random point of the lamp.
fn lamp_direction(scene: &Scene, ray: Ray) -> Vec3A {
    let (side, up) = scene.light.lamp.any_orthonormal_pair();
    let (u, v) = ray.point(Use::Lamp);
    let radius = scene.light.lamp_radius.tan() * u.sqrt();
    let (sin, cos) = (v * TAU).sin_cos();
    (scene.light.lamp + (side * cos + up * sin) * radius).normalize()
}

/// What mirrors at a point.
struct Coat {
    /// Reflection head on, as a share of the light.
    head_on: Vec3A,
    roughness: f32,
    normal: Vec3A,
}

/// Light mirrored by the coat, by the split of Karis 2013: Fresnel times a blurred surrounding.
fn gloss(
    scene: &Scene,
    instance: &Instance,
    coat: &Coat,
    (point, direction): (Vec3A, Vec3A),
    lamp: f32,
) -> Vec3A {
    let Coat {
        head_on,
        roughness,
        normal,
    } = *coat;
    let cosine = -normal.dot(direction);
    let mirrored = direction + normal * (2.0 * cosine);
    let grazing = (1.0 - cosine).clamp(0.0, 1.0).powi(5) * (1.0 - roughness);
    let fresnel = head_on + (Vec3A::ONE - head_on) * grazing;
    if let Some(other) = scene.blocker_but(point, mirrored, Some(instance)) {
        return other.mean * level_light(scene) * (fresnel * 0.7);
    }
    if mirrored.y < 0.0 {
        return scene.table.mean() * level_light(scene) * (fresnel * 0.8);
    }
    // Whoever takes a photo from above stands in the light that a level surface would mirror.
    let [core, rim] = scene.light.photographer;
    let towards_camera = (-direction.dot(mirrored)).clamp(-1.0, 1.0).acos();
    let open = ((towards_camera - core) / (rim - core).max(1e-3)).clamp(0.1, 1.0);
    let surrounding = sky(scene, mirrored, roughness) * open;
    let reach = Reach::new(scene, roughness);
    (surrounding + reach.lamp(scene, mirrored) * lamp) * fresnel
}

/// The lamp as a surface of some roughness mirrors it: wider and dimmer.
struct Reach {
    angle: f32,
    radiance: f32,
}

impl Reach {
    fn new(scene: &Scene, roughness: f32) -> Self {
        let radius = scene.light.lamp_radius;
        let alpha = roughness * roughness;
        let angle = (radius * radius + 2.0 * alpha * alpha).sqrt();
        // Light head on over the solid angle that it seems to come from.
        let radiance = 1.0 / (1.0 - angle.min(PI / 2.0).cos()).max(1e-4) / 2.0;
        Reach { angle, radiance }
    }

    fn lamp(&self, scene: &Scene, mirrored: Vec3A) -> Vec3A {
        let away = mirrored.dot(scene.light.lamp).clamp(-1.0, 1.0).acos() / self.angle;
        scene.light.lamp_strength * (self.radiance * (-away.powi(4)).exp())
    }
}

/// The environment's radiance.
fn sky(scene: &Scene, direction: Vec3A, roughness: f32) -> Vec3A {
    let light = &scene.light;
    let seen = light
        .environment
        .reflection(light.inward(direction), roughness);
    seen * light.environment_strength
}
