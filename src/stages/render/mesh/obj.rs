//! Reads Wavefront OBJ: vertices, normals, polygons and the names of their materials.
//!
//! Of a material only the name is read (`usemtl`), to be painted by a look; the colours in a .mtl
//! are not. Texture coordinates, lines, curves, groups and smoothing groups are skipped.

use std::collections::HashMap;
use std::path::Path;

use glam::Vec3A;
use obvhs::triangle::Triangle;

use super::crease;
use super::model::{Corners, Geometry, MOST_TRIANGLES, Material, check_count};
use crate::sample::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// What to do about a broken file.
pub(super) const REMEDY: &str = "export the model again as OBJ with its faces";

/// The name of the material of faces that have none.
pub(super) const DEFAULT_MATERIAL: &str = "default";

/// Reads an OBJ whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, or a line is broken or names what does not exist.
pub(super) fn read(path: &Path, unit: f32) -> Result<Geometry> {
    let bytes = input::read(path, MOST_BYTES)?;
    let lines = || bytes.split(|&byte| byte == b'\n');
    check_size(lines()).map_err(|problem| Error::failed(path.display(), problem, REMEDY))?;
    let mut reader = Reader {
        unit,
        ..Reader::default()
    };
    for (number, line) in lines().enumerate() {
        let line = String::from_utf8_lossy(line);
        reader.line(&line).map_err(|problem| {
            let place = format!("{} line {}", path.display(), number + 1);
            Error::failed(place, problem, REMEDY)
        })?;
    }
    Ok(reader.finish())
}

/// Checks how many vertices and triangles there will be, before there is memory for them.
fn check_size<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
    let (mut vectors, mut triangles) = (0, 0);
    for line in lines {
        let line = line.trim_ascii();
        let mut words = line.split(u8::is_ascii_whitespace);
        match words.next() {
            Some(b"v" | b"vn") => vectors += 1,
            Some(b"f") => triangles += words.filter(|w| !w.is_empty()).count().saturating_sub(2),
            _ => {}
        }
    }
    check_count(triangles)?;
    // Three corners, each with a position and a normal.
    let most = 6 * MOST_TRIANGLES;
    if vectors > most {
        return Err(format!(
            "has {vectors} vertices and normals; at most {most} are read"
        ));
    }
    Ok(())
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    unit: f32,
    positions: Vec<Vec3A>,
    normals: Vec<Vec3A>,
    geometry: Geometry,
    material: String,
    /// Numbers of the materials, by name.
    materials: HashMap<String, usize>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => {
                let position = vector(words)? * self.unit;
                self.positions.push(position);
            }
            Some("vn") => self.normals.push(vector(words)?),
            Some("f") => {
                let corners: Vec<_> = words
                    .map(|word| self.corner(word))
                    .collect::<Result<_, _>>()?;
                self.polygon(&corners)?;
            }
            Some("usemtl") => {
                let name = words.next().unwrap_or_default();
                name.clone_into(&mut self.material);
            }
            _ => {}
        }
        Ok(())
    }

    /// A corner of a polygon, `position`, `position/texture`, `position//normal` or all three.
    fn corner(&self, word: &str) -> Result<(Vec3A, Option<Vec3A>), String> {
        let mut indices = word.split('/');
        let position = indices.next().unwrap_or_default();
        let position = lookup(&self.positions, position, "vertex")?;
        let normal = match indices.nth(1) {
            Some(text) if !text.is_empty() => Some(lookup(&self.normals, text, "normal")?),
            _ => None,
        };
        Ok((position, normal))
    }

    /// Adds a polygon as a fan of triangles; those without area are left out.
    fn polygon(&mut self, corners: &[(Vec3A, Option<Vec3A>)]) -> Result<(), String> {
        if corners.len() < 3 {
            return Err(format!("a face has {} corners", corners.len()));
        }
        let name = match self.material.as_str() {
            "" => DEFAULT_MATERIAL,
            name => name,
        };
        let material = self.materials.get(name).copied().unwrap_or_else(|| {
            let materials = &mut self.geometry.materials;
            self.materials.insert(name.to_owned(), materials.len());
            materials.push(Material {
                name: name.to_owned(),
                colour: Vec3A::splat(0.8),
            });
            materials.len() - 1
        });
        for pair in corners[1..].windows(2) {
            let fan = [corners[0], pair[0], pair[1]];
            let [v0, v1, v2] = fan.map(|corner| corner.0);
            if (v1 - v0).cross(v2 - v0).length_squared() <= 0.0 {
                continue;
            }
            self.geometry.triangles.push(Triangle { v0, v1, v2 });
            self.geometry.corners.push(Corners {
                // NaN where the file gives none.
                normals: fan.map(|corner| corner.1.unwrap_or(Vec3A::NAN)),
                material,
            });
        }
        Ok(())
    }

    fn finish(self) -> Geometry {
        let mut geometry = self.geometry;
        let own = crease::normals(&geometry.triangles);
        for (corners, own) in geometry.corners.iter_mut().zip(own) {
            for (normal, own) in corners.normals.iter_mut().zip(own) {
                *normal = normal.try_normalize().unwrap_or(own);
            }
        }
        geometry
    }
}

