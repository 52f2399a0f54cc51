//! OBJ as programs write it, and what is said of broken lines.

use super::*;

fn parse(text: &str) -> Result<Geometry> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, text).unwrap();
    read(&path, 1.0, &|| Ok(()))
}

const SQUARE: &str = "v 0 0 0\nv 1 0 0\nv 1 0 1\nv 0 0 1\n";

#[test]
fn polygons_become_fans_whatever_their_indices() {
    for face in ["f 1 2 3 4", "f -4 -3 -2 -1", "f 1/9 2/9/ 3// 4 # a square"] {
        let geometry = parse(&format!("{SQUARE}{face}\n")).unwrap();
        assert_eq!(geometry.triangles.len(), 2, "{face}");
        let flat = geometry.corners.iter().flat_map(|c| c.normals);
        assert!(flat.into_iter().all(|n| n.dot(Vec3::NEG_Y) > 0.999));
    }
    let five = parse(&format!("{SQUARE}v -1 0 0.5\nf 1 2 3 4 5\n")).unwrap();
    assert_eq!(five.triangles.len(), 3);
}

#[test]
fn given_normals_and_materials_are_kept() {
    let text = format!("{SQUARE}vn 0 2 0\nf 1//1 2//1 3//-1\nusemtl pip\nf 1 3 4\n");
    let geometry = parse(&text).unwrap();
    assert_eq!(geometry.corners[0].normals, [Vec3::Y; 3]);
    let names: Vec<&str> = geometry.materials.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, [DEFAULT_MATERIAL, "pip"]);
    assert_eq!(geometry.corners[1].material, 1);
}

#[test]
fn a_polygon_of_many_corners_is_read_at_once() {
    let count = 200_000;
    let mut text = String::new();
    for i in 0..count {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / f64::from(count)).sin_cos();
        text += &format!("v {sin} 0 {cos}\n");
    }
    text += "f";
    (1..=count).for_each(|i| text += &format!(" {i}"));
    let geometry = parse(&text).unwrap();
    // Some of the thinnest have no area in 32 bits.
    assert!(geometry.triangles.len() > 100_000);
    let last = geometry.corners.last().unwrap();
    assert!(last.normals.iter().all(|n| n.dot(Vec3::Y).abs() > 0.999));
}

#[test]
fn more_triangles_than_are_read_are_refused() {
    let text = format!("{SQUARE}f 1 2{}", " 3".repeat(MOST_TRIANGLES + 1));
    let error = parse(&text).err().unwrap().to_string();
    for part in ["part.obj: ", "has 2000001 triangles", "at most 2000000"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn many_materials_are_found_again() {
    let mut text = SQUARE.to_owned();
    for i in 0..50_000 {
        text += &format!("usemtl {}\nf 1 2 3\n", i % 25_000);
    }
    let geometry = parse(&text).unwrap();
    assert_eq!(geometry.materials.len(), 25_000);
    assert_eq!(geometry.corners[49_999].material, 24_999);
}

#[test]
fn the_unit_scales() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, format!("{SQUARE}f 1 2 3\n")).unwrap();
    let geometry = read(&path, 0.001, &|| Ok(())).unwrap();
    assert_eq!(geometry.triangles[0].v1.x, 0.001);
}

#[test]
fn broken_lines_are_errors_that_name_file_and_line() {
    let cases = [
        ("f 1 2 5", "line 5", "names vertex 5, but only 4"),
        ("f 0 1 2", "line 5", "names vertex 0"),
        ("f -5 1 2", "line 5", "names vertex -5"),
        ("f 1//1 2 3", "line 5", "names normal 1, but only 0"),
        ("f 1 2", "line 5", "a face has 2 corners"),
        ("f 1 2 x", "line 5", "`x` is not the number of a vertex"),
        ("v 0 1", "line 5", "needs three numbers"),
        ("v 0 1 nan", "line 5", "`nan` is not a finite number"),
    ];
    for (line, place, problem) in cases {
        let error = parse(&format!("{SQUARE}{line}")).err().unwrap().to_string();
        for part in ["part.obj", place, problem, "help:"] {
            assert!(error.contains(part), "{line}: `{part}` not in {error}");
        }
    }
}

