//! Panoramas made in code: studios, rooms and skies, for who has none.
//!
//! A room is a box seen from its middle, with lamps and windows as bright rectangles on its walls. A clear
//! sky follows Preetham, Shirley and Smits 1999, an overcast one the CIE's (1 + 2 sin h) / 3.

use std::f32::consts::{PI, TAU};

use glam::{Vec2, Vec3A, vec2, vec3a};

use super::surface::smooth_noise;

/// What `environments` calls all of them.
pub(super) const NAME: &str = "builtin";

/// A panorama: radiance by direction, +y up, with the same unit for all directions.
pub(super) type Sky = Box<dyn Fn(Vec3A) -> Vec3A + Send + Sync>;

/// All of them.
pub(super) fn all() -> Vec<Sky> {
    let rooms = [softboxes(), tent(), window(), office()];
    let rooms = rooms.map(|room| Box::new(move |direction| room.light(direction)) as Sky);
    let clear = |elevation: f32, turbidity, sun| -> Sky {
        let sky = Clear::new(elevation.to_radians(), turbidity, sun);
        Box::new(move |direction| sky.light(direction))
    };
    let skies = [
        clear(50.0, 2.5, 3.0),
        clear(22.0, 4.0, 1.5),
        Box::new(overcast),
    ];
    rooms.into_iter().chain(skies).collect()
}

/// A wall of a room, seen from inside.
#[derive(Clone, Copy, PartialEq)]
enum Wall {
    Floor,
    Ceiling,
    /// Towards +x, +z, -x and -z.
    Side(usize),
}

/// A bright rectangle on a wall.
struct Panel {
    wall: Wall,
    /// In metres on the wall, from its middle; of a side, the second is up.
    centre: Vec2,
    half: Vec2,
    light: Vec3A,
    /// Panes of a window, across and up; 1 is a lamp without bars.
    panes: [f32; 2],
}

/// A room, seen from its middle.
struct Room {
    /// Half the lengths in metres.
    half: Vec3A,
    /// Radiance of floor, ceiling and sides.
    floor: Vec3A,
    ceiling: Vec3A,
    sides: Vec3A,
    panels: Vec<Panel>,
}

impl Room {
    fn light(&self, direction: Vec3A) -> Vec3A {
        let reach = self.half / direction.abs().max(Vec3A::splat(1e-6));
        let nearest = reach.min_element();
        let point = direction * nearest;
        let (wall, place) = if reach.y == nearest {
            let wall = if direction.y > 0.0 {
                Wall::Ceiling
            } else {
                Wall::Floor
            };
            (wall, vec2(point.x, point.z))
        } else if reach.x == nearest {
            let side = if direction.x > 0.0 { 0 } else { 2 };
            (Wall::Side(side), vec2(point.z, point.y))
        } else {
            let side = if direction.z > 0.0 { 1 } else { 3 };
            (Wall::Side(side), vec2(point.x, point.y))
        };
        let on_wall = self.panels.iter().filter(|panel| panel.wall == wall);
        for panel in on_wall {
            let inside = panel.inside(place);
            if inside > 0.0 {
                return panel.light * inside;
            }
        }
        let base = match wall {
            Wall::Floor => self.floor,
            Wall::Ceiling => self.ceiling,
            // Darker towards the floor.
            Wall::Side(_) => self.sides * (1.0 + 0.35 * place.y / self.half.y),
        };
        // Corners are darker, and no wall is of one tone.
        let corner = (point.abs() / self.half).to_array();
        let corner = corner.iter().product::<f32>();
        base * (1.0 - 0.35 * corner) * (0.9 + 0.2 * clouds(point * 1.5))
    }
}

impl Panel {
    /// How much light comes from a place on its wall: less at the edge, none from bars.
    fn inside(&self, place: Vec2) -> f32 {
        let away = (place - self.centre) / self.half;
        if away.abs().max_element() > 1.0 {
            return 0.0;
        }
        let bar = |along: f32, panes: f32| {
            let pane = (f32::midpoint(along, 1.0) * panes).fract();
            panes > 1.0 && !(0.04..=0.96).contains(&pane)
        };
        if bar(away.x, self.panes[0]) || bar(away.y, self.panes[1]) {
            return 0.04;
        }
        1.0 - 0.35 * away.length_squared() / 2.0
    }
}

