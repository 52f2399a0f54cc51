//! A model: triangles under a bounding volume hierarchy, and the semantics that it carries.
//!
//! `gltf`, `obj` and `stl` read the formats into a [`Geometry`], from which the model is made. A
//! model without faces is one class, named after its file, that stands as it was modelled (+y up)
//! or as `stable_poses` says.

use std::path::{Path, PathBuf};

use glam::{Quat, Vec3A, vec3a};
use obvhs::bvh2::Bvh2;
use obvhs::ray::{Ray, RayHit};
use obvhs::triangle::Triangle;
use rayon::prelude::*;

use super::facts::model_formats;
use super::stable_poses::StablePose;
use super::{bvh, gltf, obj, stl};
use crate::sample::input;
use crate::stage::Misfit;
use crate::{Error, Result};

/// What a model may hold; the limits keep a hostile file from filling memory.
pub(super) const MOST_TRIANGLES: usize = 10_000_000;
const MOST_MATERIALS: usize = 4096;
const MOST_FACES: usize = 1024;
const MOST_KEYPOINTS: usize = 4096;

/// Metres from the origin; farther away, areas could overflow.
const FARTHEST: f32 = 1e9;

/// A model ready to be traced, in its own coordinates (metres, +y up).
pub(super) struct Model {
    /// What pipeline files call it.
    pub path: String,
    pub materials: Vec<Material>,
    pub faces: Vec<Face>,
    /// How it can lie if it has no faces that say so; without any it stands as modelled.
    pub stable_poses: Vec<StablePose>,
    /// The outermost vertices, enough to find the extent in any direction.
    pub hull: Vec<Vec3A>,
    /// Middle of the bounding box.
    pub centre: Vec3A,
    /// Distance from the middle to the farthest vertex.
    pub radius: f32,
    /// Longest side of the bounding box.
    pub size: f32,
    named_faces: bool,
    corners: Vec<Corners>,
    triangles: Vec<Triangle>,
    bvh: Bvh2,
}

/// A material of the model.
pub(super) struct Material {
    pub name: String,
    /// Linear light, 0..1.
    pub colour: Vec3A,
}

/// A way the object can lie, which is its class.
pub(super) struct Face {
    pub name: String,
    /// Turns the object so that this face is on top.
    pub upright: Quat,
    /// Name and place, in the order of their names' numbers.
    pub keypoints: Vec<(String, Vec3A)>,
}

/// What a triangle knows beside its vertices.
#[derive(Clone)]
pub(super) struct Corners {
    pub normals: [Vec3A; 3],
    pub material: usize,
}

/// What a file of any format holds.
#[derive(Default)]
pub(super) struct Geometry {
    pub materials: Vec<Material>,
    pub triangles: Vec<Triangle>,
    /// Of each triangle.
    pub corners: Vec<Corners>,
    pub faces: Vec<Face>,
    /// Face, number, place.
    pub keypoints: Vec<(String, u32, Vec3A)>,
}

/// The point where a ray meets the model.
pub(super) struct Contact {
    pub normal: Vec3A,
    pub material: usize,
}

/// The format of a model, by the end of its name.
enum Format {
    Gltf,
    Obj,
    Stl,
}

impl Format {
    fn of(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default();
        match extension.to_string_lossy().to_ascii_lowercase().as_str() {
            "obj" => Format::Obj,
            "stl" => Format::Stl,
            _ => Format::Gltf,
        }
    }

    /// What to do about a broken file.
    fn remedy(&self) -> &'static str {
        match self {
            Format::Gltf => gltf::REMEDY,
            Format::Obj => obj::REMEDY,
            Format::Stl => stl::REMEDY,
        }
    }
}

/// Whether a model is of a kind that can be read, as far as its name and metadata tell.
///
/// # Errors
/// What it is instead, and the remedy.
pub(super) fn check_kind(path: &Path) -> Result<(), Misfit> {
    let wrong = |what: &str, remedy: &str| {
        let problem = format!("the model {} is {what}", path.display());
        Err(Misfit::new(problem, remedy).of_file(path))
    };
    if path.is_dir() {
        return wrong(
            "a folder",
            "name the model files in it: .gltf, .glb, .obj or .stl",
        );
    }
    let extension = path.extension().unwrap_or_default();
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        known if model_formats().contains(&known) => Ok(()),
        "zip" | "gz" | "7z" | "rar" | "tar" => {
            wrong("an archive", "unpack it, and name the model in it")
        }
        _ => wrong(
            "not a .gltf, .glb, .obj or .stl",
            "export it as .glb, for example with Blender, and name that",
        ),
    }
}

/// The model file and the buffers beside it; an unreadable model stands alone.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    if matches!(Format::of(path), Format::Gltf) {
        files.extend(gltf::buffers(path));
    }
    files
}

