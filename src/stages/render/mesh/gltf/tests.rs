//! glTF as programs write it: strips, quantised numbers, textures, and what is said of what is not read.

use serde_json::{Value, json};

use super::super::material::Alpha;
use super::super::texture::tests::png;
use super::*;
use glam::{Vec3, Vec3A};
use obvhs::triangle::Triangle;

/// A glTF of one primitive whose accessors hold these bytes.
struct Sketch {
    bytes: Vec<u8>,
    document: Value,
}

impl Sketch {
    fn new() -> Self {
        let document = json!({
            "asset": {"version": "2.0"},
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {}}]}],
            "accessors": [],
            "bufferViews": [],
            "materials": [],
        });
        Sketch {
            bytes: Vec::new(),
            document,
        }
    }

    /// Four corners of a square in the plane y = 0 of side 1, as a strip names them.
    fn square() -> Self {
        let corners = [[0, 0], [0, 1], [1, 0], [1, 1]];
        let floats = corners
            .iter()
            .flat_map(|[x, z]| [*x as f32, 0.0, *z as f32]);
        let bytes: Vec<u8> = floats.flat_map(f32::to_le_bytes).collect();
        let mut sketch = Sketch::new();
        sketch.attribute("POSITION", 5126, "VEC3", false, &bytes, 4);
        sketch.primitive()["mode"] = json!(5);
        sketch
    }

    fn primitive(&mut self) -> &mut Value {
        &mut self.document["meshes"][0]["primitives"][0]
    }

    fn push(&mut self, key: &str, value: Value) -> usize {
        let list = self.document[key].as_array_mut().unwrap();
        list.push(value);
        list.len() - 1
    }

    fn view(&mut self, bytes: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let view = json!({
            "buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len()
        });
        self.bytes.extend(bytes);
        self.push("bufferViews", view)
    }

    fn accessor(
        &mut self,
        kind: u32,
        shape: &str,
        normalised: bool,
        bytes: &[u8],
        count: usize,
    ) -> usize {
        let view = self.view(bytes);
        self.push(
            "accessors",
            json!({
                "bufferView": view, "componentType": kind, "type": shape, "count": count,
                "normalized": normalised
            }),
        )
    }

    fn attribute(
        &mut self,
        name: &str,
        kind: u32,
        shape: &str,
        normalised: bool,
        bytes: &[u8],
        count: usize,
    ) {
        let accessor = self.accessor(kind, shape, normalised, bytes, count);
        self.primitive()["attributes"][name] = json!(accessor);
    }

    fn material(&mut self, material: Value) {
        let number = self.push("materials", material);
        self.primitive()["material"] = json!(number);
    }

    /// What is read of it, with `files` beside it and its buffer under the name `buffer`.
    fn read_beside(&mut self, buffer: &str, files: &[(&str, &[u8])]) -> Result<Geometry> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        self.document["buffers"] = json!([{"byteLength": self.bytes.len(), "uri": buffer}]);
        let path = folder.path().join("part.gltf");
        std::fs::write(&path, self.document.to_string()).unwrap();
        read(&path, &|| Ok(()))
    }

    fn read(&mut self) -> Result<Geometry> {
        let bytes = self.bytes.clone();
        self.read_beside("part.bin", &[("part.bin", &bytes)])
    }
}

fn area(geometry: &Geometry) -> f32 {
    let area = |t: &Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length() / 2.0;
    geometry.triangles.iter().map(area).sum()
}

#[test]
fn strips_and_fans_are_all_turned_the_same_way() {
    let strip = Sketch::square().read().unwrap();
    let mut fan = Sketch::square();
    fan.primitive()["mode"] = json!(6);
    let around = fan.accessor(5121, "SCALAR", false, &[0, 1, 3, 2], 4);
    fan.primitive()["indices"] = json!(around);
    for geometry in [strip, fan.read().unwrap()] {
        assert_eq!((geometry.triangles.len(), area(&geometry)), (2, 1.0));
        let up = geometry.triangles.iter().map(Triangle::compute_normal);
        assert!(up.into_iter().all(|n| n.y > 0.999));
    }
    let mut lines = Sketch::square();
    lines.primitive()["mode"] = json!(1);
    let lines = lines.read().unwrap();
    assert!(lines.triangles.is_empty() && lines.unused[0].contains("points and lines"));
}

