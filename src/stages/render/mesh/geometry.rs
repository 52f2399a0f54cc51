//! What a model's file holds, whatever its format: triangles, materials and the nodes that the labels need.
//!
//! Coordinates are 32-bit numbers, which cannot tell a part from a point at ten kilometres. A model that lies far
//! from its origin is therefore read relative to its first vertex, and remembers where that is.

use std::collections::HashMap;

use glam::{DVec3, Quat, Vec2, Vec3, Vec3A, Vec4};
use obvhs::triangle::Triangle;

use super::material::Material;

/// What a model may hold; the limits keep a hostile file from filling memory.
pub(super) const MOST_TRIANGLES: usize = 2_000_000;
const MOST_MATERIALS: usize = 4096;
const MOST_FACES: usize = 1024;
const MOST_KEYPOINTS: usize = 4096;

/// Bytes of a model's file and of the buffers beside it.
pub(super) const MOST_BYTES: u64 = 256 << 20;

/// Metres from the origin; farther away, areas could overflow.
const FARTHEST: f32 = 1e9;

/// Metres from the origin, beyond which a model is read relative to its first vertex.
const FAR: f64 = 64.0;

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
    pub normals: [Vec3; 3],
    pub material: u32,
}

/// Red, green, blue and opacity of a vertex: linear light times 65535.
pub(super) type VertexColour = [u16; 4];

/// White, and opaque.
pub(super) const WHITE: VertexColour = [u16::MAX; 4];

/// What some triangles have: no memory where none has it.
pub(super) struct SideTable<T>(Vec<T>);

impl<T> Default for SideTable<T> {
    fn default() -> Self {
        SideTable(Vec::new())
    }
}

impl<T: Clone> SideTable<T> {
    /// Gives the triangle with this number a value; those before it without one get `none`.
    pub(super) fn set(&mut self, triangle: usize, value: T, none: T) {
        self.0.resize(triangle.max(self.0.len()), none);
        self.0.truncate(triangle);
        self.0.push(value);
    }

    pub(super) fn get(&self, triangle: usize) -> Option<&T> {
        self.0.get(triangle)
    }

    pub(super) fn values(&self) -> &[T] {
        &self.0
    }

    /// The table when triangle `order[i]` becomes triangle i.
    pub(super) fn reordered(&self, order: &[u32], none: &T) -> Self {
        if self.0.is_empty() {
            return SideTable::default();
        }
        let value = |&i: &u32| self.0.get(i as usize).unwrap_or(none).clone();
        SideTable(order.iter().map(value).collect())
    }
}

/// Sets of texture coordinates that are read.
pub(super) const MOST_SETS: usize = 4;

/// What a file of any format holds.
#[derive(Default)]
pub(super) struct Geometry {
    pub materials: Vec<Material>,
    pub triangles: Vec<Triangle>,
    /// Of each triangle.
    pub corners: Vec<Corners>,
    /// Texture coordinates at the corners, by set.
    pub coordinates: [SideTable<[Vec2; 3]>; MOST_SETS],
    /// Colours at the corners.
    pub colours: SideTable<[VertexColour; 3]>,
    pub faces: Vec<Face>,
    /// Face, number, place in the file's coordinates.
    pub keypoints: Vec<(String, u32, DVec3)>,
    /// What the file holds or names and is not used, each with a remedy, without a full stop.
    pub unused: Vec<String>,
    /// Where coordinates count from, once there is a vertex.
    pub(super) origin: Option<DVec3>,
}

impl Geometry {
    /// Where coordinates count from, in those of the file.
    pub(super) fn origin(&self) -> DVec3 {
        self.origin.unwrap_or_default()
    }

    /// A vertex of the file in the coordinates of the model.
    pub(super) fn place(&mut self, vertex: DVec3) -> Vec3A {
        let origin = self.origin.get_or_insert_with(|| {
            // Rounded, so that 32 bits hold it exactly.
            let far = vertex.is_finite() && vertex.length() > FAR;
            if far {
                vertex.as_vec3().as_dvec3()
            } else {
                DVec3::ZERO
            }
        });
        (vertex - *origin).as_vec3a()
    }

