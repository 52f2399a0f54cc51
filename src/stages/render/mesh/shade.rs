//! Colours of the picture: direct light with soft shadows, a glossy coat, and what lens and sensor add.
//!
//! Diffuse light from the environment is the noise-free convolution times the sampled share of it
//! that is not blocked (a ratio estimator, Heitz et al. 2018): where nothing blocks, nothing is
//! noisy. Blocked light is replaced by a share of the blocker's own colour, the first bounce.

use std::f32::consts::{PI, TAU};

use glam::Vec3A;
use image::RgbImage;

use super::config::{Lens, draw, to_srgb};
use super::scene::{Instance, Scene};
use super::surface::{Surface, hash, unit};
use super::trace::Target;
use crate::seed::Stream;

/// Share of the light that a blocking neighbour throws on, on average.
const BOUNCE: f32 = 0.25;

/// Environment samples at a hit.
const SKY_SAMPLES: usize = 2;

/// A stream of numbers for one sample of one pixel.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = hash(self.0);
        unit(self.0)
    }
}

/// Renders the picture. `ids` are the instances at the pixels' centres, for spending fewer rays on
/// bare table.
pub fn picture(
    scene: &Scene,
    lens: &Lens,
    size: u32,
    ids: &[Option<usize>],
    stream: &mut Stream,
) -> RgbImage {
    let side = size as usize;
    let mut pixels = vec![Vec3A::ZERO; side * side];
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = (i % side, i / side);
        let around = |v: usize| v.saturating_sub(1)..(v + 2).min(side);
        let object = around(y).any(|y| around(x).any(|x| ids[y * side + x].is_some()));
        let samples = match object {
            true => lens.samples,
            false => lens.samples.div_ceil(2),
        };
        let start = hash(scene.noise ^ hash(i as u32));
        let shift = (unit(start), unit(hash(start)));
        let sum: Vec3A = (0..samples)
            .map(|s| {
                // The R2 sequence (Roberts 2018), shifted by another amount in every pixel.
                let dx = (shift.0 + s as f32 * 0.754_877_7).fract();
                let dy = (shift.1 + s as f32 * 0.569_840_3).fract();
                let direction = scene.camera.direction(x as f32 + dx, y as f32 + dy);
                let strata = (s, samples);
                radiance(scene, direction, strata, &mut Noise(start ^ hash(s)))
            })
            .sum();
        *pixel = sum / samples.max(1) as f32;
    }
    develop(&mut pixels, side, lens, stream, scene.noise)
}

/// Light that reaches the camera from a direction.
fn radiance(scene: &Scene, direction: Vec3A, strata: (u32, u32), noise: &mut Noise) -> Vec3A {
    let Some(hit) = scene.hit(scene.camera.position, direction) else {
        return sky(scene, direction, 0.0);
    };
    let point = scene.camera.position + direction * hit.distance;
    match hit.target {
        Target::Table => {
            let (light, _) = received(scene, point, Vec3A::Y, strata, noise);
            scene.table.colour_at(point) * light
        }
        Target::Instance(number, triangle) => {
            let instance = &scene.instances[number];
            let inside = instance.to_model(point);
            let contact = instance.model.contact(triangle, inside);
            let mut normal = instance.rotation * contact.normal;
            if normal.dot(direction) > 0.0 {
                normal =
                    (normal - direction * (1.01 * normal.dot(direction))).normalize_or(-direction);
            }
            let surface = &instance.surfaces[contact.material];
            let origin = point + normal * (instance.model.size * 1e-3);
            let (light, lamp) = received(scene, origin, normal, strata, noise);
            let body = surface.colour_at(inside) * light;
            body + gloss(scene, instance, surface, (origin, normal, direction), lamp)
        }
    }
}

