//! Reads STL, binary or text: triangles without materials.
//!
//! The normals in the file are not used: many programs write none, or wrong ones. Nor are the colours that some
//! put into the two last bytes of a triangle, each in a way of its own. The unit, mostly millimetres, stands
//! nowhere in the file.

use std::borrow::Cow;
use std::path::Path;

use glam::{DVec3, Vec3};

use super::crease;
use super::geometry::{Geometry, MOST_BYTES, check_count};
use super::material::Material;
use super::model::GoOn;
use super::obj::DEFAULT_MATERIAL;
use crate::sample::input;
use crate::{Error, Result};

/// What to do about a broken file.
pub(super) const REMEDY: &str = "export the model again as STL";

/// Bytes of a binary file's head, with the number of triangles, and of a triangle.
const HEAD: usize = 84;
const TRIANGLE: usize = 50;

/// Reads an STL whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, cut off, has a vertex that is not a finite number, or `go_on` ends the work.
pub(super) fn read(path: &Path, unit: f32, go_on: GoOn) -> Result<Geometry> {
    let bytes = input::read(path, MOST_BYTES)?;
    go_on()?;
    let mut geometry = Geometry::default();
    geometry.materials.push(Material::named(DEFAULT_MATERIAL));
    let mut add = |vertices: [DVec3; 3]| {
        if vertices.iter().any(|v| !v.is_finite()) {
            return Err("a vertex is not a finite number".to_owned());
        }
        let vertices = vertices.map(|v| geometry.place(v * f64::from(unit)));
        geometry.add(vertices, [Vec3::NAN; 3], 0);
        Ok(())
    };
    let done = match text(&bytes) {
        Some(text) => from_text(&text, &mut add),
        None => from_binary(&bytes, &mut add),
    };
    done.map_err(|problem| Error::failed(path.display(), problem, REMEDY))?;
    drop(bytes);
    go_on()?;
    crease::complete(&mut geometry, go_on)?;
    Ok(geometry)
}

/// The file as text, if it is one; the heads of some binary files begin with `solid` too.
fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let plain = plain.trim_ascii_start();
    let begins = plain.get(..5)?.eq_ignore_ascii_case(b"solid");
    (begins && !plain.contains(&0)).then(|| String::from_utf8_lossy(plain))
}

/// What takes each triangle.
type Add<'a> = &'a mut dyn FnMut([DVec3; 3]) -> Result<(), String>;

fn from_text(text: &str, add: Add) -> Result<(), String> {
    let mut count = 0;
    let mut vertices = Vec::with_capacity(3);
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if !word.eq_ignore_ascii_case("vertex") {
            continue;
        }
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
        let (Some(x), Some(y), Some(z)) = (number(), number(), number()) else {
            return Err("a `vertex` is not followed by three numbers".into());
        };
        vertices.push(DVec3::new(x, y, z));
        if let [a, b, c] = vertices[..] {
            count += 1;
            check_count(count)?;
            add([a, b, c])?;
            vertices.clear();
        }
    }
    match vertices.is_empty() {
        true => Ok(()),
        false => Err("its last triangle is cut off".into()),
    }
}

fn from_binary(bytes: &[u8], add: Add) -> Result<(), String> {
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
    for triangle in &triangles[..count] {
        // The normal comes first, then the three vertices.
        let (floats, _) = triangle[12..48].as_chunks::<4>();
        let number = |i: usize| f64::from(f32::from_le_bytes(floats[i]));
        add([0, 3, 6].map(|i| DVec3::new(number(i), number(i + 1), number(i + 2))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Geometry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.stl");
        std::fs::write(&path, bytes).unwrap();
        read(&path, 0.001, &|| Ok(()))
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
        let mut coloured = binary();
        coloured[132..].fill(0xff);
        let latin = [b"solid caf\xe9\n", &TEXT.as_bytes()[11..]].concat();
        for bytes in [TEXT.as_bytes(), &latin, &binary(), &coloured] {
            let geometry = parse(bytes).unwrap();
            assert_eq!(geometry.triangles.len(), 1);
            let corner = geometry.triangles[0].v2;
            assert!(corner.distance(glam::vec3a(0.01, 0.0, 0.0)) < 1e-6);
            assert!(geometry.corners[0].normals[0].dot(Vec3::Y) > 0.999);
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