#[test]
fn a_mirrored_node_keeps_its_outside_outside() {
    let mut sketch = Sketch::square();
    sketch.document["nodes"][0]["scale"] = json!([-1, 1, 1]);
    let geometry = sketch.read().unwrap();
    let up = geometry.triangles.iter().map(Triangle::compute_normal);
    assert!(up.into_iter().all(|n| n.y > 0.999));
}

#[test]
fn quantised_numbers_are_read_as_their_type_says() {
    let corners = [[0, 0], [0, 1], [1, 0], [1, 1]];
    let shorts = |most: i16| {
        let numbers = corners
            .iter()
            .flat_map(move |[x, z]| [x * most, 0, z * most, 0]);
        numbers.flat_map(i16::to_le_bytes).collect::<Vec<u8>>()
    };
    for (normalised, most, scale) in [(true, i16::MAX, 1.0), (false, 100, 0.01)] {
        let mut sketch = Sketch::new();
        sketch.attribute("POSITION", 5122, "VEC3", normalised, &shorts(most), 4);
        sketch.document["bufferViews"][0]["byteStride"] = json!(8);
        sketch.document["nodes"][0]["scale"] = json!([scale, scale, scale]);
        sketch.document["extensionsRequired"] = json!(["KHR_mesh_quantization"]);
        sketch.primitive()["mode"] = json!(5);
        let bytes: Vec<u8> = corners.iter().flat_map(|_| [0, 127, 0, 0]).collect();
        sketch.attribute("NORMAL", 5120, "VEC3", true, &bytes, 4);
        sketch.document["bufferViews"][1]["byteStride"] = json!(4);
        let geometry = sketch.read().unwrap();
        assert!((area(&geometry) - 1.0).abs() < 1e-4);
        assert_eq!(geometry.corners[0].normals, [Vec3::Y; 3]);
    }
}

#[test]
fn vertex_colours_of_any_type_are_the_same() {
    let bytes = [255, 0, 0, 128].repeat(4);
    let shorts: Vec<u8> = bytes
        .iter()
        .flat_map(|&b: &u8| (u16::from(b) * 257).to_le_bytes())
        .collect();
    let floats: Vec<u8> = bytes
        .iter()
        .flat_map(|&b| (f32::from(b) / 255.0).to_le_bytes())
        .collect();
    for (kind, bytes) in [(5121, bytes), (5123, shorts), (5126, floats)] {
        let mut sketch = Sketch::square();
        sketch.attribute("COLOR_0", kind, "VEC4", kind != 5126, &bytes, 4);
        let geometry = sketch.read().unwrap();
        let [r, g, _, a] = geometry.colours.values()[1][2];
        assert_eq!((r, g), (u16::MAX, 0));
        assert!(a.abs_diff(32896) <= 1, "{a}");
    }
}

#[test]
fn textures_come_from_files_uris_and_views() {
    let skin = png(2, 2, |_, _| [0, 255, 0, 255]);
    let data = base64::engine::general_purpose::STANDARD.encode(&skin);
    for source in ["file", "data", "view"] {
        let mut sketch = Sketch::square();
        let places: Vec<u8> = [0.0_f32; 8].iter().flat_map(|f| f.to_le_bytes()).collect();
        sketch.attribute("TEXCOORD_1", 5126, "VEC2", false, &places, 4);
        let image = match source {
            "file" => json!({"uri": "my%20skin.png"}),
            "data" => json!({"uri": format!("data:image/png;base64,{data}")}),
            _ => json!({"bufferView": sketch.view(&skin), "mimeType": "image/png"}),
        };
        sketch.document["images"] = json!([image]);
        sketch.document["textures"] = json!([{"source": 0}]);
        let transform = json!({"KHR_texture_transform": {"scale": [2, 3], "texCoord": 1}});
        sketch.material(json!({
            "name": "skin", "alphaMode": "MASK", "alphaCutoff": 0.25,
            "emissiveFactor": [0, 0, 0.5],
            "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 4}},
            "normalTexture": {"index": 0, "scale": 0.5, "texCoord": 1},
            "occlusionTexture": {"index": 0, "strength": 0.25, "texCoord": 1},
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.5, 0.5, 0.5, 1], "metallicFactor": 0.25,
                "baseColorTexture": {"index": 0, "extensions": transform}
            }
        }));
        let bytes = sketch.bytes.clone();
        let files = [("part.bin", &bytes[..]), ("my skin.png", &skin)];
        let geometry = sketch.read_beside("part.bin", &files).unwrap();
        let material = &geometry.materials[0];
        let texture = material.textures.colour.as_ref().unwrap();
        assert_eq!(texture.place.matrix2.to_cols_array(), [2.0, 0.0, 0.0, 3.0]);
        assert_eq!((texture.set, material.alpha), (1, Alpha::Mask(0.25)));
        assert_eq!(material.mean(), Vec3A::new(0.0, 0.5, 0.0));
        assert_eq!((material.metallic, material.roughness), (0.25, Some(1.0)));
        assert_eq!(material.emission, Vec3A::new(0.0, 0.0, 2.0));
        assert_eq!(material.textures.normal.as_ref().unwrap().1, 0.5);
        assert_eq!(material.textures.occlusion.as_ref().unwrap().1, 0.25);
        assert_eq!(geometry.coordinates[1].values().len(), 2);
        assert!(geometry.coordinates[0].values().is_empty());
    }
}