/// Light on a matt white surface over its brightness in radiance, and the lamp's visible share.
fn received(
    scene: &Scene,
    point: Vec3A,
    normal: Vec3A,
    (sample, samples): (u32, u32),
    noise: &mut Noise,
) -> (Vec3A, f32) {
    let light = &scene.light;
    let lights = &light.environment.lights;
    let (mut open, mut all, mut bounced) = (0.0, 0.0, Vec3A::ZERO);
    for i in 0..SKY_SAMPLES {
        let strata = (SKY_SAMPLES * samples as usize) as f32;
        let place = (sample as usize + i * samples as usize) as f32 + noise.next();
        let chosen = (place / strata * lights.len() as f32) as usize;
        let middle = light.outward(lights[chosen.min(lights.len() - 1)]);
        // A light stands for the patch of sky around it.
        let patch = Vec3A::new(noise.next(), noise.next(), noise.next()) - 0.5;
        let direction = (middle + patch * 0.1).normalize();
        let cosine = normal.dot(direction);
        if cosine <= 0.0 {
            continue;
        }
        all += cosine;
        match scene.blocker(point, direction) {
            None => open += cosine,
            Some(blocker) => bounced += blocker.mean * (cosine * BOUNCE),
        }
    }
    let (open, bounced) = match all > 0.0 {
        true => (open / all, bounced / all),
        false => (1.0, Vec3A::ZERO),
    };
    let sky = light.environment.diffuse(light.inward(normal)) * light.environment_strength;
    let mut sum = sky * (bounced + open);

    let lamp = lamp_direction(scene, noise);
    let cosine = normal.dot(lamp).max(0.0);
    let mut lit = 1.0;
    if cosine > 0.0 {
        if let Some(blocker) = scene.blocker(point, lamp) {
            lit = 0.0;
            sum += blocker.mean * light.lamp_strength * (cosine * BOUNCE);
        } else {
            sum += light.lamp_strength * cosine;
        }
    }
    // What the table throws back from below, a part of it kept off by the object itself.
    let below = (1.0 - normal.y) / 2.0;
    (
        sum + level_light(scene) * scene.table.mean() * (0.6 * below),
        lit,
    )
}

/// Light on the bare table.
fn level_light(scene: &Scene) -> Vec3A {
    scene.light.environment_strength + scene.light.lamp_strength * scene.light.lamp.y
}

/// A direction towards a random point of the lamp.
fn lamp_direction(scene: &Scene, noise: &mut Noise) -> Vec3A {
    let (side, up) = scene.light.lamp.any_orthonormal_pair();
    let radius = scene.light.lamp_radius.tan() * noise.next().sqrt();
    let (sin, cos) = (noise.next() * TAU).sin_cos();
    (scene.light.lamp + (side * cos + up * sin) * radius).normalize()
}

