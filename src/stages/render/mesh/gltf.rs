//! Reads glTF, with its buffers beside it or in one .glb.
//!
//! Empty nodes name what the labels need. `face.NAME` is a class: the object lies so that the
//! node's +y axis points up. `keypoint.NAME.I` is the I-th keypoint of that class.

use std::path::{Path, PathBuf};

use glam::{Mat4, Quat, Vec3A, vec3a};
use gltf::mesh::Mode;
use obvhs::triangle::Triangle;

use super::model::{Corners, Face, Geometry, Material};
use crate::{Error, Result};

/// What to do about a broken file.
pub const REMEDY: &str =
    "export the model again as glTF 2.0 with triangles, and keep its .bin beside it";

/// The buffers beside a glTF; none if it is unreadable.
pub fn buffers(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let Ok(gltf) = gltf::Gltf::open(path) else {
        return Vec::new();
    };
    let beside = gltf.buffers().filter_map(|buffer| match buffer.source() {
        gltf::buffer::Source::Uri(uri) if !uri.starts_with("data:") => Some(folder.join(uri)),
        _ => None,
    });
    beside.collect()
}

/// Reads a `.gltf` with its buffers, or a `.glb`.
///
/// # Errors
/// If a file is missing or cut off.
pub fn read(path: &Path) -> Result<Geometry> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let gltf = gltf::Gltf::open(path).map_err(|e| match e {
        gltf::Error::Io(e) => Error::io(path, e),
        e => broken(format!("cannot be read as glTF: {e}")),
    })?;
    let buffers = gltf::import_buffers(&gltf.document, path.parent(), gltf.blob)
        .map_err(|e| broken(format!("its buffer is missing or cut off: {e}")))?;
    if let Some(accessor) = gltf.document.accessors().find(|a| !fits(a, &buffers)) {
        let index = accessor.index();
        return Err(broken(format!(
            "accessor {index} reaches beyond the end of its buffer"
        )));
    }
    let mut reader = Reader::new(&gltf.document, &buffers);
    let scene = gltf.document.default_scene();
    let scene = scene.or_else(|| gltf.document.scenes().next());
    for node in scene.iter().flat_map(gltf::Scene::nodes) {
        reader.visit(&node, Mat4::IDENTITY).map_err(broken)?;
    }
    Ok(reader.geometry)
}

/// Whether the accessor's bytes all exist.
fn fits(accessor: &gltf::Accessor, buffers: &[gltf::buffer::Data]) -> bool {
    let Some(view) = accessor.view() else {
        return true;
    };
    let stride = view.stride().unwrap_or(accessor.size());
    let last = accessor.count().saturating_sub(1).checked_mul(stride);
    let end = last
        .and_then(|last| last.checked_add(accessor.offset() + accessor.size()))
        .filter(|&end| end <= view.length())
        .and_then(|_| view.offset().checked_add(view.length()));
    let buffer = buffers.get(view.buffer().index());
    matches!((end, buffer), (Some(end), Some(buffer)) if end <= buffer.len())
}

/// Gathers what the nodes of the scene hold.
struct Reader<'a> {
    buffers: &'a [gltf::buffer::Data],
    geometry: Geometry,
}

impl<'a> Reader<'a> {
    fn new(document: &gltf::Document, buffers: &'a [gltf::buffer::Data]) -> Self {
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

    fn visit(&mut self, node: &gltf::Node, parent: Mat4) -> Result<(), String> {
        let place = parent * Mat4::from_cols_array_2d(&node.transform().matrix());
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
        for child in node.children() {
            self.visit(&child, place)?;
        }
        Ok(())
    }

    fn add(&mut self, primitive: &gltf::Primitive, place: Mat4) -> Result<(), String> {
        if primitive.mode() != Mode::Triangles {
            return Ok(());
        }
        let reader = primitive.reader(|buffer| self.buffers.get(buffer.index()).map(|b| &b[..]));
        let positions: Vec<Vec3A> = reader
            .read_positions()
            .ok_or("a mesh has no positions")?
            .map(|p| place.transform_point3a(p.into()))
            .collect();
        let turn = place.inverse().transpose();
        let normals: Option<Vec<Vec3A>> = reader.read_normals().map(|normals| {
            let turned = normals.map(|n| turn.transform_vector3a(n.into()));
            turned.map(|n| n.normalize_or_zero()).collect()
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
