//! Makes the 3D models in `renders/dice`: 16 mm dice of different shapes.
//!
//! Every side of the cube is a 3×3 grid of cells, some with a pip, surrounded by a rim. A cell
//! with a pip is meshed in rings, so that the pip's edge is a circle; adjacent cells share the vertices
//! of their border. The cells of the six are taller than wide, as on real dice. Western layout: 1, 2 and 3
//! run counter-clockwise around their shared corner.
//!
//! Run: `cargo run --release --example make_die`

use std::f64::consts::FRAC_PI_2;
use std::path::Path;

use glam::{DMat3, DQuat, DVec2, DVec3, dvec2, dvec3};
use serde_json::{Value, json};

/// Half the side length. All lengths here are in millimetres; the file is in metres.
const HALF: f64 = 8.0;
/// Segments along a cell's side.
const STEPS: usize = 8;
/// Segments across the rim.
const RIM_STEPS: usize = 9;
const PIP_DEPTH: f64 = 0.55;

/// Name, outward direction, direction in which the grid's columns run, cells (column, row) with a pip.
type Side = (&'static str, DVec3, DVec3, &'static [(i32, i32)]);

const SIDES: [Side; 6] = [
    ("one", DVec3::X, DVec3::Y, &[(0, 0)]),
    ("two", DVec3::Y, DVec3::Z, &[(-1, -1), (1, 1)]),
    ("three", DVec3::Z, DVec3::X, &[(-1, -1), (0, 0), (1, 1)]),
    (
        "four",
        DVec3::NEG_Z,
        DVec3::Y,
        &[(-1, -1), (1, -1), (-1, 1), (1, 1)],
    ),
    (
        "five",
        DVec3::NEG_Y,
        DVec3::X,
        &[(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)],
    ),
    (
        "six",
        DVec3::NEG_X,
        DVec3::Z,
        &[(-1, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (1, 1)],
    ),
];

/// The shape of the body.
struct Form {
    /// Radius of the rounded edges.
    edge: f64,
    /// Radius of the ball that cuts off the corners, and the width of the transition.
    ball: Option<(f64, f64)>,
    /// Depth and radius of the sink in the centre of each side; plastic shrinks when it cools.
    sink: Option<(f64, f64)>,
    /// Distance between the centres of neighbouring cells.
    pitch: f64,
    /// The same along the two lines of three pips on the six.
    six: f64,
    /// Radius of a pip.
    pip: f64,
}

impl Form {
    /// Width and height of the cells of a side.
    fn cell(&self, name: &str) -> DVec2 {
        match name {
            "six" => dvec2(self.pitch, self.six),
            _ => DVec2::splat(self.pitch),
        }
    }

    /// The point of the body's surface above a point of the cube's side z = HALF.
    fn surface(&self, p: DVec2) -> DVec3 {
        let sunk = self.sink.map_or(0.0, |(depth, radius)| {
            depth * (-(p.length() / radius).powi(10)).exp()
        });
        let cube = dvec3(p.x, p.y, HALF);
        let inner = cube.clamp(
            DVec3::splat(self.edge - HALF),
            DVec3::splat(HALF - self.edge),
        );
        let rounded = inner + (cube - inner).normalize() * self.edge;
        let Some((radius, width)) = self.ball else {
            return rounded - DVec3::Z * sunk;
        };
        // The smooth minimum of the distance from the centre and the ball's radius.
        let distance = rounded.length();
        let mix = (0.5 + 0.5 * (radius - distance) / width).clamp(0.0, 1.0);
        let cut = radius + (distance - radius) * mix - width * mix * (1.0 - mix);
        rounded * (cut / distance) - DVec3::Z * sunk
    }

    /// The surface with a dent centred on `pip`.
    fn dented(&self, p: DVec2, pip: DVec2) -> DVec3 {
        let ball = (self.pip.powi(2) + PIP_DEPTH.powi(2)) / (2.0 * PIP_DEPTH);
        let across = p.distance_squared(pip).min(ball * ball);
        let depth = (ball * ball - across).sqrt() - (ball - PIP_DEPTH);
        self.surface(p) - DVec3::Z * depth
    }
}

/// Vertices and triangles of one material.
#[derive(Default)]
struct Part {
    positions: Vec<DVec3>,
    normals: Vec<DVec3>,
    indices: Vec<usize>,
}

impl Part {
    /// Adds the surface `at` over a grid of points, in rows of `columns` points, rotated by `side`.
    fn add(&mut self, side: DMat3, points: &[DVec2], columns: usize, at: impl Fn(DVec2) -> DVec3) {
        const STEP: f64 = 1e-4;
        let first = self.positions.len();
        for &p in points {
            let slope = |d: DVec2| at(p + d) - at(p - d);
            let normal = slope(DVec2::X * STEP).cross(slope(DVec2::Y * STEP));
            self.positions.push(side * at(p));
            self.normals.push(side * normal.normalize());
        }
        for row in 0..points.len() / columns - 1 {
            for column in 0..columns - 1 {
                let a = row * columns + column;
                let (b, c, d) = (a + 1, a + columns, a + columns + 1);
                let turn = (points[b] - points[a]).perp_dot(points[c] - points[a])
                    + (points[d] - points[c]).perp_dot(points[d] - points[b]);
                let quad = match turn > 0.0 {
                    true => [a, b, d, a, d, c],
                    false => [a, d, b, a, c, d],
                };
                for corners in quad.as_chunks::<3>().0 {
                    let [a, b, c] = corners.map(|i| points[i]);
                    // Rings that end in a point have triangles of zero area.
                    if (b - a).perp_dot(c - a).abs() > 1e-12 {
                        self.indices.extend(corners.map(|i| first + i));
                    }
                }
            }
        }
    }
}

/// Coordinates of the grid's lines along one direction: rim, three cells, rim.
fn lines(cell: f64) -> Vec<f64> {
    let flat = 1.5 * cell;
    let rim = |i: usize| flat + (HALF - flat) * i as f64 / RIM_STEPS as f64;
    let inside = 3 * STEPS;
    let before = (1..=RIM_STEPS).rev().map(|i| -rim(i));
    let cells = (0..=inside).map(|i| -flat + 2.0 * flat * i as f64 / inside as f64);
    before
        .chain(cells)
        .chain((1..=RIM_STEPS).map(rim))
        .collect()
}

/// Points in rings from a cell's border to the edge of its pip; each ring is a closed row.
fn rings(cell: DVec2, pip: f64, middle: DVec2) -> Vec<DVec2> {
    const RINGS: usize = 3;
    let border = |i: usize| {
        let along = 2.0 * (i % STEPS) as f64 / STEPS as f64 - 1.0;
        match i / STEPS % 4 {
            0 => dvec2(1.0, along),
            1 => dvec2(-along, 1.0),
            2 => dvec2(-1.0, -along),
            _ => dvec2(along, -1.0),
        }
    };
    let ring = |r: usize| {
        (0..=4 * STEPS).map(move |i| {
            let outer = border(i % (4 * STEPS)) * cell / 2.0;
            let inner = outer.normalize() * pip;
            middle + outer.lerp(inner, r as f64 / RINGS as f64)
        })
    };
    (0..=RINGS).flat_map(ring).collect()
}

/// Points in rings from the pip's edge to its centre.
fn dent(rings: &[DVec2], middle: DVec2) -> Vec<DVec2> {
    const RINGS: usize = 4;
    let edge = rings[rings.len() - (4 * STEPS + 1)..].to_vec();
    (0..=RINGS)
        .flat_map(|r| {
            let share = r as f64 / RINGS as f64;
            edge.iter()
                .map(move |p| p.lerp(middle, share))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Rotates the side z = HALF to where `side` faces.
fn placed(&(_, out, columns, _): &Side) -> DMat3 {
    DMat3::from_cols(columns, out.cross(columns), out)
}

fn body_and_pips(form: &Form) -> [Part; 2] {
    let (mut body, mut pips) = (Part::default(), Part::default());
    // Boundaries of the strips: rim, three cells, rim.
    let strips = [
        0,
        RIM_STEPS,
        RIM_STEPS + STEPS,
        RIM_STEPS + 2 * STEPS,
        RIM_STEPS + 3 * STEPS,
        2 * RIM_STEPS + 3 * STEPS,
    ];
    for side in &SIDES {
        let turn = placed(side);
        let cell = form.cell(side.0);
        let (across, along) = (lines(cell.x), lines(cell.y));
        for (i, j) in (0..25).map(|cell| (cell % 5, cell / 5)) {
            let (column, row) = (i as i32 - 2, j as i32 - 2);
            if side.3.contains(&(column, row)) {
                let pip = dvec2(column.into(), row.into()) * cell;
                let rings = rings(cell, form.pip, pip);
                body.add(turn, &rings, 4 * STEPS + 1, |p| form.surface(p));
                let dented = |p| form.dented(p, pip);
                pips.add(turn, &dent(&rings, pip), 4 * STEPS + 1, dented);
            } else {
                let xs = &across[strips[i]..=strips[i + 1]];
                let ys = &along[strips[j]..=strips[j + 1]];
                let points: Vec<DVec2> = ys
                    .iter()
                    .flat_map(|&y| xs.iter().map(move |&x| dvec2(x, y)))
                    .collect();
                body.add(turn, &points, xs.len(), |p| form.surface(p));
            }
        }
    }
    [body, pips]
}

/// Millimetres to metres.
fn metres(p: DVec3) -> [f32; 3] {
    (p / 1000.0).as_vec3().to_array()
}

/// Empty nodes that mark each face (+y points outwards) and its pips.
fn semantics(form: &Form) -> Vec<Value> {
    let mut nodes = Vec::new();
    for side in &SIDES {
        let &(name, out, _, cells) = side;
        let cell = form.cell(name);
        let turn = DQuat::from_mat3(&placed(side)) * DQuat::from_rotation_x(FRAC_PI_2);
        let rotation = turn.normalize().as_quat().to_array();
        let translation = metres(out * HALF);
        nodes.push(json!({
            "name": format!("face.{name}"), "translation": translation, "rotation": rotation,
        }));
        for (i, &(column, row)) in cells.iter().enumerate() {
            let pip = dvec2(column.into(), row.into()) * cell;
            let place = metres(placed(side) * form.surface(pip));
            nodes.push(json!({ "name": format!("keypoint.{name}.{i}"), "translation": place }));
        }
    }
    nodes
}

/// The bytes of the buffer, and the views and accessors that describe them.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
}

impl Buffer {
    /// Appends an array and returns the index of its accessor.
    fn add(&mut self, bytes: &[u8], target: u32, accessor: Value) -> usize {
        self.views.push(json!({
            "buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len(), "target": target,
        }));
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let mut accessor = accessor;
        accessor["bufferView"] = json!(self.views.len() - 1);
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }

    fn add_part(&mut self, part: &Part, material: usize) -> Value {
        const FLOAT: u32 = 5126;
        const UNSIGNED_SHORT: u32 = 5123;
        const ARRAY: u32 = 34962;
        const ELEMENTS: u32 = 34963;
        let floats = |vectors: &[[f32; 3]]| -> Vec<u8> {
            vectors
                .iter()
                .flatten()
                .flat_map(|v| v.to_le_bytes())
                .collect()
        };
        let places: Vec<[f32; 3]> = part.positions.iter().map(|&p| metres(p)).collect();
        let normals: Vec<[f32; 3]> = part
            .normals
            .iter()
            .map(|n| n.as_vec3().to_array())
            .collect();
        let indices: Vec<u8> = part
            .indices
            .iter()
            .flat_map(|&i| {
                u16::try_from(i)
                    .expect("a die has few vertices")
                    .to_le_bytes()
            })
            .collect();
        let bound = |pick: fn(f32, f32) -> f32| -> [f32; 3] {
            std::array::from_fn(|k| places.iter().map(|p| p[k]).reduce(pick).unwrap_or(0.0))
        };
        let count = places.len();
        let position = json!({
            "componentType": FLOAT, "count": count, "type": "VEC3",
            "min": bound(f32::min), "max": bound(f32::max),
        });
        let normal = json!({ "componentType": FLOAT, "count": count, "type": "VEC3" });
        let index = json!({
            "componentType": UNSIGNED_SHORT, "count": part.indices.len(), "type": "SCALAR",
        });
        json!({
            "attributes": {
                "POSITION": self.add(&floats(&places), ARRAY, position),
                "NORMAL": self.add(&floats(&normals), ARRAY, normal),
            },
            "indices": self.add(&indices, ELEMENTS, index),
            "material": material,
        })
    }
}

fn write(folder: &Path, name: &str, form: &Form) -> std::io::Result<()> {
    let [body, pips] = body_and_pips(form);
    let mut buffer = Buffer::default();
    let primitives = [buffer.add_part(&body, 0), buffer.add_part(&pips, 1)];
    let paint = |name: &str, colour: [f64; 4]| {
        json!({
            "name": name,
            "pbrMetallicRoughness": {
                "baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 0.2,
            },
        })
    };
    let mut nodes = vec![json!({ "name": "die", "mesh": 0, "children": [] })];
    nodes.extend(semantics(form));
    nodes[0]["children"] = json!((1..nodes.len()).collect::<Vec<_>>());
    let bin = format!("{name}.bin");
    let gltf = json!({
        "asset": {
            "version": "2.0",
            "generator": "examples/make_die.rs",
            "copyright": "own work of the verismo project, MIT OR Apache-2.0",
        },
        "scene": 0,
        "scenes": [{ "nodes": [0] }],
        "nodes": nodes,
        "meshes": [{ "name": "die", "primitives": primitives }],
        "materials": [
            paint("body", [0.54, 0.02, 0.02, 1.0]),
            paint("pip", [0.9, 0.9, 0.9, 1.0]),
        ],
        "buffers": [{ "uri": bin, "byteLength": buffer.bytes.len() }],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    });
    std::fs::write(folder.join(format!("{name}.gltf")), format!("{gltf:#}\n"))?;
    std::fs::write(folder.join(&bin), &buffer.bytes)?;
    let triangles = (body.indices.len() + pips.indices.len()) / 3;
    println!(
        "{name}: {triangles} triangles, {} bytes",
        buffer.bytes.len()
    );
    Ok(())
}

fn main() -> std::io::Result<()> {
    let folder = Path::new("renders/dice");
    std::fs::create_dir_all(folder)?;
    // Real dice differ in the size and the spacing of their pips.
    let edged = Form {
        edge: 1.3,
        ball: None,
        sink: None,
        pitch: 3.7,
        six: 5.0,
        pip: 1.75,
    };
    let round = Form {
        edge: 1.0,
        ball: Some((10.6, 0.35)),
        sink: None,
        pitch: 3.5,
        six: 4.5,
        pip: 1.65,
    };
    let tight = Form {
        edge: 1.0,
        ball: None,
        sink: None,
        pitch: 3.3,
        six: 4.0,
        pip: 1.5,
    };
    let sunk = Form {
        edge: 1.2,
        ball: Some((11.0, 0.35)),
        sink: Some((0.35, 5.4)),
        pitch: 3.7,
        six: 4.8,
        pip: 1.75,
    };
    write(folder, "die_sunk", &sunk)?;
    write(folder, "die", &edged)?;
    write(folder, "die_round", &round)?;
    write(folder, "die_tight", &tight)
}