#[test]
fn missing_textures_and_unused_things_are_noted() {
    let mut sketch = Sketch::square();
    sketch.document["images"] = json!([{"uri": "none.png"}]);
    sketch.document["textures"] = json!([{"source": 0}]);
    sketch.document["cameras"] = json!([
        {"type": "perspective", "perspective": {"yfov": 1, "znear": 1}}
    ]);
    sketch.document["extensionsUsed"] = json!(["KHR_materials_clearcoat", "KHR_texture_transform"]);
    sketch.primitive()["attributes"]["_BATCHID"] = json!(0);
    sketch.material(json!({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}));
    let geometry = sketch.read().unwrap();
    for part in [
        "`none.png` is missing",
        "1 cameras",
        "extensions KHR_materials_clearcoat;",
    ] {
        let found = geometry.unused.iter().any(|note| note.contains(part));
        assert!(found, "{part}: {:?}", geometry.unused);
    }
}

#[test]
fn compression_and_unknown_requirements_are_named_with_the_remedy() {
    for (name, problem, remedy) in [
        (
            "KHR_draco_mesh_compression",
            "compressed by Draco",
            "without compression",
        ),
        (
            "EXT_meshopt_compression",
            "compressed by meshopt",
            "without compression",
        ),
        ("KHR_texture_basisu", "KTX2", "PNG or JPEG"),
        (
            "ACME_shiny",
            "requires an extension",
            "without this extension",
        ),
    ] {
        let mut sketch = Sketch::square();
        sketch.document["extensionsRequired"] = json!([name]);
        let error = sketch.read().err().unwrap().to_string();
        for part in ["part.gltf", name, problem, remedy] {
            assert!(error.contains(part), "`{part}` not in {error}");
        }
    }
}

#[test]
fn buffers_are_found_by_the_standard_or_by_the_letter() {
    for (uri, name) in [
        ("my%20box.bin", "my box.bin"),
        ("my%20box.bin", "my%20box.bin"),
        ("box 10%.bin", "box 10%.bin"),
        ("geh%C3%A4use.bin", "gehäuse.bin"),
        (".\\box.bin", "box.bin"),
    ] {
        let mut sketch = Sketch::square();
        let bytes = sketch.bytes.clone();
        let geometry = sketch.read_beside(uri, &[(name, &bytes)]);
        assert!(geometry.is_ok(), "{uri}: {:?}", geometry.err());
    }
}

#[test]
fn older_and_unlit_materials_are_matt_and_coloured() {
    let mut sketch = Sketch::square();
    sketch.material(
        json!({"extensions": {"KHR_materials_pbrSpecularGlossiness": {
            "diffuseFactor": [1, 0, 0, 1], "glossinessFactor": 0.25
        }}}),
    );
    let geometry = sketch.read().unwrap();
    let older = &geometry.materials[0];
    assert_eq!(
        (older.colour, older.metallic, older.roughness),
        (Vec3A::X, 0.0, Some(0.75))
    );
    let mut sketch = Sketch::square();
    sketch.material(json!({"extensions": {"KHR_materials_unlit": {}}}));
    let geometry = sketch.read().unwrap();
    let unlit = &geometry.materials[0];
    assert_eq!(
        (unlit.metallic, unlit.roughness, unlit.gloss),
        (0.0, Some(1.0), 0.0)
    );
}