fn lamp(wall: Wall, centre: [f32; 2], half: [f32; 2], light: Vec3A) -> Panel {
    Panel {
        wall,
        centre: centre.into(),
        half: half.into(),
        light,
        panes: [1.0; 2],
    }
}

/// A dark studio with a large softbox, a smaller one opposite and a strip from behind.
fn softboxes() -> Room {
    Room {
        half: vec3a(3.0, 1.8, 3.0),
        floor: Vec3A::splat(0.12),
        ceiling: Vec3A::splat(0.1),
        sides: Vec3A::splat(0.09),
        panels: vec![
            lamp(Wall::Side(0), [0.2, 0.7], [1.1, 0.8], vec3a(9.0, 8.8, 8.5)),
            lamp(Wall::Side(2), [-0.6, 0.5], [0.6, 0.6], vec3a(4.0, 4.1, 4.3)),
            lamp(Wall::Ceiling, [-1.2, -1.8], [1.2, 0.25], Vec3A::splat(7.0)),
        ],
    }
}

/// A light tent: white cloth all around, brighter above.
fn tent() -> Room {
    Room {
        half: vec3a(1.0, 1.0, 1.0),
        floor: Vec3A::splat(0.7),
        ceiling: Vec3A::splat(1.1),
        sides: vec3a(0.8, 0.8, 0.82),
        panels: vec![
            lamp(
                Wall::Ceiling,
                [0.1, -0.2],
                [0.55, 0.55],
                vec3a(4.2, 4.1, 4.0),
            ),
            lamp(Wall::Side(1), [0.3, 0.3], [0.3, 0.4], Vec3A::splat(2.2)),
        ],
    }
}

/// A living room by day: two windows on one side, a warm lamp on the ceiling.
fn window() -> Room {
    let pane = |x: f32| Panel {
        panes: [2.0, 3.0],
        ..lamp(Wall::Side(0), [x, 0.25], [0.7, 0.75], vec3a(8.0, 9.0, 10.5))
    };
    Room {
        half: vec3a(2.2, 1.3, 2.8),
        floor: vec3a(0.34, 0.24, 0.16),
        ceiling: vec3a(0.75, 0.73, 0.7),
        sides: vec3a(0.55, 0.53, 0.5),
        panels: vec![
            pane(-1.1),
            pane(0.9),
            lamp(Wall::Ceiling, [0.0, 0.3], [0.3, 0.3], vec3a(11.0, 8.0, 5.0)),
        ],
    }
}

/// An office: a grid of lamps on the ceiling, a row of windows far off.
fn office() -> Room {
    let mut panels: Vec<Panel> = (0..12)
        .map(|i| {
            let (x, z) = ((i % 4) as f32 * 2.4 - 3.6, (i / 4) as f32 * 2.8 - 2.8);
            lamp(Wall::Ceiling, [x, z], [0.6, 0.15], vec3a(9.0, 9.6, 8.6))
        })
        .collect();
    panels.push(Panel {
        panes: [6.0, 1.0],
        ..lamp(Wall::Side(3), [0.0, 0.2], [4.0, 0.7], vec3a(3.6, 4.0, 4.6))
    });
    Room {
        half: vec3a(5.0, 1.4, 4.2),
        floor: vec3a(0.2, 0.21, 0.23),
        ceiling: Vec3A::splat(0.6),
        sides: vec3a(0.42, 0.42, 0.41),
        panels,
    }
}

/// Clouds from horizon to horizon, over grey ground.
fn overcast(direction: Vec3A) -> Vec3A {
    if direction.y < 0.0 {
        return Vec3A::splat(0.16);
    }
    let dome = (1.0 + 2.0 * direction.y) / 3.0;
    // Clouds lie on a plane above.
    let place = direction / (direction.y + 0.25);
    vec3a(0.97, 0.99, 1.03) * dome * (0.6 + 0.8 * clouds(place * 1.4))
}