/// The first three numbers.
fn vector<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec3A, String> {
    let mut numbers = [0.0; 3];
    let mut found = 0;
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = match word.parse::<f32>() {
            Ok(value) if value.is_finite() => value,
            _ => return Err(format!("`{word}` is not a finite number")),
        };
        found += 1;
    }
    match found {
        3 => Ok(Vec3A::from_array(numbers)),
        _ => Err("needs three numbers; is the file cut off?".into()),
    }
}

/// The element of an index: from 1, or from the end where negative.
fn lookup(list: &[Vec3A], text: &str, what: &str) -> Result<Vec3A, String> {
    let index: i64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not the number of a {what}"))?;
    let place = match index {
        1.. => usize::try_from(index - 1).ok(),
        _ => usize::try_from(list.len() as i64 + index)
            .ok()
            .filter(|_| index < 0),
    };
    let found = place.and_then(|place| list.get(place).copied());
    found.ok_or_else(|| {
        format!(
            "names {what} {index}, but only {} came before it",
            list.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Geometry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.obj");
        std::fs::write(&path, text).unwrap();
        read(&path, 1.0)
    }

    const SQUARE: &str = "v 0 0 0\nv 1 0 0\nv 1 0 1\nv 0 0 1\n";

    #[test]
    fn polygons_become_fans_whatever_their_indices() {
        for face in ["f 1 2 3 4", "f -4 -3 -2 -1", "f 1/9 2/9/ 3// 4"] {
            let geometry = parse(&format!("{SQUARE}{face}\n")).unwrap();
            assert_eq!(geometry.triangles.len(), 2, "{face}");
            let flat = geometry.corners.iter().flat_map(|c| c.normals);
            assert!(flat.into_iter().all(|n| n.dot(Vec3A::NEG_Y) > 0.999));
        }
        let five = parse(&format!("{SQUARE}v -1 0 0.5\nf 1 2 3 4 5\n")).unwrap();
        assert_eq!(five.triangles.len(), 3);
    }

    #[test]
    fn given_normals_and_materials_are_kept() {
        let text = format!("{SQUARE}vn 0 2 0\nf 1//1 2//1 3//-1\nusemtl pip\nf 1 3 4\n");
        let geometry = parse(&text).unwrap();
        assert_eq!(geometry.corners[0].normals, [Vec3A::Y; 3]);
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
        assert!(last.normals.iter().all(|n| n.dot(Vec3A::Y).abs() > 0.999));
    }

    #[test]
    fn more_triangles_than_are_read_are_refused() {
        let text = format!("{SQUARE}f 1 2{}", " 3".repeat(MOST_TRIANGLES + 1));
        let error = parse(&text).err().unwrap().to_string();
        for part in ["part.obj: ", "has 10000001 triangles", "at most 10000000"] {
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
        let geometry = read(&path, 0.001).unwrap();
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
}