/// Light mirrored by the coat, by the split of Karis 2013: Fresnel times a blurred surrounding.
fn gloss(
    scene: &Scene,
    instance: &Instance,
    surface: &Surface,
    (point, normal, direction): (Vec3A, Vec3A, Vec3A),
    lamp: f32,
) -> Vec3A {
    let cosine = -normal.dot(direction);
    let mirrored = direction + normal * (2.0 * cosine);
    let grazing = (1.0 - cosine).clamp(0.0, 1.0).powi(5) * (1.0 - surface.roughness);
    let fresnel = surface.reflectance + (1.0 - surface.reflectance) * grazing;
    let others = scene.instances.iter();
    let seen = others
        .filter(|other| !std::ptr::eq(*other, instance))
        .find(|other| other.hit(point, mirrored, f32::INFINITY).is_some());
    if let Some(other) = seen {
        return other.mean * level_light(scene) * (0.7 * fresnel);
    }
    if mirrored.y < 0.0 {
        return scene.table.mean() * level_light(scene) * (0.8 * fresnel);
    }
    let reach = Reach::new(scene, surface.roughness);
    (sky(scene, mirrored, surface.roughness) + reach.lamp(scene, mirrored) * lamp) * fresnel
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

/// From linear light to the picture: gradient, blur, tone curve, sharpening, noise.
fn develop(
    pixels: &mut [Vec3A],
    side: usize,
    lens: &Lens,
    stream: &mut Stream,
    seed: u32,
) -> RgbImage {
    let gradient = draw(stream, lens.gradient);
    let (sin, cos) = draw(stream, [0.0, TAU]).sin_cos();
    let blur = draw(stream, lens.blur_pixels);
    let chroma_blur = draw(stream, lens.chroma_blur_pixels);
    let sharpening = draw(stream, lens.sharpening);
    let deviation = draw(stream, lens.noise);
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let place = |v: usize| (v as f32 + 0.5) / side as f32 - 0.5;
        let across = place(i % side) * cos + place(i / side) * sin;
        *pixel *= 1.0 + gradient * across;
        // Beyond white a sensor sees nothing; cut before the blur, as most highlights are.
        *pixel = pixel.min(Vec3A::splat(1.5));
    }
    gaussian(pixels, side, blur);
    let mut values: Vec<Vec3A> = pixels
        .iter()
        .map(|p| Vec3A::from_array(p.to_array().map(to_srgb)))
        .collect();
    sharpen(&mut values, side, sharpening);
    blur_chroma(&mut values, side, chroma_blur);
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let i = y as usize * side + x as usize;
        let mut noise = Noise(hash(seed.wrapping_add(0x9e37_79b9) ^ hash(i as u32)));
        image::Rgb(values[i].to_array().map(|value| {
            // The sum of three uniform numbers is near enough to a normal one; its deviation is ½.
            let grain = noise.next() + noise.next() + noise.next() - 1.5;
            ((value + grain * 2.0 * deviation) * 255.0)
                .round()
                .clamp(0.0, 255.0) as u8
        }))
    })
}

/// Raises what differs from the blurred picture (unsharp masking), as cameras do.
fn sharpen(values: &mut [Vec3A], side: usize, strength: f32) {
    const RADIUS: f32 = 1.5;
    let mut blurred = values.to_vec();
    gaussian(&mut blurred, side, RADIUS);
    for (value, blurred) in values.iter_mut().zip(blurred) {
        *value += (*value - blurred) * strength;
    }
}

/// Blurs what differs between the channels, and keeps the brightness sharp.
fn blur_chroma(values: &mut [Vec3A], side: usize, deviation: f32) {
    let brightness = |v: Vec3A| Vec3A::splat(v.dot(Vec3A::new(0.299, 0.587, 0.114)));
    let mut chroma: Vec<Vec3A> = values.iter().map(|&v| v - brightness(v)).collect();
    gaussian(&mut chroma, side, deviation);
    for (value, chroma) in values.iter_mut().zip(chroma) {
        *value = brightness(*value) + chroma;
    }
}

/// Blurs by a Gaussian, rows and columns in turn; the margins repeat the outermost pixels.
fn gaussian(pixels: &mut [Vec3A], side: usize, deviation: f32) {
    if deviation < 0.05 {
        return;
    }
    let reach = (3.0 * deviation).ceil() as isize;
    let bell = |d: isize| (-0.5 * (d as f32 / deviation).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(bell).sum();
    let weights: Vec<f32> = (-reach..=reach).map(|d| bell(d) / total).collect();
    let mut line = vec![Vec3A::ZERO; side];
    for (step, jump) in [(1, side), (side, 1)] {
        for row in 0..side {
            let at = |i: usize| row * jump + i * step;
            for (i, out) in line.iter_mut().enumerate() {
                let near = |d: usize| (i as isize + d as isize - reach).clamp(0, side as isize - 1);
                *out = weights
                    .iter()
                    .enumerate()
                    .map(|(d, &weight)| pixels[at(near(d) as usize)] * weight)
                    .sum();
            }
            for (i, &blurred) in line.iter().enumerate() {
                pixels[at(i)] = blurred;
            }
        }
    }
}
