//! Reads glTF, with its buffers beside it or in one .glb.
//!
//! Empty nodes name what the labels need. `face.NAME` is a class: the object lies so that the
//! node's +y axis points up. `keypoint.NAME.I` is the I-th keypoint of that class.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use glam::{Mat4, Quat, Vec3A, vec3a};
use gltf::accessor::{DataType, Dimensions};
use gltf::buffer::Source;
use gltf::mesh::{Mode, Semantic};
use obvhs::triangle::Triangle;

use super::model::{Corners, Face, Geometry, MOST_TRIANGLES, Material, check_count};
use crate::sample::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// What to do about a broken file.
pub(super) const REMEDY: &str =
    "export the model again as glTF 2.0 with triangles, and keep its .bin beside it";

/// What the JSON may hold: each value counts as 1, an object as 8 more.
const MOST_VALUES: usize = 4_000_000;

/// Vertices of the whole scene.
const MOST_VERTICES: usize = 3 * MOST_TRIANGLES;

/// Elements of an accessor without a buffer view: zeros, which take no space in the file.
const MOST_ZEROS: usize = 1_000_000;

/// The buffers beside a glTF; none if it is unreadable.
pub(super) fn buffers(path: &Path) -> Vec<PathBuf> {
    let found = input::guarded(path.display(), REMEDY, || {
        let bytes = input::read(path, MOST_BYTES)?;
        let Ok((document, _)) = parse(&bytes) else {
            return Ok(Vec::new());
        };
        let beside = document
            .buffers()
            .filter_map(|buffer| match buffer.source() {
                Source::Uri(uri) if !uri.starts_with("data:") => input::beside(path, uri).ok(),
                _ => None,
            });
        Ok(beside.collect())
    });
    found.unwrap_or_default()
}

/// Reads a `.gltf` with its buffers, or a `.glb`.
///
/// # Errors
/// If a file is missing or cut off.
pub(super) fn read(path: &Path) -> Result<Geometry> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let bytes = input::read(path, MOST_BYTES)?;
    let (document, blob) = parse(&bytes).map_err(broken)?;
    let buffers = contents(path, &document, blob).map_err(broken)?;
    for accessor in document.accessors() {
        check(&accessor, &buffers)
            .map_err(|problem| broken(format!("accessor {} {problem}", accessor.index())))?;
    }
    let nodes = nodes(&document).map_err(broken)?;
    check_size(&nodes).map_err(broken)?;
    let mut reader = Reader::new(&document, &buffers);
    for (node, place) in &nodes {
        reader.visit(node, *place).map_err(broken)?;
    }
    Ok(reader.geometry)
}

/// The JSON, and the buffer that a .glb holds itself.
type Parsed<'a> = (gltf::Document, Option<Cow<'a, [u8]>>);

fn parse(bytes: &[u8]) -> Result<Parsed<'_>, String> {
    let broken = |e: gltf::Error| format!("cannot be read as glTF: {e}");
    let (json, blob) = if bytes.starts_with(b"glTF") {
        let glb = gltf::Glb::from_slice(bytes).map_err(broken)?;
        (glb.json, glb.bin)
    } else {
        (bytes.into(), None)
    };
    // In memory, an object can take a hundred times as many bytes as in the file.
    let values = json.iter().map(|byte| match byte {
        b'{' => 9,
        b'[' | b',' => 1,
        _ => 0,
    });
    if values.sum::<usize>() > MOST_VALUES {
        return Err(format!("its JSON holds more than {MOST_VALUES} values"));
    }
    let root = gltf::json::Root::from_slice(&json).map_err(|e| broken(e.into()))?;
    let document = gltf::Document::from_json(root).map_err(broken)?;
    Ok((document, blob))
}

/// The bytes of all buffers.
fn contents<'a>(
    path: &Path,
    document: &gltf::Document,
    mut blob: Option<Cow<'a, [u8]>>,
) -> Result<Vec<Cow<'a, [u8]>>, String> {
    let mut left = MOST_BYTES;
    let mut found = Vec::new();
    for buffer in document.buffers() {
        let bytes = match buffer.source() {
            Source::Bin => blob.take().ok_or("its buffer is missing")?,
            Source::Uri(uri) => match uri.strip_prefix("data:") {
                Some(data) => inline(data)?.into(),
                None => {
                    let file = input::beside(path, uri)?;
                    let unread = |e: Error| match e {
                        Error::Failed {
                            subject, problem, ..
                        } => format!("its buffer cannot be read: {subject}: {problem}"),
                        e => e.to_string(),
                    };
                    input::read(&file, left).map_err(unread)?.into()
                }
            },
        };
        if bytes.len() < buffer.length() {
            return Err(format!(
                "its buffer {} is cut off: it has {} bytes of {}",
                buffer.index(),
                bytes.len(),
                buffer.length()
            ));
        }
        left = left.saturating_sub(bytes.len() as u64);
        found.push(bytes);
    }
    Ok(found)
}

