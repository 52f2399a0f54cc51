//! A glTF model: triangles under a bounding volume hierarchy, and the semantics that it carries.
//!
//! Empty nodes name what the labels need. `face.NAME` is a class: the object lies so that the
//! node's +y axis points up. `keypoint.NAME.I` is the I-th keypoint of that class. A model without
//! faces is one class, named after its file, that stands as it was modelled (glTF: +y up).

use std::path::{Path, PathBuf};
use std::time::Duration;

use glam::{Mat4, Quat, Vec3A, vec3a};
use gltf::mesh::Mode;
use obvhs::BvhBuildParams;
use obvhs::bvh2::Bvh2;
use obvhs::bvh2::builder::build_bvh2_from_tris;
use obvhs::ray::{Ray, RayHit};
use obvhs::triangle::Triangle;

use crate::{Error, Result};

/// A model ready to be traced, in its own coordinates (metres, +y up).
pub struct Model {
    /// What pipeline files call it.
    pub path: String,
    pub materials: Vec<Material>,
    pub faces: Vec<Face>,
    /// The outermost vertices, enough to find the extent in any direction.
    pub hull: Vec<Vec3A>,
    /// Middle of the bounding box.
    pub centre: Vec3A,
    /// Distance from the middle to the farthest vertex.
    pub radius: f32,
    /// Longest side of the bounding box.
    pub size: f32,
    corners: Vec<Corners>,
    triangles: Vec<Triangle>,
    bvh: Bvh2,
}

/// A material of the model.
pub struct Material {
    pub name: String,
    /// Linear light, 0..1.
    pub colour: Vec3A,
}

/// A way the object can lie, which is its class.
pub struct Face {
    pub name: String,
    /// Turns the object so that this face is on top.
    pub upright: Quat,
    pub keypoints: Vec<Vec3A>,
}

/// What a triangle knows beside its vertices.
struct Corners {
    normals: [Vec3A; 3],
    material: usize,
}

/// The point where a ray meets the model.
pub struct Contact {
    pub normal: Vec3A,
    pub material: usize,
}

/// The model file and the buffers beside it; an unreadable model stands alone.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Ok(gltf) = gltf::Gltf::open(path) {
        files.extend(gltf.buffers().filter_map(|buffer| match buffer.source() {
            gltf::buffer::Source::Uri(uri) if !uri.starts_with("data:") => Some(folder.join(uri)),
            _ => None,
        }));
    }
    files
}

impl Model {
    /// Reads a `.gltf` with its buffers, or a `.glb`.
    ///
    /// # Errors
    /// Where a file is missing or cut off, or the model has no triangles.
    pub fn read(path: &Path) -> Result<Self> {
        let broken = |problem: String| {
            Error::failed(
                path.display(),
                problem,
                "export the model again as glTF 2.0 with triangles, and keep its .bin beside it",
            )
        };
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
        let area = |t: &Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length_squared();
        if !reader.triangles.iter().any(|t| area(t) > 0.0) {
            return Err(broken("has no triangles".into()));
        }
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        Ok(reader.finish(path, stem.unwrap_or_default()))
    }

    /// Distance to the nearest triangle and its number.
    pub fn hit(&self, origin: Vec3A, direction: Vec3A, farthest: f32) -> Option<(f32, usize)> {
        let mut hit = RayHit::none();
        let ray = Ray::new(origin, direction, 0.0, farthest);
        self.bvh
            .ray_traverse(ray, &mut hit, |ray, i| self.triangles[i].intersect(ray))
            .then_some((hit.t, hit.primitive_id as usize))
    }

    /// Whether anything lies on the ray.
    pub fn blocks(&self, origin: Vec3A, direction: Vec3A) -> bool {
        let ray = Ray::new(origin, direction, 0.0, f32::INFINITY);
        let triangle = |ray: &Ray, i: usize| self.triangles[i].intersect(ray);
        !self.bvh.ray_traverse_miss(ray, triangle)
    }

