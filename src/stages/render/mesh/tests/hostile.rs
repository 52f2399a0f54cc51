//! Models made to break what reads them: an error that names the file, in little time and memory.

use base64::Engine;
use serde_json::{Value, json};

use super::super::*;

/// A tetrahedron in a glTF that holds its buffer: 4 positions, 4 normals, 12 indices.
pub(super) fn tetrahedron() -> Value {
    let corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
    let floats = corners.iter().chain(&corners).flatten();
    let mut bytes: Vec<u8> = floats.flat_map(|&v| (v as f32).to_le_bytes()).collect();
    for index in [0_u16, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3] {
        bytes.extend(index.to_le_bytes());
    }
    let data = base64::engine::general_purpose::STANDARD.encode(&bytes);
    json!({
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0}, {"name": "face.top", "children": [2]}, {"name": "keypoint.top.0"}],
        "meshes": [{"primitives": [
            {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}
        ]}],
        "materials": [{"name": "body"}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3",
             "min": [0, 0, 0], "max": [1, 1, 1]},
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": 12, "type": "SCALAR"}
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 48},
            {"buffer": 0, "byteOffset": 96, "byteLength": 24}
        ],
        "buffers": [{
            "byteLength": 120,
            "uri": format!("data:application/octet-stream;base64,{data}")
        }]
    })
}

/// The same as a .glb.
pub(super) fn glb(document: &Value) -> Vec<u8> {
    let mut document = document.clone();
    let uri = document["buffers"][0]["uri"].take();
    document["buffers"][0]
        .as_object_mut()
        .unwrap()
        .remove("uri");
    let data = uri.as_str().unwrap().rsplit(',').next().unwrap();
    let blob = base64::engine::general_purpose::STANDARD
        .decode(data)
        .unwrap();
    let mut json = document.to_string().into_bytes();
    json.resize(json.len().next_multiple_of(4), b' ');
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        [&(data.len() as u32).to_le_bytes(), &kind[..], data].concat()
    };
    let chunks = [chunk(b"JSON", &json), chunk(b"BIN\0", &blob)].concat();
    let length = 12 + chunks.len() as u32;
    [
        b"glTF",
        &2_u32.to_le_bytes(),
        &length.to_le_bytes(),
        &chunks[..],
    ]
    .concat()
}

/// What reading a file of these contents says.
fn problem(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    // Looked at before anything runs.
    assert_eq!(formats::files(&path)[0], path);
    Model::read(&Source::plain(&path), 1.0, &|| Ok(()))
        .map_or_else(|e| e.to_string(), |_| "read".to_owned())
}

fn assert_refused(document: &Value, wanted: &str) {
    let problem = problem("part.gltf", document.to_string().as_bytes());
    for part in ["part.gltf: ", wanted, "help:"] {
        assert!(problem.contains(part), "`{part}` not in {problem}");
    }
}

/// The tetrahedron with one value of its JSON replaced.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = tetrahedron();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

#[test]
fn the_tetrahedron_is_sound() {
    let document = tetrahedron();
    assert_eq!(
        problem("part.gltf", document.to_string().as_bytes()),
        "read"
    );
    assert_eq!(problem("part.glb", &glb(&document)), "read");
}

#[test]
fn lengths_that_the_file_does_not_have_are_refused() {
    let mut bytes = glb(&tetrahedron());
    for length in [0, 7, 4_000_000_000_u32] {
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let problem = problem("part.glb", &bytes);
        assert!(
            problem.contains("part.glb: ") && problem.contains("help:"),
            "{problem}"
        );
    }
    for (pointer, value, wanted) in [
        (
            "/accessors/0/count",
            json!(4_000_000_000_u32),
            "4000000000 elements; at most",
        ),
        ("/accessors/0/count", json!(5), "beyond the end"),
        ("/accessors/0/count", json!(0), "is empty"),
        ("/accessors/0/byteOffset", json!(u64::MAX), "part.gltf"),
        (
            "/bufferViews/0/byteLength",
            json!(4_000_000_000_u32),
            "beyond the end",
        ),
        ("/bufferViews/0/byteOffset", json!(u64::MAX), "part.gltf"),
        (
            "/bufferViews/0/byteStride",
            json!(11),
            "12 bytes, 11 bytes apart",
        ),
        (
            "/bufferViews/0/byteStride",
            json!(4),
            "12 bytes, 4 bytes apart",
        ),
        (
            "/buffers/0/byteLength",
            json!(4_000_000_000_u32),
            "is cut off",
        ),
        (
            "/accessors/0/componentType",
            json!(5125),
            "not 3 floats or short integers",
        ),
        ("/accessors/2/componentType", json!(5122), "whole numbers"),
        (
            "/meshes/0/primitives/0/attributes/POSITION",
            json!(9),
            "part.gltf",
        ),
        (
            "/nodes/0/scale",
            json!([1e30, 1e30, 1e30]),
            "metres from the origin",
        ),
        (
            "/nodes/2/translation",
            json!([1e30, 0, 0]),
            "metres from the origin",
        ),
    ] {
        assert_refused(&changed(pointer, value), wanted);
    }
}