/// The bytes of a `data:` URI.
fn inline(data: &str) -> Result<Vec<u8>, String> {
    // Padded or not.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let encoded = data.rsplit(',').next().unwrap_or_default();
    let decoded = BASE64.decode(encoded);
    decoded.map_err(|e| format!("a buffer within it is not base64: {e}"))
}

/// Checks that the accessor's bytes all exist, and that there are not too many elements.
fn check(accessor: &gltf::Accessor, buffers: &[Cow<[u8]>]) -> Result<(), String> {
    let (count, size) = (accessor.count(), accessor.size());
    let most = match accessor.view() {
        Some(_) => MOST_VERTICES,
        None => MOST_ZEROS,
    };
    if count > most {
        return Err(format!("has {count} elements; at most {most} are read"));
    }
    if let Some(view) = accessor.view() {
        check_span(&view, accessor.offset(), count, size, buffers)?;
    }
    if let Some(sparse) = accessor.sparse() {
        let (indices, values) = (sparse.indices(), sparse.values());
        let (count, width) = (sparse.count(), indices.index_type().size());
        check_span(&indices.view(), indices.offset(), count, width, buffers)?;
        check_span(&values.view(), values.offset(), count, size, buffers)?;
    }
    Ok(())
}

/// Checks that `count` elements of `size` bytes lie in the view, and the view in its buffer.
fn check_span(
    view: &gltf::buffer::View,
    offset: usize,
    count: usize,
    size: usize,
    buffers: &[Cow<[u8]>],
) -> Result<(), String> {
    let stride = view.stride().unwrap_or(size);
    if stride < size {
        return Err(format!(
            "has elements of {size} bytes, {stride} bytes apart"
        ));
    }
    let last = count.checked_sub(1).ok_or("is empty")?;
    let end = last
        .checked_mul(stride)
        .and_then(|last| last.checked_add(offset)?.checked_add(size))
        .filter(|&end| end <= view.length())
        .and_then(|_| view.offset().checked_add(view.length()));
    let buffer = buffers.get(view.buffer().index());
    match (end, buffer) {
        (Some(end), Some(buffer)) if end <= buffer.len() => Ok(()),
        _ => Err("reaches beyond the end of its buffer".into()),
    }
}

/// The nodes of the scene with their places, parents first.
fn nodes(document: &gltf::Document) -> Result<Vec<(gltf::Node<'_>, Mat4)>, String> {
    let scene = document.default_scene();
    let scene = scene.or_else(|| document.scenes().next());
    let mut known = vec![false; document.nodes().len()];
    let (mut waiting, mut found) = (Vec::new(), Vec::new());
    let mut parent = Mat4::IDENTITY;
    let mut children: Vec<gltf::Node> = scene.iter().flat_map(gltf::Scene::nodes).collect();
    loop {
        for index in children.iter().map(gltf::Node::index) {
            // Otherwise a node within itself would never end, and with two nodes that both hold the next
            // two, and so on, each level would double.
            if std::mem::replace(&mut known[index], true) {
                return Err(format!("node {index} has more than one parent"));
            }
        }
        waiting.extend(children.into_iter().rev().map(|child| (child, parent)));
        let Some((node, place)) = waiting.pop() else {
            return Ok(found);
        };
        parent = place * Mat4::from_cols_array_2d(&node.transform().matrix());
        children = node.children().collect();
        found.push((node, parent));
    }
}

/// Checks how much the meshes of all nodes hold, before any of them is read.
fn check_size(nodes: &[(gltf::Node, Mat4)]) -> Result<(), String> {
    let meshes = nodes.iter().filter_map(|(node, _)| node.mesh());
    let (mut triangles, mut vertices) = (0_usize, 0_usize);
    for primitive in meshes.flat_map(|mesh| mesh.primitives()) {
        let positions = primitive.get(&Semantic::Positions);
        let positions = positions.map_or(0, |positions| positions.count());
        let indices = primitive.indices();
        let corners = indices.map_or(positions, |indices| indices.count());
        triangles = triangles.saturating_add(corners / 3);
        vertices = vertices.saturating_add(positions);
    }
    check_count(triangles)?;
    if vertices > MOST_VERTICES {
        return Err(format!(
            "has {vertices} vertices; at most {MOST_VERTICES} are read"
        ));
    }
    Ok(())
}