    /// Interpolated normal and material at `point` of a triangle.
    pub fn contact(&self, triangle: usize, point: Vec3A) -> Contact {
        let Triangle { v0, v1, v2 } = self.triangles[triangle];
        let corners = &self.corners[triangle];
        let area = (v1 - v0).cross(v2 - v0);
        let scale = 1.0 / area.length_squared().max(f32::MIN_POSITIVE);
        let b1 = (point - v0).cross(v2 - v0).dot(area) * scale;
        let b2 = (v1 - v0).cross(point - v0).dot(area) * scale;
        let [n0, n1, n2] = corners.normals;
        let normal = n0 * (1.0 - b1 - b2) + n1 * b1 + n2 * b2;
        Contact {
            normal: normal.try_normalize().unwrap_or(Vec3A::Y),
            material: corners.material,
        }
    }
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
    materials: Vec<Material>,
    triangles: Vec<Triangle>,
    corners: Vec<Corners>,
    faces: Vec<Face>,
    /// Face, number, place.
    keypoints: Vec<(String, u32, Vec3A)>,
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
            materials,
            triangles: Vec::new(),
            corners: Vec::new(),
            faces: Vec::new(),
            keypoints: Vec::new(),
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
            self.faces.push(Face {
                name: face.to_string(),
                upright: Quat::from_rotation_arc(up, glam::Vec3::Y),
                keypoints: Vec::new(),
            });
        } else if let Some(keypoint) = name.strip_prefix("keypoint.") {
            let (face, number) = keypoint.rsplit_once('.').unwrap_or(("", keypoint));
            let number = number
                .parse()
                .map_err(|_| format!("node `{name}` does not end in a number"))?;
            self.keypoints.push((face.to_string(), number, centre));
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
        let material = material.unwrap_or(self.materials.len() - 1);
        for corner in indices.as_chunks::<3>().0 {
            let vertex = |i: usize| positions.get(corner[i] as usize).copied();
            let (Some(v0), Some(v1), Some(v2)) = (vertex(0), vertex(1), vertex(2)) else {
                return Err("a triangle names a vertex that does not exist".into());
            };
            if !(v0 + v1 + v2).is_finite() {
                return Err("a vertex is no finite number".into());
            }
            let triangle = Triangle { v0, v1, v2 };
            let flat = triangle.compute_normal();
            let normal = |i: usize| {
                let normal = normals.as_ref().and_then(|n| n.get(corner[i] as usize));
                normal.copied().unwrap_or(flat)
            };
            self.corners.push(Corners {
                normals: [normal(0), normal(1), normal(2)],
                material,
            });
            self.triangles.push(triangle);
        }
        Ok(())
    }

    fn finish(mut self, path: &Path, stem: String) -> Model {
        if self.faces.is_empty() {
            self.keypoints
                .iter_mut()
                .for_each(|k| k.0.clone_from(&stem));
            self.faces.push(Face {
                name: stem,
                upright: Quat::IDENTITY,
                keypoints: Vec::new(),
            });
        }
        self.keypoints.sort_by_key(|keypoint| keypoint.1);
        for face in &mut self.faces {
            let own = self.keypoints.iter().filter(|k| k.0 == face.name);
            face.keypoints = own.map(|k| k.2).collect();
        }
        // Without the parallel reinsertion, so that the tree is the same for any thread count.
        let params = BvhBuildParams {
            reinsertion_batch_ratio: 0.0,
            ..BvhBuildParams::fast_build()
        };
        let bvh = build_bvh2_from_tris(&self.triangles, params, &mut Duration::default());
        let order: Vec<usize> = bvh.primitive_indices.iter().map(|&i| i as usize).collect();
        let vertices = || self.triangles.iter().flat_map(|t| [t.v0, t.v1, t.v2]);
        let (low, high) = vertices().fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let centre = (low + high) / 2.0;
        let radius = vertices().map(|v| v.distance(centre)).fold(0.0, f32::max);
        let hull = outermost(&vertices().collect::<Vec<_>>());
        let corners = order.iter().map(|&i| Corners { ..self.corners[i] });
        Model {
            path: path.display().to_string(),
            faces: self.faces,
            materials: self.materials,
            hull,
            centre,
            // A little more, against rounding.
            radius: radius * 1.001,
            size: (high - low).max_element(),
            corners: corners.collect(),
            triangles: order.iter().map(|&i| self.triangles[i]).collect(),
            bvh,
        }
    }
}

/// For directions all around, the vertex that lies farthest that way.
fn outermost(vertices: &[Vec3A]) -> Vec<Vec3A> {
    const DIRECTIONS: usize = 400;
    let golden = std::f32::consts::PI * (3.0 - 5f32.sqrt());
    let mut found: Vec<usize> = (0..DIRECTIONS)
        .map(|i| {
            let y = 1.0 - (2 * i + 1) as f32 / DIRECTIONS as f32;
            let (sin, cos) = (golden * i as f32).sin_cos();
            let direction = vec3a(cos, 0.0, sin) * (1.0 - y * y).sqrt() + Vec3A::Y * y;
            let along = |v: &Vec3A| v.dot(direction);
            let far = |a: &usize, b: &usize| along(&vertices[*a]).total_cmp(&along(&vertices[*b]));
            (0..vertices.len()).max_by(far).unwrap_or(0)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|i| vertices[i]).collect()
}
