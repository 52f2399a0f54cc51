//! Random faults in models and panoramas: what is left of them is drawn, or refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use serde_json::json;

use super::super::super::photos::Photos;
use super::super::texture::tests::png;
use super::super::*;
use super::hostile::{glb, tetrahedron};
use crate::sample::Sample;
use crate::sample::image::decode;
use crate::seed::Seed;
use crate::stage::{DeviceChoice, Share};
use crate::testing::mutations::assert_survived;

/// Reads `bytes` as a model and draws it.
fn draw(name: &str, bytes: &[u8], environment: &Arc<Environment>) -> Result<Sample> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mesh = Mesh {
        models: vec![path.clone().into()],
        lie: Lie {
            pose: Pose::Stable,
            ..Lie::default()
        },
        ..super::dice()
    };
    let context = Context {
        id: "render",
        seed: Seed::new(7, "render"),
        inputs: BTreeMap::new(),
        share: Share::All,
        out: folder.path(),
        resume: None,
        part_size: 8,
        device: DeviceChoice::Cpu,
        events: &|_| (),
        interrupted: &AtomicBool::new(false),
    };
    let studio = Studio {
        cast: Cast::of(vec![mesh.read_model(&Source::plain(&path), &|| Ok(()))?]),
        props: Props::default(),
        environments: vec![Arc::clone(environment)],
        photos: Photos::default(),
        floors: Vec::new(),
        clips: Clips::default(),
    };
    mesh.sample(
        &context,
        &studio,
        0,
        super::wanted(1, crate::sample::Extent::square(8)),
    )
}

/// The tetrahedron with a picture, whose coordinates are its positions, as a strip of see-through faces.
fn textured(document: &serde_json::Value) -> serde_json::Value {
    let skin = png(4, 4, |x, y| [60 * x as u8, 60 * y as u8, 9, 80 * x as u8]);
    let skin = base64::engine::general_purpose::STANDARD.encode(skin);
    let mut document = document.clone();
    document["images"] = json!([{"uri": format!("data:image/png;base64,{skin}")}]);
    document["textures"] = json!([{"source": 0}]);
    let mut places = document["accessors"][0].clone();
    places["type"] = json!("VEC2");
    document["accessors"].as_array_mut().unwrap().push(places);
    document["bufferViews"][0]["byteStride"] = json!(12);
    let primitive = &mut document["meshes"][0]["primitives"][0];
    primitive["mode"] = json!(5);
    primitive["attributes"]["TEXCOORD_0"] = json!(3);
    primitive["attributes"]["COLOR_0"] = json!(0);
    let transform = json!({"KHR_texture_transform": {"scale": [2, 3], "offset": [1, 0.5]}});
    document["materials"][0] = json!({
        "name": "skin", "alphaMode": "BLEND", "normalTexture": {"index": 0},
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "extensions": transform}}
    });
    document
}

#[test]
fn mutated_models_are_drawn_or_refused() {
    let sky = Path::new("renders/hdri");
    let sky = environment::find(&[sky.to_path_buf()]).unwrap().remove(0);
    let sky = Arc::new(Environment::read(&sky).unwrap());
    let document = tetrahedron();
    let obj = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvn 0 1 0\nusemtl body\nf 1//1 3//1 2//1\n\
               f 1 2 4\nusemtl edge\nf -4 -1 -2\nf 2 3 4\n";
    let facets = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
    let corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
    let text = facets.map(|facet| {
        let vertices = facet.map(|i: usize| {
            let [x, y, z] = corners[i];
            format!("vertex {x} {y} {z}\n")
        });
        format!(
            "facet normal 0 0 0\nouter loop\n{}endloop\nendfacet\n",
            vertices.concat()
        )
    });
    let text = format!("solid part\n{}endsolid part\n", text.concat());
    let mut binary = vec![0; 80];
    binary.extend(4_u32.to_le_bytes());
    for facet in facets {
        binary.extend([0; 12]);
        let numbers = facet.iter().flat_map(|&i| corners[i]);
        binary.extend(numbers.flat_map(|v| (v as f32).to_le_bytes()));
        binary.extend([0; 2]);
    }
    let textured = textured(&document);
    let coloured =
        obj.replace("v 0 0 0\n", "v 0 0 0 1 0 0 # red\n") + "vt 0 1\nf 1/1 2/1 \\\n3/1 4/1\n";
    for (name, sound) in [
        ("textured.gltf", textured.to_string().as_bytes()),
        ("coloured.obj", coloured.as_bytes()),
        ("part.gltf", document.to_string().as_bytes()),
        ("part.glb", &glb(&document)),
        ("part.obj", obj.as_bytes()),
        ("text.stl", text.as_bytes()),
        ("binary.stl", &binary),
    ] {
        assert_survived(name, sound, |_| (), |bytes| draw(name, bytes, &sky));
    }
}

#[test]
fn mutated_panoramas_are_read_or_refused() {
    let pixels = image::Rgb32FImage::from_fn(16, 8, |x, y| image::Rgb([x as f32, y as f32, 1.0]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    let format = image::ImageFormat::OpenExr;
    image::DynamicImage::from(pixels)
        .write_to(&mut bytes, format)
        .unwrap();
    // The panorama's own preparation takes long and does not depend on the file.
    let read = |bytes: &[u8]| decode(bytes, Some(format), "sky.exr", "replace it");
    assert_survived("sky.exr", bytes.get_ref(), |_| (), read);
}
