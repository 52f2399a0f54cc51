//! A scene of many objects: drawn, then dropped or placed, with distractors among them.

use glam::{Vec2, vec2};
use rand::RngExt;

use super::Mesh;
use super::camera::{Camera, Focus};
use super::cast::Cast;
use super::composition::{Arrangement, Composition};
use super::config::draw;
use super::environment::Environment;
use super::made::{Props, Tray};
use super::model::Model;
use super::physics::{self, Fall};
use super::scene::{Instance, Light, Scene};
use super::surface::Table;
use super::trace::Spheres;
use crate::sample::Extent;
use crate::seed::Stream;

/// What scenes of many objects are composed of.
#[derive(Clone, Copy)]
pub(super) struct Stock<'a> {
    pub cast: &'a Cast,
    pub props: &'a Props,
}

impl<'a> Scene<'a> {
    /// Composes a scene as `ranges` say; its first object shows `class`, one of its model's faces, unless it falls on
    /// another.
    pub(super) fn compose(
        (mesh, ranges): (&Mesh, &Composition),
        (model, class): (&'a Model, usize),
        Stock { cast, props }: Stock<'a>,
        environment: &'a Environment,
        size: Extent,
        stream: &mut Stream,
    ) -> Self {
        let unit = cast.mean_size();
        let [fewest, most] = ranges.count;
        let count = stream.random_range(fewest..=most);
        let mut instances: Vec<Instance> = (0..count)
            .map(|number| {
                let (model, class) = match number {
                    0 => (model, class),
                    _ => cast.any_object(stream),
                };
                Instance::draw((&mesh.lie, &mesh.surfaces), model, class, stream)
            })
            .collect();
        let [fewest, most] = ranges.distractors.count;
        for _ in 0..stream.random_range(fewest..=most) {
            let model = &props.distractors[stream.random_range(0..props.distractors.len())];
            let surfaces = &props.distractor_surfaces;
            instances.push(Instance::draw((&mesh.lie, surfaces), model, 0, stream).unlabelled());
        }
        let tray =
            (!props.bins.is_empty()).then(|| &props.bins[stream.random_range(0..props.bins.len())]);
        let filled: f32 = instances.iter().map(|i| i.model.size * i.model.size).sum();
        let side = draw(stream, ranges.spread) * filled.sqrt();
        match ranges.arrangement {
            Arrangement::Drop => {
                let tumble = ranges.tumble_degrees.to_radians();
                physics::settle(&mut instances, tray, Fall { side, unit, tumble }, stream);
            }
            Arrangement::Place => place(&mut instances, tray, side, stream),
        }
        let focus = Focus::of_all(&instances, unit);
        let camera = Camera::draw(&mesh.camera, &focus, size, stream);
        if let Some(tray) = tray {
            let lie = &mesh.lie;
            let mut bin =
                Instance::draw((lie, &props.bin_surfaces), &tray.model, 0, stream).unlabelled();
            bin.stand();
            instances.push(bin);
        }
        Scene {
            camera,
            spheres: Spheres::new(&instances),
            instances,
            is_composed: true,
            table: Table::draw(&mesh.table, unit, stream),
            light: Light::draw(&mesh.lighting, environment, stream),
            noise: stream.random(),
        }
    }
}

/// Places instances apart from each other in a square of this side, which grows until all have room. A tray does not
/// grow: of what has no room in it, the last are left out.
fn place(instances: &mut Vec<Instance>, tray: Option<&Tray>, side: f32, stream: &mut Stream) {
    /// Places tried before the square grows, and by how much it does.
    const TRIES: usize = 64;
    const GROWTH: f32 = 1.1;
    /// Of a tray's side, so that nothing stands in its walls.
    const INNER: f32 = 0.8;
    let most = tray.map_or(f32::INFINITY, |tray| INNER * tray.side);
    let mut side = side.min(most);
    for number in 0..instances.len() {
        let (placed, rest) = instances.split_at_mut(number);
        let mut tries = 0;
        loop {
            let mut draw = || side * (stream.random::<f32>() - 0.5);
            let at: Vec2 = vec2(draw(), draw());
            rest[0].place(at);
            if !placed.iter().any(|other| rest[0].overlaps(other)) {
                break;
            }
            tries += 1;
            if tries % TRIES == 0 {
                if side >= most {
                    instances.truncate(number);
                    return;
                }
                side = (side * GROWTH).min(most);
            }
        }
        if let Some(tray) = tray {
            rest[0].lift(tray.thickness);
        }
    }
}