    /// Notes something that is not used, once.
    pub(super) fn note(&mut self, text: String) {
        /// More are not worth reading.
        const MOST_NOTES: usize = 16;
        if self.unused.len() < MOST_NOTES && !self.unused.contains(&text) {
            self.unused.push(text);
        }
    }

    /// Adds a triangle; one without area is left out.
    pub(super) fn add(&mut self, vertices: [Vec3A; 3], normals: [Vec3; 3], material: u32) -> bool {
        let [v0, v1, v2] = vertices;
        if (v1 - v0).cross(v2 - v0).length_squared() <= 0.0 {
            return false;
        }
        self.triangles.push(Triangle { v0, v1, v2 });
        self.corners.push(Corners { normals, material });
        true
    }

    /// Gives the corners of the last triangle their place on the pictures of a set.
    pub(super) fn set_coordinates(&mut self, set: usize, corners: [Vec2; 3]) {
        let last = self.triangles.len().saturating_sub(1);
        if let Some(table) = self.coordinates.get_mut(set) {
            table.set(last, corners, [Vec2::ZERO; 3]);
        }
    }

    /// Gives the corners of the last triangle their colours.
    pub(super) fn set_colours(&mut self, corners: [VertexColour; 3]) {
        let last = self.triangles.len().saturating_sub(1);
        self.colours.set(last, corners, [WHITE; 3]);
    }

    /// Checks that it has triangles, not too much of anything, and nothing too far away.
    ///
    /// # Errors
    /// What there is too much or nothing of.
    pub(super) fn check(&self) -> Result<(), String> {
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
        let mut nodes = self.keypoints.iter().map(|k| k.2).chain([self.origin()]);
        if !vertices.all(|v| near(&v)) || !nodes.all(|v| near(&v.as_vec3a())) {
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

/// The numbers of materials by name.
#[derive(Default)]
pub(super) struct Palette(HashMap<String, u32>);

impl Palette {
    /// The number of the material `name`, if there is one.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }

    /// Adds a material to the geometry, and says its number.
    pub(super) fn add(&mut self, geometry: &mut Geometry, material: Material) -> u32 {
        let number = geometry.materials.len() as u32;
        self.0.insert(material.name.clone(), number);
        geometry.materials.push(material);
        number
    }
}

/// A vertex colour as four numbers.
pub(super) fn unpacked(colour: VertexColour) -> Vec4 {
    Vec4::from_array(colour.map(f32::from)) / 65535.0
}

/// Four numbers of 0..1 as a vertex colour.
pub(super) fn packed(colour: Vec4) -> VertexColour {
    let scaled = colour.clamp(Vec4::ZERO, Vec4::ONE) * 65535.0;
    scaled.to_array().map(|c| c.round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_tables_fill_what_is_between() {
        let mut table = SideTable::default();
        assert!(table.get(0).is_none());
        table.set(2, 'c', '-');
        table.set(3, 'd', '-');
        assert_eq!(table.values(), ['-', '-', 'c', 'd']);
        let turned = table.reordered(&[3, 4, 0], &'-');
        assert_eq!(turned.values(), ['d', '-', '-']);
        assert!(
            SideTable::<char>::default()
                .reordered(&[0], &'-')
                .values()
                .is_empty()
        );
    }

    #[test]
    fn far_vertices_keep_their_distances() {
        let mut geometry = Geometry::default();
        let far = DVec3::new(10_000.0, -3.0, 1e6);
        let first = geometry.place(far);
        let second = geometry.place(far + DVec3::X * 0.001);
        assert!(
            (second.x - first.x - 0.001).abs() < 1e-9,
            "{first} {second}"
        );
        assert_eq!(geometry.origin().as_vec3().as_dvec3(), geometry.origin());
        let mut near = Geometry::default();
        assert_eq!(near.place(DVec3::X), Vec3A::X);
        assert_eq!(near.origin(), DVec3::ZERO);
    }

    #[test]
    fn colours_survive_packing() {
        let colour = Vec4::new(0.25, 1.0, 0.0, 0.5);
        assert!(unpacked(packed(colour)).distance(colour) < 1e-4);
        assert_eq!(packed(Vec4::splat(7.0)), WHITE);
    }
}
