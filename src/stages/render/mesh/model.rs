//! A model: triangles under a bounding volume hierarchy, and the semantics that it carries.
//!
//! `gltf`, `obj`, `ply` and `stl` read the formats into a [`Geometry`], from which the model is made. A
//! model without faces is one class, named after its file, that stands as it was modelled (+y up)
//! or as `stable_poses` says.

use std::path::Path;

use glam::{DVec3, Quat, Vec2, Vec3A, Vec4, vec3a};
use obvhs::bvh2::Bvh2;
use obvhs::ray::{Ray, RayHit};
use obvhs::triangle::Triangle;
use rayon::prelude::*;

use super::formats::{Format, recognise};
use super::geometry::{
    Corners, Face, Geometry, MOST_SETS, SideTable, VertexColour, WHITE, unpacked,
};
use super::list::{self, Source, Up};
use super::material::{Alpha, Material};
use super::quads::Quads;
use super::stable_poses::StablePose;
use super::surface::{hash, unit};
use super::{bvh, flat, gltf, obj, ply, stl};
use crate::sample::input;
use crate::{Error, Result};

/// For labels, a surface that light gets through is there where it is at least this opaque.
pub(super) const SEEN: f32 = 0.1;

/// Called every now and then by whoever works for long; an error ends the work.
pub(super) type GoOn<'a> = &'a dyn Fn() -> Result<()>;

/// A model ready to be traced, in its own coordinates (metres, +y up), which count from `origin`.
pub(super) struct Model {
    /// What pipeline files call it.
    pub path: String,
    pub materials: Vec<Material>,
    pub faces: Vec<Face>,
    /// How it can lie if it has no faces that say so; without any it stands as modelled.
    pub stable_poses: Vec<StablePose>,
    /// The outermost vertices, enough to find the extent in any direction.
    pub hull: Vec<Vec3A>,
    /// The bounding box: its least corner and its greatest.
    pub bounds: [Vec3A; 2],
    /// Its middle.
    pub centre: Vec3A,
    /// Distance from the middle to the farthest vertex.
    pub radius: f32,
    /// Longest side of the bounding box.
    pub size: f32,
    /// Where the coordinates count from, in those of the file: zero, but for models that lie far from there.
    pub origin: Vec3A,
    /// What the file holds and is not used, each with a remedy.
    pub unused: Vec<String>,
    named_faces: bool,
    /// Whether light gets through any material.
    see_through: bool,
    corners: Vec<Corners>,
    triangles: Vec<Triangle>,
    coordinates: [SideTable<[Vec2; 3]>; MOST_SETS],
    colours: SideTable<[VertexColour; 3]>,
    bvh: Bvh2,
    /// For light, unless it gets through a material.
    quads: Option<Quads>,
}

/// Who asks what is on a ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sight {
    /// Labels, for which a surface is there or is not.
    Labels,
    /// Light, which gets through some surfaces by chance: another one for each word, spread evenly where only the
    /// turn of 0..1 differs.
    Light(u32, f32),
}

impl Sight {
    /// That of light on its own way.
    pub(super) fn along(direction: Vec3A) -> Self {
        let bits = direction.to_array().map(f32::to_bits);
        Sight::Light(bits.iter().fold(0, |word, &b| hash(word ^ b)), 0.0)
    }
}

/// The point where a ray meets the model.
pub(super) struct Contact {
    /// Between those of the corners.
    pub normal: Vec3A,
    /// Of the triangle itself.
    flat: Vec3A,
    pub material: usize,
    pub triangle: usize,
    /// Shares of the corners.
    pub weights: [f32; 3],
}

impl Contact {
    /// The normal on the side that a ray of this direction comes from. Which way round the file gives the
    /// triangle, and to which side its normals point, makes no difference.
    pub(super) fn facing(&self, direction: Vec3A) -> Vec3A {
        let flat = match self.flat.dot(direction) > 0.0 {
            true => -self.flat,
            false => self.flat,
        };
        match self.normal.dot(flat) < 0.0 {
            true => -self.normal,
            false => self.normal,
        }
    }
}

