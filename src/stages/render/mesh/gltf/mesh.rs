//! The nodes of a glTF: triangles, lists, strips and fans alike, and the places that the labels need.

use glam::{DMat4, DVec3, Mat4, Quat, Vec2, Vec3, Vec3A, Vec4};
use gltf::accessor::Dimensions;
use gltf::mesh::{Mode, Semantic};
use obvhs::triangle::Triangle;

use super::super::geometry::{Face, Geometry, MOST_SETS, packed};
use super::accessor::{self, Buffers};

/// The corners of the triangles of a primitive, as places in its list of `count` corners.
fn triangles(mode: Mode, count: usize) -> impl Iterator<Item = [usize; 3]> {
    let triangles = match mode {
        Mode::Triangles => count / 3,
        Mode::TriangleStrip | Mode::TriangleFan => count.saturating_sub(2),
        _ => 0,
    };
    (0..triangles).map(move |i| match mode {
        Mode::TriangleStrip => [i, i + 1 + i % 2, i + 2 - i % 2],
        Mode::TriangleFan => [i + 1, i + 2, 0],
        _ => [3 * i, 3 * i + 1, 3 * i + 2],
    })
}

/// Gathers what the nodes of the scene hold.
pub(super) struct MeshReader<'a> {
    pub buffers: &'a Buffers<'a>,
    pub geometry: Geometry,
}

