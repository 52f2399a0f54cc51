//! Reads glTF, with its buffers and textures beside it or in one .glb.
//!
//! Empty nodes name what the labels need. `face.NAME` is a class: the object lies so that the
//! node's +y axis points up. `keypoint.NAME.I` is the I-th keypoint of that class.
//!
//! `document` reads the JSON, `accessor` the numbers in the buffers, `materials` the materials and textures.

mod accessor;
mod document;
mod materials;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use glam::{DMat4, DVec3, Mat4, Quat, Vec2, Vec3, Vec3A, Vec4};
use gltf::accessor::Dimensions;
use gltf::buffer::Source;
use gltf::mesh::{Mode, Semantic};
use obvhs::triangle::Triangle;

use super::geometry::{Face, Geometry, MOST_BYTES, MOST_SETS, check_count, packed};
use super::material::Material;
use super::model::GoOn;
use crate::sample::input;
use crate::{Error, Result};
use accessor::{Buffers, MOST_VERTICES};
use document::{MaterialExtra, parse};

/// What to do about a broken file.
pub(super) const REMEDY: &str =
    "export the model again as glTF 2.0 with triangles, and keep its .bin beside it";

/// The buffers and textures beside a glTF; none if it is unreadable.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let found = input::guarded(path.display(), REMEDY, || {
        let bytes = input::read(path, MOST_BYTES)?;
        let Ok(parsed) = parse(&bytes) else {
            return Ok(Vec::new());
        };
        let json = parsed.document.as_json();
        let buffers = json
            .buffers
            .iter()
            .filter_map(|buffer| buffer.uri.as_deref());
        let images = json.images.iter().filter_map(|image| image.uri.as_deref());
        let is_file = |uri: &&str| !uri.starts_with("data:");
        let buffers = buffers
            .filter(is_file)
            .filter_map(|uri| named(path, uri).ok());
        // A model is drawn without a texture that is missing.
        let images = images
            .filter(is_file)
            .filter_map(|uri| named(path, uri).ok());
        Ok(buffers.chain(images.filter(|file| file.exists())).collect())
    });
    found.unwrap_or_default()
}

/// The file beside the model that a URI names, as the standard says or, if there is none, by the letter.
fn named(path: &Path, uri: &str) -> Result<PathBuf, String> {
    let file = input::beside(path, uri)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let letters = [uri.to_owned(), uri.replace('\\', "/")];
    let mut letters = letters.iter().map(Path::new);
    let by_letter = letters.find(|name| input::stays_inside(name) && folder.join(name).exists());
    match by_letter {
        Some(name) if !file.exists() => Ok(folder.join(name)),
        _ => Ok(file),
    }
}

/// Reads a `.gltf` with its buffers, or a `.glb`.
///
/// # Errors
/// If a file is missing, cut off or needs what is not read, or `go_on` ends the work.
pub(super) fn read(path: &Path, go_on: GoOn) -> Result<Geometry> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let bytes = input::read(path, MOST_BYTES)?;
    let parsed = parse(&bytes).map_err(|(problem, remedy)| {
        Error::failed(path.display(), problem, remedy.unwrap_or(REMEDY))
    })?;
    let document = parsed.document;
    let buffers = contents(path, &document, parsed.blob).map_err(broken)?;
    for accessor in document.accessors() {
        accessor::check(&accessor, &buffers)
            .map_err(|problem| broken(format!("accessor {} {problem}", accessor.index())))?;
    }
    let nodes = nodes(&document).map_err(broken)?;
    check_size(&nodes).map_err(broken)?;
    let mut reader = Reader {
        buffers: &buffers,
        geometry: Geometry::default(),
    };
    reader.note_unused(&document, &parsed.unused);
    let shown = shown_materials(&nodes, document.materials().len());
    let mut materials = materials::Reader::new(path, &document, &buffers, go_on);
    for (material, shown) in document.materials().zip(shown) {
        let number = material.index().unwrap_or_default();
        let none = MaterialExtra::default();
        let extra = parsed.materials.get(number).unwrap_or(&none);
        let material = match shown {
            true => materials.material(&material, extra, &mut reader.geometry)?,
            // Looks may name it, but its textures are not worth reading.
            false => Material::named(material.name().unwrap_or_default()),
        };
        reader.geometry.materials.push(material);
    }
    // glTF's default material, for primitives that name none.
    reader.geometry.materials.push(Material::named(""));
    for (node, place) in &nodes {
        go_on()?;
        reader.visit(node, *place).map_err(broken)?;
    }
    Ok(reader.geometry)
}

/// Which materials the nodes show.
fn shown_materials(nodes: &[(gltf::Node, DMat4)], count: usize) -> Vec<bool> {
    let mut shown = vec![false; count];
    let meshes = nodes.iter().filter_map(|(node, _)| node.mesh());
    for primitive in meshes.flat_map(|mesh| mesh.primitives()) {
        if let Some(shown) = primitive.material().index().and_then(|i| shown.get_mut(i)) {
            *shown = true;
        }
    }
    shown
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
                    let file = named(path, uri)?;
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
    decoded.map_err(|e| format!("a buffer or texture within it is not base64: {e}"))
}

/// The nodes of the scene with their places, parents first.
fn nodes(document: &gltf::Document) -> Result<Vec<(gltf::Node<'_>, DMat4)>, String> {
    let scene = document.default_scene();
    let scene = scene.or_else(|| document.scenes().next());
    let mut known = vec![false; document.nodes().len()];
    let (mut waiting, mut found) = (Vec::new(), Vec::new());
    let mut parent = DMat4::IDENTITY;
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
        let own = Mat4::from_cols_array_2d(&node.transform().matrix());
        parent = place * own.as_dmat4();
        children = node.children().collect();
        found.push((node, parent));
    }
}

/// Checks how much the meshes of all nodes hold, before any of them is read.
fn check_size(nodes: &[(gltf::Node, DMat4)]) -> Result<(), String> {
    let meshes = nodes.iter().filter_map(|(node, _)| node.mesh());
    let (mut triangles, mut vertices) = (0_usize, 0_usize);
    for primitive in meshes.flat_map(|mesh| mesh.primitives()) {
        let positions = primitive.get(&Semantic::Positions);
        let positions = positions.map_or(0, |positions| positions.count());
        let indices = primitive.indices();
        let corners = indices.map_or(positions, |indices| indices.count());
        let count = match primitive.mode() {
            Mode::Triangles => corners / 3,
            Mode::TriangleStrip | Mode::TriangleFan => corners.saturating_sub(2),
            _ => 0,
        };
        triangles = triangles.saturating_add(count);
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
struct Reader<'a> {
    buffers: &'a Buffers<'a>,
    geometry: Geometry,
}

impl Reader<'_> {
    /// Notes what the file holds beside what is read.
    fn note_unused(&mut self, document: &gltf::Document, extensions: &[String]) {
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

    fn visit(&mut self, node: &gltf::Node, place: DMat4) -> Result<(), String> {
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

#[cfg(test)]
mod tests;
