//! Reads Wavefront OBJ: vertices, normals, polygons and the names of their materials.
//!
//! Of a material only the name is read (`usemtl`), to be painted by a look; the colours in a .mtl
//! are not. Texture coordinates, lines, curves, groups and smoothing groups are skipped.

use std::path::Path;

use glam::Vec3A;
use obvhs::triangle::Triangle;

use super::crease;
use super::model::{Corners, Geometry, Material};
use crate::{Error, Result};

/// What to do about a broken file.
pub const REMEDY: &str = "export the model again as OBJ with its faces";

/// The name of the material of faces that have none.
pub const DEFAULT_MATERIAL: &str = "default";

/// Reads an OBJ whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, or a line is broken or names what does not exist.
pub fn read(path: &Path, unit: f32) -> Result<Geometry> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader {
        unit,
        ..Reader::default()
    };
    for (number, line) in text.lines().enumerate() {
        reader.line(line).map_err(|problem| {
            let place = format!("{} line {}", path.display(), number + 1);
            Error::failed(place, problem, REMEDY)
        })?;
    }
    Ok(reader.finish())
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    unit: f32,
    positions: Vec<Vec3A>,
    normals: Vec<Vec3A>,
    geometry: Geometry,
    /// The normals that the file gives to each triangle.
    given: Vec<[Option<Vec3A>; 3]>,
    material: String,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
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
            Some("usemtl") => self.material = words.next().unwrap_or_default().to_owned(),
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
        let materials = &mut self.geometry.materials;
        let name = match self.material.as_str() {
            "" => DEFAULT_MATERIAL,
            name => name,
        };
        let known = materials.iter().position(|m| m.name == name);
        let material = known.unwrap_or_else(|| {
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
            self.given.push(fan.map(|corner| corner.1));
            self.geometry.corners.push(Corners {
                normals: [Vec3A::ZERO; 3],
                material,
            });
        }
        Ok(())
    }

    fn finish(self) -> Geometry {
        let mut geometry = self.geometry;
        let own = crease::normals(&geometry.triangles);
        let corners = geometry.corners.iter_mut();
        for ((corners, given), own) in corners.zip(self.given).zip(own) {
            corners.normals = std::array::from_fn(|i| {
                let normal = given[i].and_then(Vec3A::try_normalize);
                normal.unwrap_or(own[i])
            });
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