#[test]
fn sparse_accessors_are_measured_too() {
    let sparse = |count: u64, indices: u64, kind: u64| {
        let mut document = tetrahedron();
        document["accessors"][0] = json!({
            "componentType": 5126, "count": count, "type": "VEC3",
            "min": [0, 0, 0], "max": [1, 1, 1],
            "sparse": {
                "count": indices,
                "indices": {"bufferView": 2, "componentType": kind},
                "values": {"bufferView": 0}
            }
        });
        document
    };
    assert_refused(&sparse(4_000_000_000, 1, 5123), "4000000000 elements");
    assert_refused(&sparse(4, 4_000_000_000, 5123), "beyond the end");
    assert_refused(&sparse(4, 5, 5123), "beyond the end");
    let document = sparse(4, 3, 5123).to_string();
    assert_eq!(problem("part.gltf", document.as_bytes()), "read");
}

#[test]
fn nodes_within_themselves_or_twice_are_refused() {
    let scene = |nodes: Value| changed("/nodes", nodes);
    assert_refused(
        &scene(json!([{"children": [0]}, {}])),
        "node 0 has more than one parent",
    );
    let pairs = (1..=40).map(|i| json!({"children": [i, i]}));
    let pairs: Vec<Value> = pairs.chain([json!({})]).collect();
    assert_refused(&scene(pairs.into()), "node 1 has more than one parent");
    assert_refused(
        &changed("/scenes/0/nodes", json!([0, 0])),
        "node 0 has more",
    );
}

#[test]
fn nodes_may_be_nested_as_deep_as_they_like() {
    let mut nodes: Vec<Value> = (2..40_000).map(|i| json!({"children": [i]})).collect();
    nodes.insert(0, json!({}));
    nodes.push(json!({"mesh": 0}));
    let document = changed("/nodes", nodes.into()).to_string();
    assert_eq!(problem("part.gltf", document.as_bytes()), "read");
}

#[test]
fn meshes_that_are_shown_too_often_are_counted_before_they_are_read() {
    let mut document = changed("/accessors/2/count", json!(12));
    let nodes: Vec<Value> = (0..100_000).map(|_| json!({"mesh": 0})).collect();
    document["scenes"][0]["nodes"] = (0..nodes.len()).collect();
    document["nodes"] = nodes.into();
    let primitive = document["meshes"][0]["primitives"][0].clone();
    document["meshes"][0]["primitives"] = vec![primitive; 50].into();
    assert_refused(&document, "has 20000000 triangles; at most 2000000");
}

#[test]
fn json_that_takes_far_more_memory_than_disk_is_refused() {
    let text = format!("{{\"nodes\":[{}{{}}]}}", "{},".repeat(1_000_000));
    let problem = problem("part.gltf", text.as_bytes());
    assert!(problem.contains("more than 4000000 values"), "{problem}");
    let document = changed("/materials", vec![json!({}); 5000].into());
    assert_refused(&document, "has 5001 materials; at most 4096");
}

#[test]
fn buffers_lie_below_the_model_and_are_files() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), [0; 200]).unwrap();
    let outside = outside.path().display().to_string();
    let encoded = outside.replace('/', "%2F");
    for uri in [
        "../part.bin",
        "%2e%2e/part.bin",
        "/dev/zero",
        &outside,
        &encoded,
    ] {
        assert_refused(&changed("/buffers/0/uri", json!(uri)), "outside its folder");
    }
    assert_refused(
        &changed("/buffers/0/uri", json!("file:///dev/zero")),
        "cannot be read",
    );
    assert_refused(
        &changed("/buffers/0/uri", json!("data:;base64,?")),
        "not base64",
    );
    assert_refused(&changed("/buffers/0/uri", json!("")), "is a folder");
}

#[cfg(unix)]
#[test]
fn devices_are_not_opened_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let link = |name: &str| {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        path
    };
    for name in ["a.gltf", "a.glb", "a.obj", "a.stl", "a.ply"] {
        let path = link(name);
        assert_eq!(formats::files(&path), [path.as_path()]);
        let error = Model::read(&Source::plain(&path), 1.0, &|| Ok(()))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(name) && error.contains("pipe or device"),
            "{error}"
        );
    }
    link("part.bin");
    let path = folder.path().join("part.gltf");
    let document = changed("/buffers/0/uri", json!("part.bin"));
    std::fs::write(&path, document.to_string()).unwrap();
    let error = Model::read(&Source::plain(&path), 1.0, &|| Ok(()))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("part.bin: is a pipe or device"), "{error}");
}

#[test]
fn an_stl_of_too_many_bytes_or_too_few_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.stl");
    let file = std::fs::File::create(&path).unwrap();
    // 300 MB that take no space on the disk.
    file.set_len(84 + 50 * 6_000_000).unwrap();
    let error = Model::read(&Source::plain(&path), 1.0, &|| Ok(()))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("part.stl: has more than 256 MiB"), "{error}");
    let mut bytes = vec![0; 84];
    bytes[80..].fill(0xff);
    assert!(problem("part.stl", &bytes).contains("cut off"));
}

#[test]
fn numbers_that_overflow_or_vanish_are_refused() {
    for text in [
        "v 1e30 0 0\nv 0 1e30 0\nv 0 0 1e30\nf 1 2 3\n",
        "v 1e-30 0 0\nv 0 1 0\nv 0 0 0\nf 1 2 3",
    ] {
        let problem = problem("part.obj", text.as_bytes());
        assert!(problem.contains("part.obj: "), "{problem}");
    }
}