impl MeshReader<'_> {
    /// Notes what the file holds beside what is read.
    pub(super) fn note_unused(&mut self, document: &gltf::Document, extensions: &[String]) {
        let meshes = document.meshes();
        let morphs = meshes.flat_map(|mesh| mesh.primitives());
        let morphs = morphs.filter(|p| p.morph_targets().len() > 0).count();
        let held = [
            (
                document.skins().len(),
                "skins; apply the pose before exporting, for the model is drawn in its rest pose",
            ),
            (
                morphs,
                "meshes with morph targets; apply the shape before exporting",
            ),
            (
                document.animations().len(),
                "animations; apply the frame that is wanted before exporting",
            ),
            (
                document.cameras().len(),
                "cameras; `mesh.camera` says where the camera stands",
            ),
        ];
        for (count, what) in held {
            if count > 0 {
                self.geometry
                    .note(format!("does not use its {count} {what}"));
            }
        }
        if !extensions.is_empty() {
            let names: Vec<&str> = extensions.iter().take(8).map(String::as_str).collect();
            self.geometry.note(format!(
                "does not use the extensions {}; bake what they do into plain materials and meshes if it matters",
                names.join(", ")
            ));
        }
    }

    /// Takes what a node holds.
    ///
    /// # Errors
    /// If its mesh or name is broken.
    pub(super) fn visit(&mut self, node: &gltf::Node, place: DMat4) -> Result<(), String> {
        for primitive in node.mesh().iter().flat_map(gltf::Mesh::primitives) {
            self.add(&primitive, place)?;
        }
        let name = node.name().unwrap_or_default();
        if let Some(face) = name.strip_prefix("face.") {
            let up = place.y_axis.as_vec4().truncate().normalize_or(Vec3::Y);
            self.geometry.faces.push(Face {
                name: face.to_string(),
                upright: Quat::from_rotation_arc(up, Vec3::Y),
                keypoints: Vec::new(),
            });
        } else if let Some(keypoint) = name.strip_prefix("keypoint.") {
            let (face, number) = keypoint.rsplit_once('.').unwrap_or(("", keypoint));
            let number = number
                .parse()
                .map_err(|_| format!("node `{name}` does not end in a number"))?;
            self.geometry
                .keypoints
                .push((face.to_string(), number, place.w_axis.truncate()));
        }
        Ok(())
    }

    fn add(&mut self, primitive: &gltf::Primitive, place: DMat4) -> Result<(), String> {
        let mode = primitive.mode();
        if !matches!(
            mode,
            Mode::Triangles | Mode::TriangleStrip | Mode::TriangleFan
        ) {
            self.geometry.note(
                "does not use its points and lines; give them a surface before exporting".into(),
            );
            return Ok(());
        }
        let material = primitive.material().index();
        let material = material.unwrap_or(self.geometry.materials.len() - 1);
        let vertices = self.vertices(primitive, place, material)?;
        let indices = primitive.indices();
        let indices = indices
            .map(|a| accessor::indices(&a, self.buffers))
            .transpose()?;
        let count = indices.as_ref().map_or(vertices.positions.len(), Vec::len);
        // A mirrored node turns its triangles round.
        let mirrored = place.determinant() < 0.0;
        for corners in triangles(mode, count) {
            let [a, b, c] = corners.map(|corner| match &indices {
                Some(indices) => indices[corner] as usize,
                None => corner,
            });
            let corners = if mirrored { [a, c, b] } else { [a, b, c] };
            if corners.iter().any(|&i| i >= vertices.positions.len()) {
                return Err("a triangle names a vertex that does not exist".into());
            }
            self.triangle(&vertices, corners, material as u32)?;
        }
        Ok(())
    }

    /// The vertices of a primitive, with what its material needs.
    fn vertices(
        &mut self,
        primitive: &gltf::Primitive,
        place: DMat4,
        material: usize,
    ) -> Result<Vertices, String> {
        let buffers = self.buffers;
        let positions = primitive.get(&Semantic::Positions);
        let positions = positions.ok_or("a mesh has no positions")?;
        let positions =
            accessor::numbers::<3>(&positions, buffers, "positions", &[Dimensions::Vec3], 0.0)?;
        let positions = positions.into_iter().map(|p| {
            let p = DVec3::from_array(p.map(f64::from));
            self.geometry.place(place.transform_point3(p))
        });
        let positions = positions.collect();
        let turn: Mat4 = place.inverse().transpose().as_mat4();
        let normals = primitive.get(&Semantic::Normals).map(|accessor| {
            let found =
                accessor::numbers::<3>(&accessor, buffers, "normals", &[Dimensions::Vec3], 0.0)?;
            let turned = found.into_iter().map(|n| turn.transform_vector3a(n.into()));
            Ok::<_, String>(turned.map(|n| n.normalize_or_zero().into()).collect())
        });
        let sets = self.geometry.materials[material].sets();
        let mut coordinates: [Vec<Vec2>; MOST_SETS] = Default::default();
        for (set, found) in coordinates
            .iter_mut()
            .enumerate()
            .filter(|(set, _)| sets[*set])
        {
            if let Some(accessor) = primitive.get(&Semantic::TexCoords(set as u32)) {
                let what = "texture coordinates";
                let numbers =
                    accessor::numbers::<2>(&accessor, buffers, what, &[Dimensions::Vec2], 0.0)?;
                *found = numbers.into_iter().map(Vec2::from_array).collect();
            }
        }
        let kinds = [Dimensions::Vec3, Dimensions::Vec4];
        let colours = primitive.get(&Semantic::Colors(0));
        let colours = colours.map(|a| accessor::numbers::<4>(&a, buffers, "colours", &kinds, 1.0));
        Ok(Vertices {
            positions,
            normals: normals.transpose()?.unwrap_or_default(),
            coordinates,
            colours: colours.transpose()?.unwrap_or_default(),
        })
    }

    fn triangle(
        &mut self,
        vertices: &Vertices,
        corners: [usize; 3],
        material: u32,
    ) -> Result<(), String> {
        let [v0, v1, v2] = corners.map(|i| vertices.positions[i]);
        if !(v0 + v1 + v2).is_finite() {
            return Err("a vertex is not a finite number".into());
        }
        let flat = Triangle { v0, v1, v2 }.compute_normal();
        let normal = |i| vertices.normals.get(i).copied().unwrap_or(flat.into());
        if !self
            .geometry
            .add([v0, v1, v2], corners.map(normal), material)
        {
            return Ok(());
        }
        for (set, table) in vertices.coordinates.iter().enumerate() {
            if !table.is_empty() {
                let at = |i| table.get(i).copied().unwrap_or_default();
                self.geometry.set_coordinates(set, corners.map(at));
            }
        }
        if !vertices.colours.is_empty() {
            let colour = |i| vertices.colours.get(i).copied().unwrap_or([1.0; 4]);
            let colours = corners.map(|i| packed(Vec4::from_array(colour(i))));
            self.geometry.set_colours(colours);
        }
        Ok(())
    }
}

/// What the vertices of a primitive hold; a table that the file lacks is empty.
struct Vertices {
    positions: Vec<Vec3A>,
    normals: Vec<Vec3>,
    coordinates: [Vec<Vec2>; MOST_SETS],
    colours: Vec<[f32; 4]>,
}