/// The geometry of an OBJ beside other files.
fn parse_beside(text: &str, files: &[(&str, &[u8])]) -> Geometry {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().join("part.obj");
    std::fs::write(&path, text).unwrap();
    let beside = super::files(&path);
    assert!(beside.iter().all(|file| file.is_file()), "{beside:?}");
    read(&path, 1.0, &|| Ok(())).unwrap()
}

#[test]
fn a_concave_polygon_leaves_its_gap_open() {
    let corners = [
        [0, 0],
        [3, 0],
        [3, 3],
        [2, 3],
        [2, 1],
        [1, 1],
        [1, 3],
        [0, 3],
    ];
    let vertices = corners.map(|[x, z]| format!("v {x} 0 {z}\n"));
    let geometry = parse(&format!("{}f 1 2 3 4 5 6 7 8\n", vertices.concat())).unwrap();
    let area = |t: &obvhs::triangle::Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length() / 2.0;
    let area: f32 = geometry.triangles.iter().map(area).sum();
    assert!((area - 7.0).abs() < 1e-5, "{area}");
}

#[test]
fn materials_come_from_all_libraries_by_their_whole_names() {
    let skin = super::super::texture::tests::png(2, 2, |_, _| [9, 90, 200, 255]);
    let text = format!(
        "mtllib two paints.mtl\nmtllib a.mtl b.mtl none.mtl\n{SQUARE}vt 0 0\nvt 1 0\nvt 1 1\n\
         usemtl shiny red\nf 1/1 2/2 3/3\nusemtl b\nf 1/1 3/3 4/-1\nusemtl c\nf 1 2 4\n"
    );
    let geometry = parse_beside(
        &text,
        &[
            ("two paints.mtl", b"newmtl shiny red\nKd 0.8 0 0\n"),
            ("a.mtl", b"newmtl a\nKd 0 1 0\n"),
            ("b.mtl", b"newmtl b\nmap_Kd skin.png\n"),
            ("skin.png", &skin),
        ],
    );
    let names: Vec<&str> = geometry.materials.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["shiny red", "b", "c"]);
    assert_eq!(geometry.materials[0].colour, Vec3A::new(0.8, 0.0, 0.0));
    assert!(geometry.materials[1].textures.colour.is_some());
    // v points up in an OBJ, and down in a picture.
    let at = geometry.coordinates[0].get(0).unwrap();
    assert_eq!(at[2], Vec2::new(1.0, 0.0));
    for part in ["`none.mtl` are missing", "`c` is in none"] {
        let found = geometry.unused.iter().any(|note| note.contains(part));
        assert!(found, "{part}: {:?}", geometry.unused);
    }
}

#[test]
fn vertex_colours_are_read_as_shares_or_bytes() {
    for text in [
        "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "v 0 0 0 255 0 0\nv 1 0 0 255 0 0\nv 0 1 0\nf 1 2 3\n",
    ] {
        let geometry = parse(text).unwrap();
        let [a, _, c] = geometry.colours.values()[0];
        assert_eq!((a, c), ([u16::MAX, 0, 0, u16::MAX], WHITE));
    }
    assert!(
        parse(&format!("{SQUARE}f 1 2 3\n"))
            .unwrap()
            .colours
            .values()
            .is_empty()
    );
}

#[test]
fn a_part_far_from_its_origin_keeps_its_shape() {
    let near = parse(&format!("{SQUARE}f 1 2 3 4\n")).unwrap();
    let far = "v 10000.0000 500 -7\nv 10000.0010 500 -7\nv 10000.0010 500 -6.999\n";
    let far = parse(&format!("{far}f 1 2 3\n")).unwrap();
    let edge = far.triangles[0].v1 - far.triangles[0].v0;
    assert!((edge.x - 0.001).abs() < 1e-8, "{edge}");
    assert_eq!(near.origin(), DVec3::ZERO);
    assert_eq!(far.origin(), DVec3::new(10_000.0, 500.0, -7.0));
}

#[test]
fn reading_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, format!("{SQUARE}f 1 2 3\n")).unwrap();
    let ended = read(&path, 1.0, &|| Err(Error::Interrupted));
    assert!(matches!(ended, Err(Error::Interrupted)));
}
