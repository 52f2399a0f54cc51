//! The JSON of a glTF: what the crate `gltf` reads of it, the extensions beside that, and what is not used.

use std::borrow::Cow;

use gltf::json;
use gltf::json::validation::Checked;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What the JSON may hold: each value counts as 1, an object as 8 more.
const MOST_VALUES: usize = 4_000_000;

/// Extensions that are used.
const KNOWN: [&str; 6] = [
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_materials_unlit",
    "KHR_materials_emissive_strength",
    "KHR_materials_pbrSpecularGlossiness",
    "EXT_texture_webp",
];

/// A glTF's JSON.
pub(super) struct Parsed<'a> {
    pub document: gltf::Document,
    /// The buffer that a .glb holds itself.
    pub blob: Option<Cow<'a, [u8]>>,
    /// Extensions of the materials, in their order.
    pub materials: Vec<MaterialExtra>,
    /// Extensions that the file names and nothing uses.
    pub unused: Vec<String>,
}

/// What the crate leaves out without its features.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extra {
    extensions_used: Vec<String>,
    extensions_required: Vec<String>,
    materials: Vec<MaterialExtra>,
    textures: Vec<TextureExtra>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MaterialExtra {
    pub pbr_metallic_roughness: PbrExtra,
    pub normal_texture: InfoExtra,
    pub occlusion_texture: InfoExtra,
    pub emissive_texture: InfoExtra,
    pub extensions: MaterialExtensions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PbrExtra {
    pub base_color_texture: InfoExtra,
    pub metallic_roughness_texture: InfoExtra,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct InfoExtra {
    pub extensions: InfoExtensions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct InfoExtensions {
    #[serde(rename = "KHR_texture_transform")]
    pub transform: Option<Transform>,
}

/// KHR_texture_transform.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Transform {
    pub offset: [f32; 2],
    pub rotation: f32,
    pub scale: [f32; 2],
    pub tex_coord: Option<u32>,
}

impl Default for Transform {
    fn default() -> Self {
        Transform {
            offset: [0.0; 2],
            rotation: 0.0,
            scale: [1.0; 2],
            tex_coord: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MaterialExtensions {
    #[serde(rename = "KHR_materials_unlit")]
    pub unlit: Option<IgnoredAny>,
    #[serde(rename = "KHR_materials_emissive_strength")]
    pub emissive_strength: Option<EmissiveStrength>,
    #[serde(rename = "KHR_materials_pbrSpecularGlossiness")]
    pub specular_glossiness: Option<SpecularGlossiness>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EmissiveStrength {
    pub emissive_strength: f32,
}

impl Default for EmissiveStrength {
    fn default() -> Self {
        EmissiveStrength {
            emissive_strength: 1.0,
        }
    }
}

/// The older way to describe a material, of which colour and glossiness are used.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SpecularGlossiness {
    pub diffuse_factor: [f32; 4],
    pub diffuse_texture: Option<Info>,
    pub glossiness_factor: f32,
}

impl Default for SpecularGlossiness {
    fn default() -> Self {
        SpecularGlossiness {
            diffuse_factor: [1.0; 4],
            diffuse_texture: None,
            glossiness_factor: 1.0,
        }
    }
}

/// A reference to a texture within an extension.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub index: u32,
    #[serde(default)]
    pub tex_coord: u32,
    #[serde(default)]
    pub extensions: InfoExtensions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TextureExtra {
    extensions: TextureExtensions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TextureExtensions {
    #[serde(rename = "EXT_texture_webp")]
    webp: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    source: u32,
}

/// Reads the JSON of a .gltf or .glb.
///
/// # Errors
/// If it is broken, takes too much memory, or requires an extension that is not read: the problem, and a remedy if
/// it is another than for broken files.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, (String, Option<&'static str>)> {
    let broken = |e: &dyn std::fmt::Display| (format!("cannot be read as glTF: {e}"), None);
    let (json, blob) = if bytes.starts_with(b"glTF") {
        let glb = gltf::Glb::from_slice(bytes).map_err(|e| broken(&e))?;
        (glb.json, glb.bin)
    } else {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        (text.into(), None)
    };
    // In memory, an object can take a hundred times as many bytes as in the file.
    let values = json.iter().map(|byte| match byte {
        b'{' => 9,
        b'[' | b',' => 1,
        _ => 0,
    });
    if values.sum::<usize>() > MOST_VALUES {
        let problem = format!("its JSON holds more than {MOST_VALUES} values");
        return Err((problem, None));
    }
    let extra: Extra = serde_json::from_slice(&json).map_err(|e| broken(&e))?;
    check_required(&extra.extensions_required)?;
    let mut root = json::Root::from_slice(&json).map_err(|e| broken(&e))?;
    mend(&mut root, &extra.textures);
    let document = gltf::Document::from_json(root).map_err(|e| broken(&e))?;
    let mut unused = extra.extensions_used;
    unused.retain(|name| !KNOWN.contains(&name.as_str()));
    Ok(Parsed {
        document,
        blob,
        materials: extra.materials,
        unused,
    })
}

/// Checks of a glTF's JSON alone that nothing is required that is not read.
///
/// # Errors
/// As [`parse`]; JSON that is broken passes.
pub(super) fn check_extensions(json: &[u8]) -> Result<(), (String, Option<&'static str>)> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Head {
        extensions_required: Vec<String>,
    }
    let head: Head = serde_json::from_slice(json).unwrap_or_default();
    check_required(&head.extensions_required)
}

/// Checks that nothing is required that is not read.
fn check_required(required: &[String]) -> Result<(), (String, Option<&'static str>)> {
    let unknown = required.iter().find(|name| !KNOWN.contains(&name.as_str()));
    let Some(name) = unknown else {
        return Ok(());
    };
    let (what, remedy) = match name.as_str() {
        "KHR_draco_mesh_compression" => ("is compressed by Draco", "export it without compression"),
        "EXT_meshopt_compression" | "KHR_meshopt_compression" => {
            ("is compressed by meshopt", "export it without compression")
        }
        "KHR_texture_basisu" => (
            "has textures as KTX2 alone",
            "export it with textures as PNG or JPEG",
        ),
        _ => (
            "requires an extension that is not read",
            "export it without this extension",
        ),
    };
    Err((format!("{what} (`{name}`)"), Some(remedy)))
}

/// Makes what exporters often write such that the crate accepts it.
fn mend(root: &mut json::Root, textures: &[TextureExtra]) {
    // Checked above.
    root.extensions_required.clear();
    for primitive in root.meshes.iter_mut().flat_map(|mesh| &mut mesh.primitives) {
        // Attributes of an exporter's own, such as `_BATCHID`.
        primitive
            .attributes
            .retain(|name, _| matches!(name, Checked::Valid(_)));
        let positions = &Checked::Valid(json::mesh::Semantic::Positions);
        let positions = primitive.attributes.get(positions);
        let accessor = positions.and_then(|index| root.accessors.get_mut(index.value()));
        // Nothing here reads the bounds.
        if let Some(accessor) = accessor {
            accessor.min = Some(serde_json::json!([0.0, 0.0, 0.0]));
            accessor.max = Some(serde_json::json!([0.0, 0.0, 0.0]));
        }
    }
    for (texture, extra) in root.textures.iter_mut().zip(textures) {
        let missing = texture.source.value() == u32::MAX as usize;
        if let Some(webp) = extra.extensions.webp.as_ref().filter(|_| missing) {
            texture.source = json::Index::new(webp.source);
        }
    }
}