/// A clear sky.
struct Clear {
    sun: Vec3A,
    /// Light of the sun in its middle.
    sunlight: Vec3A,
    /// Luminance, x and y at the zenith.
    zenith: [f32; 3],
    /// Perez' five coefficients of each.
    coefficients: [[f32; 5]; 3],
    /// Light from the ground.
    ground: Vec3A,
}

/// Angle in radians at which the sun has a third of its light; the true one is too small for the panorama.
const SUN_RADIUS: f32 = 0.035;

impl Clear {
    /// With the sun at this elevation in radians. At a `turbidity` of 2 the air is clear, at 6 hazy. The sun
    /// gives level ground `share` times the light of the sky.
    fn new(elevation: f32, turbidity: f32, share: f32) -> Self {
        let t = turbidity;
        let from_zenith = PI / 2.0 - elevation;
        let linear = |pairs: [[f32; 2]; 5]| pairs.map(|[slope, start]| slope * t + start);
        let coefficients = [
            linear([
                [0.1787, -1.463],
                [-0.3554, 0.4275],
                [-0.0227, 5.3251],
                [0.1206, -2.5771],
                [-0.067, 0.3703],
            ]),
            linear([
                [-0.0193, -0.2592],
                [-0.0665, 0.0008],
                [-0.0004, 0.2125],
                [-0.0641, -0.8989],
                [-0.0033, 0.0452],
            ]),
            linear([
                [-0.0167, -0.2608],
                [-0.095, 0.0092],
                [-0.0079, 0.2102],
                [-0.0441, -1.6537],
                [-0.0109, 0.0529],
            ]),
        ];
        let chi = (4.0 / 9.0 - t / 120.0) * (PI - 2.0 * from_zenith);
        let luminance = (4.0453 * t - 4.971) * chi.tan() - 0.2155 * t + 2.4192;
        let cubic = |rows: [[f32; 4]; 3]| {
            let z = from_zenith;
            let value = |[a, b, c, d]: [f32; 4]| ((a * z + b) * z + c) * z + d;
            let [square, single, none] = rows.map(value);
            (square * t + single) * t + none
        };
        let x = cubic([
            [0.00166, -0.00375, 0.00209, 0.0],
            [-0.02903, 0.06377, -0.03202, 0.00394],
            [0.11693, -0.21196, 0.06052, 0.25886],
        ]);
        let y = cubic([
            [0.00275, -0.0061, 0.00317, 0.0],
            [-0.04214, 0.0897, -0.04153, 0.00516],
            [0.15346, -0.26756, 0.0667, 0.26688],
        ]);
        let mut sky = Clear {
            sun: vec3a(elevation.cos(), elevation.sin(), 0.0),
            sunlight: Vec3A::ZERO,
            zenith: [luminance.max(0.1), x, y],
            coefficients,
            ground: Vec3A::ZERO,
        };
        let level = sky.level();
        // Light that went far through the air is redder.
        let low = (1.0 - elevation.sin()).powi(3);
        let colour = vec3a(1.0, 0.95 - 0.35 * low, 0.88 - 0.65 * low);
        let solid_angle = PI * SUN_RADIUS * SUN_RADIUS;
        let brightness = level.y * share / (solid_angle * elevation.sin());
        sky.sunlight = colour * brightness;
        sky.ground = (level + colour * level.y * share) / PI * vec3a(0.2, 0.19, 0.16);
        sky
    }

    fn light(&self, direction: Vec3A) -> Vec3A {
        if direction.y < 0.0 {
            return self.ground;
        }
        let away = self.sun.dot(direction).clamp(-1.0, 1.0).acos() / SUN_RADIUS;
        self.dome(direction) + self.sunlight * (-away * away).exp()
    }

