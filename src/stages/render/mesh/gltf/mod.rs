//! Reads glTF, with its buffers and textures beside it or in one .glb.
//!
//! Empty nodes name what the labels need. `face.NAME` is a class: the object lies so that the
//! node's +y axis points up. `keypoint.NAME.I` is the I-th keypoint of that class.
//!
//! `document` reads the JSON, `accessor` the numbers in the buffers, `materials` the materials and textures,
//! `mesh` the nodes and the triangles on them.

mod accessor;
mod document;
mod materials;
mod mesh;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use glam::{DMat4, Mat4};
use gltf::buffer::Source;
use gltf::mesh::{Mode, Semantic};
use serde::Deserialize;

use super::geometry::{Geometry, MOST_BYTES, check_count};
use super::list;
use super::material::Material;
use super::model::GoOn;
use crate::sample::input;
use crate::{Error, Result};
use accessor::MOST_VERTICES;
use document::{MaterialExtra, parse};
use mesh::MeshReader;

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

/// Checks that a glTF requires no extension that is not read; what cannot be read is said when the model is.
///
/// # Errors
/// The first extension, with the remedy.
pub(super) fn check(path: &Path) -> Result<()> {
    let json = list::json(path).unwrap_or_default();
    document::check_extensions(&json).map_err(|(problem, remedy)| {
        Error::failed(path.display(), problem, remedy.unwrap_or(REMEDY))
    })
}

/// The names of the materials of a glTF; none if it cannot be read.
pub(super) fn material_names(path: &Path) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Document {
        #[serde(default)]
        materials: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
    }
    let json = list::json(path).unwrap_or_default();
    let document: Document = serde_json::from_slice(&json).unwrap_or_default();
    let names = document.materials.into_iter();
    names.filter_map(|material| material.name).collect()
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
    let mut reader = MeshReader {
        buffers: &buffers,
        geometry: Geometry::default(),
    };
    reader.note_unused(&document, &parsed.unused);
    let shown = shown_materials(&nodes, document.materials().len());
    let mut materials = materials::MaterialReader::new(path, &document, &buffers, go_on);
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

#[cfg(test)]
mod tests;