impl Model {
    /// Reads a model; `unit` is that of all formats but glTF in metres, where the source gives no scale.
    ///
    /// # Errors
    /// If a file is missing, cut off, too large or of a format that is not read, the model has no triangles, or
    /// `go_on` ends it.
    pub(super) fn read(source: &Source, unit: f32, go_on: GoOn) -> Result<Self> {
        let path = source.path.as_path();
        let format = recognise(path)?;
        let remedy = format.remedy();
        input::guarded(path.display(), remedy, || {
            let unit = source.scale.unwrap_or(unit);
            let mut geometry = match format {
                Format::Gltf => gltf::read(path, go_on)?.scaled(source.scale.unwrap_or(1.0)),
                Format::Obj => obj::read(path, unit, go_on)?,
                Format::Stl => stl::read(path, unit, go_on)?,
                Format::Ply => ply::read(path, unit, go_on)?,
                Format::Svg | Format::Pixels => flat::read(path, format, unit, go_on)?,
            };
            if source.up == Up::Z {
                geometry = geometry.with_z_up();
            }
            geometry.name_faces(source.class.as_deref());
            for material in &mut geometry.materials {
                if let Some(coating) = source.coating(&material.name) {
                    material.coat(coating);
                }
            }
            let checked = geometry.check();
            checked.map_err(|problem| Error::failed(path.display(), problem, remedy))?;
            let class = source.class.clone().unwrap_or_else(|| list::stem(path));
            Model::new(geometry, path, class, go_on)
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

    /// The corners of each of its triangles.
    pub(super) fn triangle_corners(&self) -> impl Iterator<Item = [Vec3A; 3]> {
        self.triangles.iter().map(|t| [t.v0, t.v1, t.v2])
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
    pub(super) fn hit(&self, ray: Ray, sight: Sight) -> Option<(f32, usize)> {
        if let (Some(quads), Sight::Light(..)) = (&self.quads, sight) {
            return quads.first(&ray);
        }
        let mut hit = RayHit::none();
        self.bvh
            .ray_traverse(ray, &mut hit, |ray, i| self.meets(ray, i, sight))
            .then_some((hit.t, hit.primitive_id as usize))
    }

    /// Whether anything keeps light off the ray.
    pub(super) fn blocks(&self, ray: Ray) -> bool {
        if let Some(quads) = &self.quads {
            return quads.any(&ray);
        }
        let sight = Sight::along(ray.direction);
        let triangle = |ray: &Ray, i: usize| self.meets(ray, i, sight);
        !self.bvh.ray_traverse_miss(ray, triangle)
    }

    /// Distance to the triangle on the ray, infinite if the ray misses it or gets through.
    fn meets(&self, ray: &Ray, triangle: usize, sight: Sight) -> f32 {
        let distance = match sight {
            Sight::Labels => crossing(&self.triangles[triangle], ray),
            Sight::Light(..) => self.triangles[triangle].intersect(ray),
        };
        if !self.see_through || distance == f32::INFINITY {
            return distance;
        }
        let material = &self.materials[self.corners[triangle].material as usize];
        if material.alpha == Alpha::Opaque {
            return distance;
        }
        let contact = self.contact(triangle, ray.origin + ray.direction * distance);
        let opacity = material.opacity_at(self, &contact);
        let there = match (material.alpha, sight) {
            (Alpha::Opaque, _) => true,
            (Alpha::Mask(cutoff), _) => opacity >= cutoff,
            (Alpha::Blend, Sight::Labels) => opacity >= SEEN,
            (Alpha::Blend, Sight::Light(word, turn)) => {
                // Front and back of a glass are independent of each other.
                let layer =
                    2 * contact.material as u32 + u32::from(contact.flat.dot(ray.direction) > 0.0);
                opacity > (unit(hash(word ^ hash(layer))) + turn).fract()
            }
        };
        if there { distance } else { f32::INFINITY }
    }

    /// What is at `point` of a triangle.
    pub(super) fn contact(&self, triangle: usize, point: Vec3A) -> Contact {
        let Triangle { v0, v1, v2 } = self.triangles[triangle];
        let corners = &self.corners[triangle];
        let area = (v1 - v0).cross(v2 - v0);
        let scale = 1.0 / area.length_squared().max(f32::MIN_POSITIVE);
        let b1 = (point - v0).cross(v2 - v0).dot(area) * scale;
        let b2 = (v1 - v0).cross(point - v0).dot(area) * scale;
        let [n0, n1, n2] = corners.normals.map(Vec3A::from);
        let b0 = 1.0 - b1 - b2;
        let normal = n0 * b0 + n1 * b1 + n2 * b2;
        Contact {
            normal: normal.try_normalize().unwrap_or(Vec3A::Y),
            flat: area,
            material: corners.material as usize,
            triangle,
            weights: [b0, b1, b2],
        }
    }

    /// Where the corners of a triangle lie on the pictures of a set.
    pub(super) fn coordinates(&self, triangle: usize, set: usize) -> Option<[Vec2; 3]> {
        self.coordinates.get(set)?.get(triangle).copied()
    }

    /// From the first corner of a triangle to the others.
    pub(super) fn edges(&self, triangle: usize) -> [Vec3A; 2] {
        let Triangle { v0, v1, v2 } = self.triangles[triangle];
        [v1 - v0, v2 - v0]
    }

    /// The colour between those of the corners; white where they have none.
    pub(super) fn vertex_colour(&self, contact: &Contact) -> Vec4 {
        let Some(corners) = self.colours.get(contact.triangle) else {
            return Vec4::ONE;
        };
        let [a, b, c] = corners.map(unpacked);
        a * contact.weights[0] + b * contact.weights[1] + c * contact.weights[2]
    }

    /// Whether any vertex has a colour.
    pub(super) fn has_vertex_colours(&self) -> bool {
        !self.colours.values().is_empty()
    }

    /// The mean colour of the vertices; white where they have none.
    pub(super) fn mean_vertex_colour(&self) -> Vec3A {
        let corners = self.colours.values().as_flattened();
        if corners.is_empty() {
            return Vec3A::ONE;
        }
        let sum: Vec4 = corners.iter().map(|&c| unpacked(c)).sum();
        (sum / corners.len() as f32).truncate().into()
    }

    /// Makes a model; `path` is what it is called.
    ///
    /// # Errors
    /// If `go_on` ends it.
    pub(super) fn new(
        mut geometry: Geometry,
        path: &Path,
        class: String,
        go_on: GoOn,
    ) -> Result<Model> {
        let named_faces = !geometry.faces.is_empty();
        let origin = geometry.origin();
        let keypoints = geometry.keypoints.iter();
        let mut keypoints: Vec<(String, u32, Vec3A)> = keypoints
            .map(|(face, number, place)| {
                let face = if named_faces { face } else { &class };
                (face.clone(), *number, (place - origin).as_vec3a())
            })
            .collect();
        if !named_faces {
            geometry.faces.push(Face {
                name: class,
                upright: Quat::IDENTITY,
                keypoints: Vec::new(),
            });
        }
        keypoints.sort_by_key(|keypoint| keypoint.1);
        for face in &mut geometry.faces {
            let own = keypoints.iter().filter(|k| k.0 == face.name);
            face.keypoints = own.map(|k| (format!("p{}", k.1), k.2)).collect();
        }
        let hull = outermost(&geometry.triangles, go_on)?;
        let bvh = bvh::build(&geometry.triangles, go_on)?;
        let order = &bvh.primitive_indices;
        // One table after the other, so that little is in memory twice.
        let triangles: Vec<Triangle> = order
            .iter()
            .map(|&i| geometry.triangles[i as usize])
            .collect();
        geometry.triangles = Vec::new();
        let corners = order.iter().map(|&i| geometry.corners[i as usize].clone());
        let corners: Vec<Corners> = corners.collect();
        let vertices = || triangles.iter().flat_map(|t| [t.v0, t.v1, t.v2]);
        let (low, high) = vertices().fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let centre = (low + high) / 2.0;
        let radius = vertices().map(|v| v.distance(centre)).fold(0.0, f32::max);
        let see_through = geometry.materials.iter().any(|m| m.alpha != Alpha::Opaque);
        let quads = (!see_through).then(|| Quads::new(&bvh, &triangles));
        Ok(Model {
            path: path.display().to_string(),
            faces: geometry.faces,
            stable_poses: Vec::new(),
            named_faces,
            see_through,
            quads: quads.flatten(),
            materials: geometry.materials,
            hull,
            bounds: [low, high],
            centre,
            // A little more, against rounding.
            radius: radius * 1.001,
            size: (high - low).max_element(),
            origin: origin.as_vec3a(),
            unused: geometry.unused,
            corners,
            triangles,
            coordinates: geometry
                .coordinates
                .map(|table| table.reordered(order, &[Vec2::ZERO; 3])),
            colours: geometry.colours.reordered(order, &[WHITE; 3]),
            bvh,
        })
    }
}

/// Distance to a triangle on the ray, infinite if there is none (Möller and Trumbore 1997). It counts in 64 bits:
/// in 32, one of some hundred thousand rays gets through between two triangles that touch.
fn crossing(triangle: &Triangle, ray: &Ray) -> f32 {
    let wide = |v: Vec3A| DVec3::from_array(v.to_array().map(f64::from));
    let [v0, v1, v2] = [triangle.v0, triangle.v1, triangle.v2].map(wide);
    let (origin, direction) = (wide(ray.origin), wide(ray.direction));
    let (right, down) = (v1 - v0, v2 - v0);
    let across = direction.cross(down);
    let scale = 1.0 / right.dot(across);
    let from = origin - v0;
    let turned = from.cross(right);
    let (u, v) = (from.dot(across) * scale, direction.dot(turned) * scale);
    let distance = (down.dot(turned) * scale) as f32;
    let is_met = u >= 0.0 && v >= 0.0 && u + v <= 1.0;
    match is_met && distance >= ray.tmin && distance <= ray.tmax {
        true => distance,
        false => f32::INFINITY,
    }
}

/// For directions all around, the vertex that lies farthest that way.
fn outermost(triangles: &[Triangle], go_on: GoOn) -> Result<Vec<Vec3A>> {
    const DIRECTIONS: usize = 400;
    /// Directions between two looks at whether to go on.
    const LOOK: usize = 40;
    let golden = std::f32::consts::PI * (3.0 - 5f32.sqrt());
    let vertex = |i: usize| {
        let Triangle { v0, v1, v2 } = triangles[i / 3];
        [v0, v1, v2][i % 3]
    };
    let farthest = |i: usize| {
        let y = 1.0 - (2 * i + 1) as f32 / DIRECTIONS as f32;
        let (sin, cos) = (golden * i as f32).sin_cos();
        let direction = vec3a(cos, 0.0, sin) * (1.0 - y * y).sqrt() + Vec3A::Y * y;
        let along = |i: &usize| vertex(*i).dot(direction);
        let far = |a: &usize, b: &usize| along(a).total_cmp(&along(b));
        (0..3 * triangles.len()).max_by(far).unwrap_or(0)
    };
    let mut found = Vec::with_capacity(DIRECTIONS);
    for first in (0..DIRECTIONS).step_by(LOOK) {
        go_on()?;
        let directions = (first..first + LOOK).into_par_iter();
        found.par_extend(directions.map(farthest));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found.into_iter().map(vertex).collect())
}
