//! PLY in its three forms, and what is said of broken ones.

use super::super::texture::tests::png;
use super::*;
use crate::testing::mutations::assert_survived;

fn parse(bytes: &[u8]) -> Result<Geometry> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.ply");
    std::fs::write(&path, bytes).unwrap();
    std::fs::write(folder.path().join("skin.png"), png(2, 2, |_, _| [9; 4])).unwrap();
    read(&path, 0.001, &|| Ok(()))
}

const HEAD: &str = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n\
    property uchar red\nproperty uchar green\nproperty uchar blue\n\
    element face 1\nproperty list uchar int vertex_indices\nend_header\n";

/// A concave quadrilateral, red at its first corner.
const CORNERS: [[i16; 6]; 4] = [
    [0, 0, 0, 255, 0, 0],
    [4, 0, 4, 255, 255, 255],
    [0, 0, 1, 255, 255, 255],
    [-4, 0, 4, 255, 255, 255],
];

fn text() -> Vec<u8> {
    let mut text = format!("ply\nformat ascii 1.0\ncomment by hand\n{HEAD}");
    for corner in CORNERS {
        text += &corner.map(|c| c.to_string()).join(" ");
        text += "\r\n";
    }
    (text + "4 0 1 2 3").into_bytes()
}

fn binary(big: bool) -> Vec<u8> {
    let order = if big { "big" } else { "little" };
    let mut bytes = format!("ply\nformat binary_{order}_endian 1.0\n{HEAD}").into_bytes();
    let four = |bytes: &mut Vec<u8>, word: [u8; 4]| {
        let mut word = word;
        if big {
            word.reverse();
        }
        bytes.extend(word);
    };
    for corner in CORNERS {
        for c in &corner[..3] {
            four(&mut bytes, f32::from(*c).to_le_bytes());
        }
        bytes.extend(corner[3..].iter().map(|&c| c as u8));
    }
    bytes.push(4);
    for index in 0..4_i32 {
        four(&mut bytes, index.to_le_bytes());
    }
    bytes
}

#[test]
fn text_and_binary_give_the_same_concave_polygon() {
    for bytes in [text(), binary(false), binary(true)] {
        let geometry = parse(&bytes).unwrap();
        assert_eq!(geometry.triangles.len(), 2);
        let area = |t: &obvhs::triangle::Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length() / 2.0;
        let area: f32 = geometry.triangles.iter().map(area).sum();
        assert!((area * 1e6 - 4.0).abs() < 1e-3, "{area}");
        let colours = geometry.colours.values().as_flattened();
        let red = [u16::MAX, 0, 0, u16::MAX];
        assert!(colours.contains(&red) && colours.contains(&[u16::MAX; 4]));
        let normals = geometry.corners.iter().flat_map(|c| c.normals);
        assert!(normals.into_iter().all(|n| n.y.abs() > 0.999));
    }
}

#[test]
fn normals_textures_and_colours_of_faces_are_read() {
    let text = "ply\nformat ascii 1.0\ncomment TextureFile skin.png\nelement vertex 3\n\
        property double x\nproperty double y\nproperty double z\nproperty float nx\n\
        property float ny\nproperty float nz\nproperty float s\nproperty float t\n\
        element face 1\nproperty list uint8 uint32 vertex_index\nproperty uchar red\n\
        property uchar green\nproperty uchar blue\nelement edge 1\nproperty int vertex1\n\
        end_header\n0 0 0 0 2 0 0 0\n1 0 0 0 2 0 1 0\n0 0 1 0 2 0 0 1\n3 0 1 2 0 255 0\n7\n";
    let geometry = parse(text.as_bytes()).unwrap();
    assert_eq!(geometry.corners[0].normals, [Vec3::Y; 3]);
    assert!(geometry.materials[0].textures.colour.is_some());
    assert_eq!(geometry.coordinates[0].values()[0][2], Vec2::ZERO);
    assert_eq!(geometry.colours.values()[0][0], [0, u16::MAX, 0, u16::MAX]);
    assert!(
        geometry.unused[0].contains("edges"),
        "{:?}",
        geometry.unused
    );
    let missing = parse(text.replace("skin.png", "none.png").as_bytes()).unwrap();
    assert!(missing.unused[0].contains("`none.png` is missing"));
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let plain = String::from_utf8(text()).unwrap();
    for (bytes, problem) in [
        (
            plain.replace("4 0 1 2 3", "4 0 1 2 9").into_bytes(),
            "names vertex 9, but there are 4",
        ),
        (
            plain.replace("4 0 1 2 3", "4 0 1 2").into_bytes(),
            "is cut off",
        ),
        (plain.replace("4 0 1 2 3", "").into_bytes(), "is cut off"),
        (
            plain
                .replace("element face 1", "element face 0")
                .replace("4 0 1 2 3", "")
                .into_bytes(),
            "cloud of points",
        ),
        (
            plain.replace("vertex 4", "vertex 4000000000").into_bytes(),
            "is cut off",
        ),
        (
            plain.replace("float x", "half x").into_bytes(),
            "numbers `half`",
        ),
        (
            plain.replace("end_header", "end").into_bytes(),
            "broken line `end`",
        ),
        (
            plain.replace("float x", "float a").into_bytes(),
            "has no x, y and z",
        ),
        (binary(true)[..250].to_vec(), "part.ply"),
    ] {
        let error = parse(&bytes).err().unwrap().to_string();
        for part in ["part.ply", problem, "help:"] {
            assert!(error.contains(part), "`{part}` not in {error}");
        }
    }
}

#[test]
fn mutated_files_are_read_or_refused() {
    assert_survived("text.ply", &text(), |_| (), parse);
    assert_survived("little.ply", &binary(false), |_| (), parse);
    assert_survived("big.ply", &binary(true), |_| (), parse);
}

#[test]
fn strips_of_triangles_run_all_the_same_way_round() {
    let head = "ply\nformat ascii 1.0\nelement vertex 6\nproperty float x\nproperty float y\nproperty float z\n\
        element tristrips 1\nproperty list int int vertex_indices\nend_header\n";
    let corners = "0 0 0\n0 0 1\n1 0 0\n1 0 1\n2 0 0\n2 0 1\n";
    let geometry = parse(format!("{head}{corners}9 0 1 2 3 -1 2 3 4 5\n").as_bytes()).unwrap();
    assert_eq!(geometry.triangles.len(), 4);
    for triangle in &geometry.triangles {
        let normal = (triangle.v1 - triangle.v0).cross(triangle.v2 - triangle.v0);
        assert!(normal.y > 0.0, "{normal}");
    }
    assert_eq!(geometry.unused, Vec::<String>::new());
    let error = parse(format!("{head}{corners}3 0 1 6\n").as_bytes());
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("tristrips 0: names vertex 6, but there are 6"),
        "{error}"
    );
}