impl Model {
    /// Reads a model; `unit` is that of an OBJ or STL in metres.
    ///
    /// # Errors
    /// If a file is missing, cut off or too large, or the model has no triangles.
    pub(super) fn read(path: &Path, unit: f32) -> Result<Self> {
        let format = Format::of(path);
        let remedy = format.remedy();
        input::guarded(path.display(), remedy, || {
            let geometry = match format {
                Format::Gltf => gltf::read(path)?,
                Format::Obj => obj::read(path, unit)?,
                Format::Stl => stl::read(path, unit)?,
            };
            let checked = geometry.check();
            checked.map_err(|problem| Error::failed(path.display(), problem, remedy))?;
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
            Ok(geometry.finish(path, stem.unwrap_or_default()))
        })
    }

    /// Whether nodes of the model say which of its faces can be on top.
    pub(super) fn has_named_faces(&self) -> bool {
        self.named_faces
    }

    /// Width, height and depth of the box around it.
    pub(super) fn sides(&self) -> Vec3A {
        let vertices = self.triangles.iter().flat_map(|t| [t.v0, t.v1, t.v2]);
        let (low, high) = vertices.fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        high - low
    }

    /// Number of its triangles.
    pub(super) fn triangles(&self) -> usize {
        self.triangles.len()
    }

    /// Middle of the surface: the centre of mass of a shell, which open meshes have too.
    pub(super) fn centre_of_mass(&self) -> Vec3A {
        let (mut sum, mut weights) = (Vec3A::ZERO, 0.0);
        for Triangle { v0, v1, v2 } in &self.triangles {
            let area = (*v1 - *v0).cross(*v2 - *v0).length();
            sum += (*v0 + *v1 + *v2) * (area / 3.0);
            weights += area;
        }
        // At least one triangle has an area.
        sum / weights
    }

    /// Distance to the nearest triangle on the ray, and its number.
    pub(super) fn hit(&self, ray: Ray) -> Option<(f32, usize)> {
        let mut hit = RayHit::none();
        self.bvh
            .ray_traverse(ray, &mut hit, |ray, i| self.triangles[i].intersect(ray))
            .then_some((hit.t, hit.primitive_id as usize))
    }

    /// Whether anything lies on the ray.
    pub(super) fn blocks(&self, ray: Ray) -> bool {
        let triangle = |ray: &Ray, i: usize| self.triangles[i].intersect(ray);
        !self.bvh.ray_traverse_miss(ray, triangle)
    }

    /// Interpolated normal and material at `point` of a triangle.
    pub(super) fn contact(&self, triangle: usize, point: Vec3A) -> Contact {
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

/// Checks how many triangles there are, before there is memory for them.
pub(super) fn check_count(triangles: usize) -> Result<(), String> {
    if triangles > MOST_TRIANGLES {
        return Err(format!(
            "has {triangles} triangles; at most {MOST_TRIANGLES} are read, so simplify it"
        ));
    }
    Ok(())
}

impl Geometry {
    /// Checks that it has triangles, not too much of anything, and nothing too far away.
    fn check(&self) -> Result<(), String> {
        check_count(self.triangles.len())?;
        for (count, most, what) in [
            (self.materials.len(), MOST_MATERIALS, "materials"),
            (self.faces.len(), MOST_FACES, "nodes `face.NAME`"),
            (self.keypoints.len(), MOST_KEYPOINTS, "keypoints"),
        ] {
            if count > most {
                return Err(format!("has {count} {what}; at most {most} are read"));
            }
        }
        // False for a NaN, too.
        let near = |v: &Vec3A| v.abs().cmple(Vec3A::splat(FARTHEST)).all();
        let mut vertices = self.triangles.iter().flat_map(|t| [t.v0, t.v1, t.v2]);
        if !vertices.all(|v| near(&v)) || !self.keypoints.iter().all(|k| near(&k.2)) {
            return Err(format!(
                "a vertex or node lies more than {FARTHEST:e} metres from the origin"
            ));
        }
        let area = |t: &Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length_squared();
        if !self.triangles.iter().any(|t| area(t) > 0.0) {
            return Err("has no triangles".into());
        }
        Ok(())
    }

    fn finish(mut self, path: &Path, stem: String) -> Model {
        let named_faces = !self.faces.is_empty();
        if !named_faces {
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
            face.keypoints = own.map(|k| (format!("p{}", k.1), k.2)).collect();
        }
        let bvh = bvh::build(&self.triangles);
        let order: Vec<usize> = bvh.primitive_indices.iter().map(|&i| i as usize).collect();
        let vertices = || self.triangles.iter().flat_map(|t| [t.v0, t.v1, t.v2]);
        let (low, high) = vertices().fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let centre = (low + high) / 2.0;
        let radius = vertices().map(|v| v.distance(centre)).fold(0.0, f32::max);
        let hull = outermost(&vertices().collect::<Vec<_>>());
        let corners = order.iter().map(|&i| self.corners[i].clone());
        Model {
            path: path.display().to_string(),
            faces: self.faces,
            stable_poses: Vec::new(),
            named_faces,
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
        .into_par_iter()
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