    /// Light of the sky without the sun.
    fn dome(&self, direction: Vec3A) -> Vec3A {
        let cosine = direction.y.max(0.02);
        let to_sun = self.sun.dot(direction).clamp(-1.0, 1.0).acos();
        let sun_from_zenith = self.sun.y.clamp(-1.0, 1.0).acos();
        let perez = |[a, b, c, d, e]: [f32; 5], cosine: f32, angle: f32| {
            (1.0 + a * (b / cosine).exp()) * (1.0 + c * (d * angle).exp() + e * angle.cos().powi(2))
        };
        let [luminance, x, y] = std::array::from_fn(|i| {
            let terms = self.coefficients[i];
            self.zenith[i] * perez(terms, cosine, to_sun) / perez(terms, 1.0, sun_from_zenith)
        });
        let luminance = luminance.max(0.0);
        let [x, z] = [x, 1.0 - x - y].map(|part| part / y.max(0.05) * luminance);
        let channels = vec3a(
            3.2406 * x - 1.5372 * luminance - 0.4986 * z,
            -0.9689 * x + 1.8758 * luminance + 0.0415 * z,
            0.0557 * x - 0.204 * luminance + 1.057 * z,
        );
        channels.max(Vec3A::splat(0.01))
    }

    /// Light of the sky without the sun on level ground.
    fn level(&self) -> Vec3A {
        const STEPS: usize = 24;
        let rings = (0..STEPS).flat_map(|ring| (0..2 * STEPS).map(move |turn| (ring, turn)));
        let share = |(ring, turn): (usize, usize)| {
            // Even in the square of the sine: each direction stands for the same light on the ground.
            let sine2 = (ring as f32 + 0.5) / STEPS as f32;
            let (sin, cos) = ((turn as f32 + 0.5) / (2 * STEPS) as f32 * TAU).sin_cos();
            let radius = sine2.sqrt();
            self.dome(vec3a(radius * cos, (1.0 - sine2).sqrt(), radius * sin))
        };
        let sum: Vec3A = rings.map(share).sum();
        sum * (PI / (2 * STEPS * STEPS) as f32)
    }
}

/// Smooth noise of mean about ½, of three octaves.
fn clouds(point: Vec3A) -> f32 {
    let octaves = [(1.0, 0.5), (2.1, 0.3), (4.3, 0.2)];
    octaves
        .iter()
        .map(|(scale, share)| share * smooth_noise(point * *scale))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions all around.
    fn directions() -> impl Iterator<Item = Vec3A> {
        (0..2000).map(|i| {
            let y = 1.0 - (2 * i + 1) as f32 / 2000.0;
            let (sin, cos) = (2.4 * i as f32).sin_cos();
            vec3a(cos, 0.0, sin) * (1.0 - y * y).sqrt() + Vec3A::Y * y
        })
    }

    #[test]
    fn all_are_bright_above_and_finite_everywhere() {
        for (number, sky) in all().iter().enumerate() {
            let (mut above, mut below) = (Vec3A::ZERO, Vec3A::ZERO);
            for direction in directions() {
                let light = sky(direction);
                assert!(
                    light.is_finite() && light.min_element() >= 0.0,
                    "{number}: {light}"
                );
                match direction.y > 0.0 {
                    true => above += light,
                    false => below += light,
                }
            }
            assert!(above.y > 1.1 * below.y, "{number}: {above} {below}");
        }
    }

    #[test]
    fn a_clear_sky_is_blue_and_brightest_at_the_sun() {
        let sky = Clear::new(0.9, 2.5, 3.0);
        let away = sky.light(vec3a(-0.6, 0.8, 0.0));
        assert!(away.z > 1.3 * away.x, "{away}");
        let sun = sky.light(sky.sun);
        assert!(sun.y > 50.0 * away.y && sun.x > sun.z, "{sun}");
        let low = Clear::new(0.2, 4.0, 1.5);
        let [high, low] = [&sky, &low].map(|sky| sky.sunlight.z / sky.sunlight.x);
        assert!(low < 0.7 * high, "{low} {high}");
    }
}
