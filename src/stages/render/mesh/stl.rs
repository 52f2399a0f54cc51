//! Reads STL, binary or text: triangles without materials.
//!
//! The normals in the file are not used: many programs write none, or wrong ones. The unit, mostly
//! millimetres, stands nowhere in the file.

use std::path::Path;

use glam::Vec3A;
use obvhs::triangle::Triangle;

use super::crease;
use super::model::{Corners, Geometry, Material, check_count};
use super::obj::DEFAULT_MATERIAL;
use crate::sample::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// What to do about a broken file.
pub(super) const REMEDY: &str = "export the model again as STL";

/// Bytes of a binary file's head, with the number of triangles, and of a triangle.
const HEAD: usize = 84;
const TRIANGLE: usize = 50;

/// Reads an STL whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, cut off, or has a vertex that is not a finite number.
pub(super) fn read(path: &Path, unit: f32) -> Result<Geometry> {
    let bytes = input::read(path, MOST_BYTES)?;
    let vertices = match text(&bytes) {
        Some(text) => from_text(text),
        None => from_binary(&bytes),
    };
    let vertices = vertices.map_err(|problem| Error::failed(path.display(), problem, REMEDY))?;
    if vertices.iter().any(|v| !v.is_finite()) {
        let problem = "a vertex is not a finite number";
        return Err(Error::failed(path.display(), problem, REMEDY));
    }
    let triangle = |&[v0, v1, v2]: &[Vec3A; 3]| Triangle {
        v0: v0 * unit,
        v1: v1 * unit,
        v2: v2 * unit,
    };
    let area = |t: &Triangle| (t.v1 - t.v0).cross(t.v2 - t.v0).length_squared();
    let triangles = vertices.as_chunks::<3>().0.iter().map(triangle);
    let triangles: Vec<Triangle> = triangles.filter(|t| area(t) > 0.0).collect();
    let corners = |normals| Corners {
        normals,
        material: 0,
    };
    Ok(Geometry {
        materials: vec![Material {
            name: DEFAULT_MATERIAL.to_owned(),
            colour: Vec3A::splat(0.8),
        }],
        corners: crease::normals(&triangles)
            .into_iter()
            .map(corners)
            .collect(),
        triangles,
        ..Geometry::default()
    })
}

/// The file as text, if it is one; the heads of some binary files begin with `solid` too.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = text.trim_start().starts_with("solid") && !text.contains('\0');
    plain.then_some(text)
}

fn from_text(text: &str) -> Result<Vec<Vec3A>, String> {
    let mut vertices = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word != "vertex" {
            continue;
        }
        let mut number = || words.next().and_then(|word| word.parse::<f32>().ok());
        match (number(), number(), number()) {
            (Some(x), Some(y), Some(z)) => {
                check_count(vertices.len() / 3 + 1)?;
                vertices.push(Vec3A::new(x, y, z));
            }
            _ => return Err("a `vertex` is not followed by three numbers".into()),
        }
    }
    match vertices.len() % 3 {
        0 => Ok(vertices),
        _ => Err("its last triangle is cut off".into()),
    }
}

fn from_binary(bytes: &[u8]) -> Result<Vec<Vec3A>, String> {
    let Some((head, body)) = bytes.split_at_checked(HEAD) else {
        return Err(format!("has {} bytes, less than its head", bytes.len()));
    };
    let count = u32::from_le_bytes([head[80], head[81], head[82], head[83]]) as usize;
    let (triangles, _) = body.as_chunks::<TRIANGLE>();
    if triangles.len() < count {
        return Err(format!(
            "is cut off: it says {count} triangles and holds {}",
            triangles.len()
        ));
    }
    check_count(count)?;
    // The normal comes first, then the three vertices.
    let vertices = triangles[..count].iter().flat_map(|t| {
        let (floats, _) = t[12..48].as_chunks::<4>();
        let number = |i: usize| f32::from_le_bytes(floats[i]);
        [0, 3, 6].map(|i| Vec3A::new(number(i), number(i + 1), number(i + 2)))
    });
    Ok(vertices.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Geometry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.stl");
        std::fs::write(&path, bytes).unwrap();
        read(&path, 0.001)
    }

    const TEXT: &str = "solid part\nfacet normal 0 0 0\nouter loop\nvertex 0 0 0\n\
        vertex 0 0 20\nvertex 10 0 0\nendloop\nendfacet\nendsolid part\n";

    fn binary() -> Vec<u8> {
        let mut bytes = b"solid, though binary".to_vec();
        bytes.resize(80, 0);
        bytes.extend(1u32.to_le_bytes());
        let numbers = [
            0.0f32, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 10.0, 0.0, 0.0,
        ];
        bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn text_and_binary_give_the_same_triangle() {
        for bytes in [TEXT.as_bytes(), &binary()] {
            let geometry = parse(bytes).unwrap();
            assert_eq!(geometry.triangles.len(), 1);
            let corner = geometry.triangles[0].v2;
            assert!(corner.distance(Vec3A::new(0.01, 0.0, 0.0)) < 1e-6);
            assert!(geometry.corners[0].normals[0].dot(Vec3A::Y) > 0.999);
        }
    }

    #[test]
    fn broken_files_are_errors_that_name_them() {
        let mut endless = binary();
        endless[96..100].copy_from_slice(&f32::NAN.to_le_bytes());
        let cut = TEXT.find("20").unwrap();
        let cases: [(&[u8], &str); 5] = [
            (&binary()[..100], "is cut off"),
            (&binary()[..50], "less than its head"),
            (&endless, "not a finite number"),
            (&TEXT.as_bytes()[..cut], "not followed by three numbers"),
            (&TEXT.as_bytes()[..cut + 3], "last triangle is cut off"),
        ];
        for (bytes, problem) in cases {
            let error = parse(bytes).err().unwrap().to_string();
            for part in ["part.stl", problem, "help:"] {
                assert!(error.contains(part), "`{part}` not in {error}");
            }
        }
    }
}
