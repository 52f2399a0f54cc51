//! From a scene to a picture: how many paths each pixel gets, and what their light comes to.

use glam::Vec3A;
use image::RgbImage;

use super::backdrop::Behind;
use super::camera::Aperture;
use super::config::{Lens, draw};
use super::denoise::{Guide, Noisy, around, denoise};
use super::develop::{Exposure, develop};
use super::path::{Found, Light, Seen, Tracer, Ways, level_light};
use super::points::{Points, Use};
use super::scene::Scene;
use super::surface::hash;
use crate::sample::Extent;
use crate::sample::colour::luminance;
use crate::seed::Stream;

/// A pixel is sampled in rounds of `lens.samples` until it is no longer noisy, this many at most.
const MOST_ROUNDS: u32 = 3;

/// Rounds of samples without light for pixels in which the surface changes: they cost little, and outlines need many.
const OUTLINE: u32 = 2;

/// Deviation of the known light of a surface that changes, over its mean.
const EVEN: f32 = 0.1;

/// The standard error of a pixel's printed value, 0..1, that is not worth another round.
const FINE: f32 = 0.04;

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
    let exposure = expose(scene, lens, behind.is_some(), size, ids, stream);
    develop(exposure, behind, lens, stream, scene.noise)
}

/// The light that comes in; with a backdrop, what the table gets apart.
pub(super) fn expose(
    scene: &Scene,
    lens: &Lens,
    has_backdrop: bool,
    size: Extent,
    ids: &[Option<usize>],
    stream: &mut Stream,
) -> Exposure {
    let mut tracer = Tracer::new(scene, lens.bounces, Ways::Both);
    tracer.white_table = has_backdrop;
    let camera = Shutter::draw(scene, lens, stream);
    let bare: Vec<bool> = (0..size.area())
        .map(|i| camera.is_plain() && around(i, size, 1).all(|near| ids[near].is_none()))
        .collect();
    let width = size.width as usize;
    let place = |i: usize| Place {
        x: (i % width) as f32,
        y: (i / width) as f32,
        seed: hash(scene.noise ^ hash(i as u32)),
    };
    let sampled = |i: usize| place(i).light(&tracer, &camera, lens.samples);
    // Of bare table every second pixel of every second row, then what lies between others than those.
    let is_first =
        |i: usize| !bare[i] || [i % width, i / width].iter().all(|at| at.is_multiple_of(2));
    let mut pixels: Vec<Pixel> = (0..size.area())
        .map(|i| match is_first(i) {
            true => sampled(i),
            false => Pixel::default(),
        })
        .collect();
    for i in (0..size.area()).filter(|&i| !is_first(i)) {
        let [columns, rows] = [(i % width, width), (i / width, size.height as usize)]
            .map(|(at, side)| (at - at % 2..(at + at % 2 + 1).min(side)).step_by(2));
        let near = rows.flat_map(|y| columns.clone().map(move |x| y * width + x));
        let near: Vec<&Pixel> = near.filter(|&j| bare[j]).map(|j| &pixels[j]).collect();
        let shared = (near.len() > 1 && are_alike(&near))
            .then(|| place(i).between(&tracer, &camera, &near))
            .flatten();
        pixels[i] = shared.unwrap_or_else(|| sampled(i));
    }
    composed(&pixels, size, has_backdrop.then(|| level_light(scene)))
}

/// Whether pixels show table alone, and as much of the known light gets to all of them, as far as their noise tells.
fn are_alike(pixels: &[&Pixel]) -> bool {
    /// Share of the light, and standard errors of it.
    const SLACK: f32 = 0.01;
    const ERRORS: f32 = 1.5;
    if pixels.iter().any(|pixel| pixel.ground.is_mixed) {
        return false;
    }
    let (mut low, mut high, mut variance) = (f32::INFINITY, 0.0_f32, 0.0);
    for pixel in pixels {
        let ground = &pixel.ground;
        let [met, bare] = [ground.met, ground.bare].map(|light| luminance(light.to_array()));
        let share = met / bare.max(1e-9);
        (low, high) = (low.min(share), high.max(share));
        let light = ground.light().0;
        let brightness = luminance(light.light.to_array()).max(1e-4);
        variance += light.variance * (share / brightness).powi(2) / pixels.len() as f32;
    }
    high - low < SLACK + ERRORS * variance.sqrt()
}

