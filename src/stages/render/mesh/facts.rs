//! What can be said of a model without rendering it.

use std::path::Path;

use super::config::Colour;
use super::flat;
use super::list::{self, Source};
use super::model::Model;
use super::sizes;
use crate::Result;
use crate::sample::colour::to_srgb;

/// What a model's file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// Sides of its box in metres: x, y (up), z.
    pub size_metres: [f32; 3],
    /// Number of triangles.
    pub triangles: usize,
    /// The materials by the names that `surfaces.looks` can paint, without their looks.
    pub material_names: Vec<String>,
    /// What each material looks like, for people.
    pub materials: Vec<String>,
    /// Its faces' names, or the one class that it is.
    pub classes: Vec<String>,
    /// Its keypoints by name.
    pub keypoints: Vec<String>,
    /// What is odd about it, and what its file holds that is not used.
    pub remarks: Vec<String>,
}

/// Reads a model; `unit_metres` is the unit of those formats that have none.
///
/// # Errors
/// If it cannot be read.
pub fn model_facts(path: &Path, unit_metres: f32) -> Result<ModelFacts> {
    let source = Source::plain(path);
    let mut model = Model::read(&source, unit_metres, &|| Ok(()))?;
    let colour = |light: f32| (to_srgb(light.clamp(0.0, 1.0)) * 255.0).round() as u8;
    // The last one is the format's own, for what has no material.
    let named = model
        .materials
        .iter()
        .filter(|material| !material.name.is_empty());
    let described = named.clone().map(|material| {
        let hex = String::from(Colour(material.colour.to_array().map(colour)));
        let textures = &material.textures;
        let pictures = [
            ("colour", textures.colour.is_some()),
            ("roughness", textures.metallic_roughness.is_some()),
            ("normals", textures.normal.is_some()),
            ("occlusion", textures.occlusion.is_some()),
            ("light", textures.emission.is_some()),
            ("opacity", textures.opacity.is_some()),
        ];
        let pictures = pictures.iter().filter(|(_, there)| *there);
        let pictures: Vec<&str> = pictures.map(|(name, _)| *name).collect();
        let mut text = format!("{} {hex}", material.name);
        if let Some(roughness) = material.roughness {
            text += &format!(", roughness {roughness:.2}");
        }
        if material.metallic > 0.0 {
            text += &format!(", metallic {:.2}", material.metallic);
        }
        if !pictures.is_empty() {
            text += &format!(", textures: {}", pictures.join(", "));
        }
        text
    });
    let mut keypoints: Vec<String> = model
        .faces
        .iter()
        .flat_map(|face| face.keypoints.iter().map(|(name, _)| name.clone()))
        .collect();
    keypoints.sort();
    keypoints.dedup();
    let mut remarks = sizes::warnings(std::slice::from_ref(&model));
    remarks.append(&mut model.unused);
    Ok(ModelFacts {
        size_metres: model.sides().to_array(),
        triangles: model.triangles(),
        material_names: named
            .clone()
            .map(|material| material.name.clone())
            .collect(),
        materials: described.collect(),
        classes: model.faces.iter().map(|face| face.name.clone()).collect(),
        keypoints,
        remarks,
    })
}

/// The extensions of the models that can be read, in lower case.
pub fn model_formats() -> &'static [&'static str] {
    &list::ENDINGS
}

/// The extensions of the pictures that are models: sheets that lie flat, whose longer side is one unit.
pub fn sheet_formats() -> &'static [&'static str] {
    &flat::ENDINGS
}