/// Checks that the reader below understands the numbers of a primitive.
fn check_types(primitive: &gltf::Primitive) -> Result<(), String> {
    for semantic in [Semantic::Positions, Semantic::Normals] {
        let accessor = primitive.get(&semantic);
        if accessor
            .is_some_and(|a| (a.dimensions(), a.data_type()) != (Dimensions::Vec3, DataType::F32))
        {
            return Err("its positions or normals are not three 32-bit floats each".into());
        }
    }
    let whole = [DataType::U8, DataType::U16, DataType::U32];
    if primitive
        .indices()
        .is_some_and(|a| a.dimensions() != Dimensions::Scalar || !whole.contains(&a.data_type()))
    {
        return Err("its indices are not whole numbers".into());
    }
    Ok(())
}

/// Gathers what the nodes of the scene hold.
struct Reader<'a> {
    buffers: &'a [Cow<'a, [u8]>],
    geometry: Geometry,
}

impl<'a> Reader<'a> {
    fn new(document: &gltf::Document, buffers: &'a [Cow<'a, [u8]>]) -> Self {
        let mut materials: Vec<Material> = document
            .materials()
            .map(|material| {
                let [r, g, b, _] = material.pbr_metallic_roughness().base_color_factor();
                Material {
                    name: material.name().unwrap_or_default().to_string(),
                    colour: vec3a(r, g, b),
                }
            })
            .collect();
        // glTF's default material, for primitives that name none.
        materials.push(Material {
            name: String::new(),
            colour: Vec3A::splat(0.8),
        });
        Reader {
            buffers,
            geometry: Geometry {
                materials,
                ..Geometry::default()
            },
        }
    }

    fn visit(&mut self, node: &gltf::Node, place: Mat4) -> Result<(), String> {
        for primitive in node.mesh().iter().flat_map(gltf::Mesh::primitives) {
            self.add(&primitive, place)?;
        }
        let name = node.name().unwrap_or_default();
        let centre = Vec3A::from(place.w_axis.truncate());
        if let Some(face) = name.strip_prefix("face.") {
            let up = place.y_axis.truncate().normalize_or(glam::Vec3::Y);
            self.geometry.faces.push(Face {
                name: face.to_string(),
                upright: Quat::from_rotation_arc(up, glam::Vec3::Y),
                keypoints: Vec::new(),
            });
        } else if let Some(keypoint) = name.strip_prefix("keypoint.") {
            let (face, number) = keypoint.rsplit_once('.').unwrap_or(("", keypoint));
            let number = number
                .parse()
                .map_err(|_| format!("node `{name}` does not end in a number"))?;
            self.geometry
                .keypoints
                .push((face.to_string(), number, centre));
        }
        Ok(())
    }

    fn add(&mut self, primitive: &gltf::Primitive, place: Mat4) -> Result<(), String> {
        if primitive.mode() != Mode::Triangles {
            return Ok(());
        }
        check_types(primitive)?;
        let reader = primitive.reader(|buffer| self.buffers.get(buffer.index()).map(|b| &b[..]));
        let positions: Vec<Vec3A> = reader
            .read_positions()
            .ok_or("a mesh has no positions")?
            .map(|p| place.transform_point3a(p.into()))
            .collect();
        let turn = place.inverse().transpose();
        let normals: Option<Vec<Vec3A>> = reader.read_normals().map(|normals| {
            let turned = normals.map(|n| turn.transform_vector3a(n.into()));
            turned.map(glam::Vec3A::normalize_or_zero).collect()
        });
        let indices: Vec<u32> = match reader.read_indices() {
            Some(indices) => indices.into_u32().collect(),
            None => (0..positions.len() as u32).collect(),
        };
        let material = primitive.material().index();
        let material = material.unwrap_or(self.geometry.materials.len() - 1);
        for corner in indices.as_chunks::<3>().0 {
            let vertex = |i: usize| positions.get(corner[i] as usize).copied();
            let (Some(v0), Some(v1), Some(v2)) = (vertex(0), vertex(1), vertex(2)) else {
                return Err("a triangle names a vertex that does not exist".into());
            };
            if !(v0 + v1 + v2).is_finite() {
                return Err("a vertex is not a finite number".into());
            }
            let triangle = Triangle { v0, v1, v2 };
            let flat = triangle.compute_normal();
            let normal = |i: usize| {
                let normal = normals.as_ref().and_then(|n| n.get(corner[i] as usize));
                normal.copied().unwrap_or(flat)
            };
            self.geometry.corners.push(Corners {
                normals: [normal(0), normal(1), normal(2)],
                material,
            });
            self.geometry.triangles.push(triangle);
        }
        Ok(())
    }
}