/// The camera while its shutter is open.
struct Shutter<'a> {
    scene: &'a Scene<'a>,
    aperture: Option<Aperture>,
    /// Pixels by which the picture moves.
    shake: Option<(f32, f32)>,
}

impl<'a> Shutter<'a> {
    /// Nothing is drawn unless the settings ask for it.
    fn draw(scene: &'a Scene<'a>, lens: &Lens, stream: &mut Stream) -> Self {
        let mut drawn = |range: [f32; 2]| (range[1] > 0.0).then(|| draw(stream, range));
        let aperture = drawn(lens.defocus_pixels);
        let shake = drawn(lens.shake_pixels);
        Shutter {
            scene,
            aperture: aperture.map(|pixels| Aperture::new(scene, pixels)),
            shake: shake.map(|pixels| {
                let (sin, cos) = draw(stream, [0.0, std::f32::consts::TAU]).sin_cos();
                (pixels * cos, pixels * sin)
            }),
        }
    }

    /// Whether everything is as sharp as labels are.
    fn is_plain(&self) -> bool {
        self.aperture.is_none() && self.shake.is_none()
    }

    /// Origin and direction of a sample's ray through a pixel.
    fn ray(&self, place: &Place, points: Points) -> (Vec3A, Vec3A) {
        let (dx, dy) = points.at(Use::Pixel);
        let (mut x, mut y) = (place.x + dx, place.y + dy);
        if let Some((right, down)) = self.shake {
            let time = points.at(Use::Exposure).0 - 0.5;
            (x, y) = (x + right * time, y + down * time);
        }
        let camera = &self.scene.camera;
        match &self.aperture {
            None => (camera.position, camera.direction(x, y)),
            Some(aperture) => camera.ray(x, y, aperture, points.at(Use::Aperture)),
        }
    }
}

/// A pixel: its upper left corner, and the seed of its samples.
struct Place {
    x: f32,
    y: f32,
    seed: u32,
}

impl Place {
    /// Rounds of so many samples, until the mean is no longer uncertain.
    fn light(&self, tracer: &Tracer, camera: &Shutter, round: u32) -> Pixel {
        let mut pixel = Pixel::default();
        for _ in 0..MOST_ROUNDS {
            for _ in 0..round {
                self.look(tracer, camera, true, &mut pixel);
            }
            if pixel.error() <= FINE {
                break;
            }
        }
        if pixel.is_uneven() {
            for _ in 0..OUTLINE * round {
                self.look(tracer, camera, false, &mut pixel);
            }
        }
        pixel
    }

    /// The pixel on bare table amid others, whose light it shares; `None` if it sees the sky, too.
    fn between(&self, tracer: &Tracer, camera: &Shutter, others: &[&Pixel]) -> Option<Pixel> {
        let mut pixel = Pixel::default();
        for _ in 0..2 {
            self.look(tracer, camera, false, &mut pixel);
        }
        for other in others {
            pixel.ground.borrow(&other.ground, others.len());
        }
        (!pixel.ground.is_mixed).then_some(pixel)
    }

    /// Takes one sample.
    fn look(&self, tracer: &Tracer, camera: &Shutter, with_light: bool, pixel: &mut Pixel) {
        let points = Points {
            pixel: self.seed,
            sample: pixel.seen,
        };
        pixel.seen += 1;
        match tracer.look(camera.ray(self, points), points, with_light) {
            Found::Sky(radiance) => pixel.sky(radiance),
            Found::Surface(seen) => pixel.surface(&seen, with_light),
        }
    }
}

/// What the samples of a pixel found.
#[derive(Default)]
struct Pixel {
    /// Samples.
    seen: u32,
    objects: Sums,
    /// Of table and sky.
    ground: Sums,
}

/// Sums over samples.
#[derive(Default)]
struct Sums {
    /// Samples, and those with light.
    seen: u32,
    count: u32,
    /// One more than the number of the instance, 0 for the table.
    thing: u32,
    is_mixed: bool,
    known: Vec3A,
    bare: Vec3A,
    met: Vec3A,
    gloss: Vec3A,
    body: Vec3A,
    normal: Vec3A,
    /// Squares of the brightness of `known`.
    known2: f32,
    /// Squares and products of the brightness of `met` and `bare`.
    met2: f32,
    both: f32,
    bare2: f32,
    /// Brightness of the gloss, cut at white, and its squares.
    shine: f32,
    shine2: f32,
}

impl Pixel {
    fn sky(&mut self, radiance: Vec3A) {
        self.ground.seen += 1;
        self.ground.count += 1;
        self.ground.is_mixed = true;
        self.ground.gloss += radiance;
    }

    fn surface(&mut self, seen: &Seen, with_light: bool) {
        let (sums, thing) = match seen.instance {
            None => (&mut self.ground, 0),
            Some(number) => (&mut self.objects, number as u32 + 1),
        };
        sums.see(thing, seen);
        if with_light {
            sums.light_up(&seen.light);
        }
    }

    /// The one thing that it shows, if it does.
    fn pure(&self) -> Option<&Sums> {
        let sums = match (self.objects.seen, self.ground.seen) {
            (0, _) => &self.ground,
            (_, 0) => &self.objects,
            _ => return None,
        };
        (!sums.is_mixed).then_some(sums)
    }

    /// Whether it shows several things, or one whose light is known to change.
    fn is_uneven(&self) -> bool {
        self.pure().is_none_or(|sums| {
            let mean = luminance((sums.known / sums.seen as f32).to_array());
            let spread = sums.known2 / sums.seen as f32 - mean * mean;
            spread > EVEN * EVEN * mean * mean
        })
    }

    /// The standard error of the printed value, 0..1.
    fn error(&self) -> f32 {
        let (mut variance, mut mean) = (0.0, 0.0);
        for sums in [&self.objects, &self.ground] {
            let share = sums.seen as f32 / self.seen as f32;
            let (light, gloss) = sums.light();
            variance += share * share * (light.variance + gloss.variance);
            mean += share * luminance((light.light + gloss.light).to_array());
        }
        // A printed value is about the root of the light, so that noise in the dark shows more.
        variance.sqrt() / (2.0 * mean.max(0.01).sqrt())
    }
}

impl Sums {
    fn see(&mut self, thing: u32, seen: &Seen) {
        self.is_mixed |= self.seen > 0 && self.thing != thing;
        self.thing = thing;
        self.seen += 1;
        self.known += seen.light.known;
        self.body += seen.body;
        self.normal += seen.normal;
        self.known2 += luminance(seen.light.known.to_array()).powi(2);
    }

    fn light_up(&mut self, light: &Light) {
        self.count += 1;
        self.bare += light.bare;
        self.met += light.met;
        self.gloss += light.gloss;
        let [met, bare] = [light.met, light.bare].map(|light| luminance(light.to_array()));
        self.met2 += met * met;
        self.both += met * bare;
        self.bare2 += bare * bare;
        let shine = luminance(light.gloss.min(Vec3A::ONE).to_array());
        self.shine += shine;
        self.shine2 += shine * shine;
    }

    /// Takes over the samples of light of another pixel on the same thing, one of so many. Their noise counts in full,
    /// since all that lies between these pixels shares it.
    fn borrow(&mut self, other: &Sums, others: usize) {
        let shared = others as f32;
        let body = |sums: &Sums| sums.body.max(Vec3A::splat(1e-4)) / sums.seen.max(1) as f32;
        let factor = body(self) / body(other);
        self.count += other.count;
        self.met += other.met * factor;
        self.bare += other.bare * factor;
        self.met2 += shared * other.met2;
        self.both += shared * other.both;
        self.bare2 += shared * other.bare2;
    }

    /// Means of the light that the body throws back, and of the gloss.
    fn light(&self) -> (Noisy, Noisy) {
        if self.count == 0 {
            return <(Noisy, Noisy)>::default();
        }
        let count = self.count as f32;
        let light = self.lit_by(self.met, self.bare);
        let [met, bare] = [self.met, self.bare].map(|sum| luminance(sum.to_array()));
        let ratio = met / bare.max(1e-9);
        let spread = self.met2 - 2.0 * ratio * self.both + ratio * ratio * self.bare2;
        let shine = self.shine2 - self.shine * self.shine / count;
        let of_mean = |squares: f32| squares.max(0.0) / (count * (count - 1.0).max(1.0));
        (
            Noisy {
                light,
                variance: of_mean(spread),
            },
            Noisy {
                light: self.gloss / count,
                variance: of_mean(shine),
            },
        )
    }

    /// What is known of the light, and what comes of what would come (Heitz et al. 2018).
    fn lit_by(&self, met: Vec3A, bare: Vec3A) -> Vec3A {
        let share = met / bare.max(Vec3A::splat(1e-9));
        self.known / self.seen.max(1) as f32
            * Vec3A::select(bare.cmpgt(Vec3A::splat(1e-6)), share, Vec3A::ONE)
    }

    fn guide(&self) -> Guide {
        Guide {
            thing: self.thing,
            normal: self.normal.normalize_or(Vec3A::Y),
            body: self.body / self.seen.max(1) as f32,
        }
    }
}

/// The exposure that the pixels make, without noise where they show one thing alone. With a backdrop, `level` is the
/// light on the open table.
fn composed(pixels: &[Pixel], size: Extent, level: Option<Vec3A>) -> Exposure {
    /// Colours that are darker show no light to speak of.
    const DARKEST: f32 = 0.004;
    let guides: Vec<Option<Guide>> = (pixels.iter())
        .map(|pixel| pixel.pure().map(Sums::guide))
        .collect();
    let (mut bodies, mut glosses): (Vec<Noisy>, Vec<Noisy>) = (pixels.iter().zip(&guides))
        .map(|(pixel, guide)| {
            let (Some(sums), Some(guide)) = (pixel.pure(), guide) else {
                return <(Noisy, Noisy)>::default();
            };
            let (light, gloss) = sums.light();
            let body = guide.body.max(Vec3A::splat(DARKEST));
            let brightness = luminance(body.to_array());
            let light = Noisy {
                light: light.light / body,
                variance: light.variance / (brightness * brightness),
            };
            (light, gloss)
        })
        .unzip();
    denoise(&mut bodies, &guides, size, false);
    denoise(&mut glosses, &guides, size, true);
    let (mut light, mut open) = (Vec::new(), Vec::new());
    for (i, pixel) in pixels.iter().enumerate() {
        let (objects, ground) = match &guides[i] {
            Some(guide) => {
                let whole =
                    bodies[i].light * guide.body.max(Vec3A::splat(DARKEST)) + glosses[i].light;
                match guide.thing {
                    0 => (Vec3A::ZERO, whole),
                    _ => (whole, Vec3A::ZERO),
                }
            }
            None => (
                part(pixels, i, size, |pixel| &pixel.objects),
                part(pixels, i, size, |pixel| &pixel.ground),
            ),
        };
        match level {
            None => {
                light.push(objects + ground);
                open.push(Vec3A::ZERO);
            }
            Some(level) => {
                let share = pixel.ground.seen as f32 / pixel.seen.max(1) as f32;
                let lit = ground.element_sum() / level.element_sum().max(f32::MIN_POSITIVE);
                light.push(objects);
                open.push(Vec3A::new(share, lit, 0.0));
            }
        }
    }
    Exposure {
        extent: size,
        light,
        open,
    }
}

/// What objects or ground bring to a pixel that shows both, or several. How much of the known light gets there, the
/// pixels around help to tell.
fn part(pixels: &[Pixel], i: usize, size: Extent, of: impl Fn(&Pixel) -> &Sums) -> Vec3A {
    let own = of(&pixels[i]);
    if own.seen == 0 {
        return Vec3A::ZERO;
    }
    let share = own.seen as f32 / pixels[i].seen as f32;
    let (light, gloss) = own.light();
    if own.is_mixed {
        return (light.light + gloss.light) * share;
    }
    let near = around(i, size, 1).map(|near| of(&pixels[near]));
    let (mut met, mut bare) = (Vec3A::ZERO, Vec3A::ZERO);
    for sums in near.filter(|sums| sums.count > 0 && !sums.is_mixed && sums.thing == own.thing) {
        // Each counts by its samples, not by its colour.
        let body = sums.body.max(Vec3A::splat(1e-3)) / sums.seen as f32;
        met += sums.met / body;
        bare += sums.bare / body;
    }
    (own.lit_by(met, bare) + gloss.light) * share
}
