//! Reads Wavefront OBJ: vertices with their colours, normals, texture coordinates, polygons and materials.
//!
//! Polygons become triangles, concave ones too. Lines, curves, groups and smoothing groups are skipped.

mod mtl;

use std::path::{Path, PathBuf};

use glam::{DVec3, Vec2, Vec3, Vec3A, Vec4};

use super::geometry::{
    Geometry, MOST_BYTES, MOST_TRIANGLES, Palette, VertexColour, WHITE, check_count, packed,
};
use super::material::Material;
use super::model::GoOn;
use super::polygon::triangulate;
use super::{crease, text, texture};
use crate::sample::colour::to_linear;
use crate::sample::input;
use crate::{Error, Result};
use mtl::Library;

/// What to do about a broken file.
pub(super) const REMEDY: &str = "export the model again as OBJ with its faces";

/// The name of the material of faces that have none.
pub(super) const DEFAULT_MATERIAL: &str = "default";

/// Lines between two looks at whether to go on.
const LINES: usize = 100_000;

/// Reads an OBJ whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, a line is broken or names what does not exist, a texture is broken, or `go_on` ends the
/// work.
pub(super) fn read(path: &Path, unit: f32, go_on: GoOn) -> Result<Geometry> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let text = text::decoded(input::read(path, MOST_BYTES)?).map_err(broken)?;
    check_size(&text).map_err(broken)?;
    let mut reader = ObjReader::new(path, unit);
    for (count, (number, line)) in text::lines(&text).enumerate() {
        if count % LINES == 0 {
            go_on()?;
        }
        let done = reader.line(&line)?;
        done.map_err(|problem| {
            let place = format!("{} line {number}", path.display());
            Error::failed(place, problem, REMEDY)
        })?;
    }
    drop(text);
    reader.finish(go_on)
}

/// The materials and textures beside an OBJ, as far as they exist; none if it is unreadable.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let found = input::guarded(path.display(), REMEDY, || {
        let bytes = input::read(path, MOST_BYTES)?;
        let (mut files, mut library) = (Vec::new(), Library::default());
        for (_, line) in text::lines(&text::decoded(bytes).unwrap_or_default()) {
            let (word, rest) = text::split(&line);
            if word == "mtllib" {
                files.extend(libraries(path, rest).0);
            }
        }
        for file in &files {
            library.add(file, &mut Geometry::default())?;
        }
        files.extend(library.textures(path));
        Ok(files)
    });
    found.unwrap_or_default()
}

/// The names of the materials that an OBJ uses, and that of faces without one.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn material_names(path: &Path) -> Result<Vec<String>> {
    let bytes = input::read(path, MOST_BYTES)?;
    let mut names = vec![DEFAULT_MATERIAL.to_owned()];
    for (_, line) in text::lines(&text::decoded(bytes).unwrap_or_default()) {
        if let ("usemtl", rest) = text::split(&line) {
            names.push(text::name(rest).to_owned());
        }
    }
    Ok(names)
}

/// The .mtl files that a line names, and the names without a file. A name may have spaces, and a line several names.
fn libraries(path: &Path, rest: &str) -> (Vec<PathBuf>, Vec<String>) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let whole = text::name(rest).trim_matches('"');
    if let Some(file) = texture::find(path, folder, whole) {
        return (vec![file], Vec::new());
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in whole.split_ascii_whitespace() {
        match texture::find(path, folder, name) {
            Some(file) => found.push(file),
            None => missing.push(name.to_owned()),
        }
    }
    match found.is_empty() {
        true if !whole.is_empty() => (found, vec![whole.to_owned()]),
        _ => (found, missing),
    }
}

/// Checks how many vertices and triangles there will be, before there is memory for them.
fn check_size(text: &[u8]) -> Result<(), String> {
    let (mut vectors, mut triangles) = (0, 0);
    for (_, line) in text::lines(text) {
        let (word, rest) = text::split(&line);
        match word {
            "v" | "vn" | "vt" => vectors += 1,
            "f" => {
                let corners = without_comment(rest).split_ascii_whitespace().count();
                triangles += corners.saturating_sub(2);
            }
            _ => {}
        }
    }
    check_count(triangles)?;
    // Three corners, each with a position, a normal and a place on a texture.
    let most = 9 * MOST_TRIANGLES;
    if vectors > most {
        return Err(format!(
            "has {vectors} vertices, normals and texture coordinates; at most {most} are read"
        ));
    }
    Ok(())
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// What has been read so far.
struct ObjReader<'a> {
    path: &'a Path,
    unit: f64,
    positions: Vec<Vec3A>,
    /// Of the positions that have one, and those before them.
    colours: Vec<VertexColour>,
    normals: Vec<Vec3>,
    coordinates: Vec<Vec2>,
    geometry: Geometry,
    library: Library,
    /// Whether any .mtl was read.
    has_library: bool,
    /// The name of the material of the next faces.
    material: String,
    /// Its number, once there was a face.
    number: Option<u32>,
    palette: Palette,
}

/// A corner of a polygon.
#[derive(Clone, Copy)]
struct Corner {
    position: Vec3A,
    coordinates: Option<Vec2>,
    /// NaN where the file gives none.
    normal: Vec3,
    colour: Option<VertexColour>,
}

impl<'a> ObjReader<'a> {
    fn new(path: &'a Path, unit: f32) -> Self {
        ObjReader {
            path,
            unit: unit.into(),
            positions: Vec::new(),
            colours: Vec::new(),
            normals: Vec::new(),
            coordinates: Vec::new(),
            geometry: Geometry::default(),
            library: Library::default(),
            has_library: false,
            material: DEFAULT_MATERIAL.to_owned(),
            number: None,
            palette: Palette::default(),
        }
    }

    /// Reads a line. The inner error is about the line, the outer one about another file.
    fn line(&mut self, line: &str) -> Result<Result<(), String>> {
        let (word, rest) = text::split(line);
        let numbers = without_comment(rest);
        match word {
            "v" => return Ok(self.vertex(numbers)),
            "vn" => {
                let normal = vector(numbers).map(DVec3::as_vec3);
                return Ok(normal.map(|normal| self.normals.push(normal)));
            }
            "vt" => {
                let found = coordinates(numbers);
                return Ok(found.map(|at| self.coordinates.push(at)));
            }
            "f" => {
                let corners = numbers.split_ascii_whitespace();
                let corners: Result<Vec<Corner>, String> =
                    corners.map(|word| self.corner(word)).collect();
                return match corners {
                    Ok(corners) => {
                        let material = self.current_material()?;
                        Ok(self.polygon(&corners, material))
                    }
                    Err(problem) => Ok(Err(problem)),
                };
            }
            "usemtl" => {
                let name = match text::name(rest) {
                    "" => DEFAULT_MATERIAL,
                    name => name,
                };
                name.clone_into(&mut self.material);
                self.number = None;
            }
            "mtllib" => self.add_libraries(rest)?,
            "l" | "p" => self.geometry.note(
                "does not use its points and lines; give them a surface before exporting".into(),
            ),
            "curv" | "curv2" | "surf" => self.geometry.note(
                "does not use its curves and free-form surfaces; export it as polygons".into(),
            ),
            _ => {}
        }
        Ok(Ok(()))
    }

    fn add_libraries(&mut self, rest: &str) -> Result<()> {
        let (found, missing) = libraries(self.path, rest);
        for name in missing {
            self.geometry.note(format!(
                "its materials `{name}` are missing; put the file beside the model"
            ));
        }
        for file in found {
            self.library.add(&file, &mut self.geometry)?;
            self.has_library = true;
        }
        Ok(())
    }

    /// A position, which three numbers for a colour may follow.
    fn vertex(&mut self, words: &str) -> Result<(), String> {
        let position = self.geometry.place(vector(words)? * self.unit);
        let rest = words.split_ascii_whitespace().skip(3);
        let rest: Vec<f32> = rest.map_while(|word| word.parse().ok()).collect();
        if let [r, g, b, ..] = rest[..] {
            // Of 0..1, or of bytes.
            let most = if r.max(g).max(b) > 1.0 { 255.0 } else { 1.0 };
            let light = [r, g, b].map(|c| to_linear((c / most).clamp(0.0, 1.0)));
            self.colours.resize(self.positions.len(), WHITE);
            self.colours
                .push(packed(Vec4::new(light[0], light[1], light[2], 1.0)));
        }
        self.positions.push(position);
        Ok(())
    }

    /// A corner: `position`, `position/texture`, `position//normal` or all three.
    fn corner(&self, word: &str) -> Result<Corner, String> {
        let mut indices = word.split('/');
        let position = indices.next().unwrap_or_default();
        let position = place(self.positions.len(), position, "vertex")?;
        let coordinates = match indices.next() {
            // Some files number coordinates that they do not have.
            Some(text) if !text.is_empty() && !self.coordinates.is_empty() => {
                let place = place(self.coordinates.len(), text, "texture coordinate")?;
                Some(self.coordinates[place])
            }
            _ => None,
        };
        let normal = match indices.next() {
            Some(text) if !text.is_empty() => {
                self.normals[place(self.normals.len(), text, "normal")?]
            }
            _ => Vec3::NAN,
        };
        Ok(Corner {
            position: self.positions[position],
            coordinates,
            normal,
            colour: self.colours.get(position).copied(),
        })
    }

    /// The number of the material of the next faces.
    fn current_material(&mut self) -> Result<u32> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let number = match self.palette.number(&self.material) {
            Some(number) => number,
            None => {
                let defined =
                    self.library
                        .material(&self.material, self.path, &mut self.geometry)?;
                if defined.is_none() && self.has_library && self.material != DEFAULT_MATERIAL {
                    self.geometry.note(format!(
                        "its material `{}` is in none of its .mtl files; correct the name",
                        self.material
                    ));
                }
                let material = defined.unwrap_or_else(|| Material::named(&self.material));
                self.palette.add(&mut self.geometry, material)
            }
        };
        self.number = Some(number);
        Ok(number)
    }

    /// Adds a polygon as triangles; those without area are left out.
    fn polygon(&mut self, corners: &[Corner], material: u32) -> Result<(), String> {
        if corners.len() < 3 {
            return Err(format!("a face has {} corners", corners.len()));
        }
        let divided = match corners.len() {
            3 => vec![[0, 1, 2]],
            _ => {
                let positions: Vec<Vec3A> = corners.iter().map(|c| c.position).collect();
                triangulate(&positions)?
            }
        };
        for triangle in divided {
            let three = triangle.map(|i| corners[i]);
            let added =
                self.geometry
                    .add(three.map(|c| c.position), three.map(|c| c.normal), material);
            if !added {
                continue;
            }
            if let [Some(a), Some(b), Some(c)] = three.map(|c| c.coordinates) {
                self.geometry.set_coordinates(0, [a, b, c]);
            }
            if three.iter().any(|c| c.colour.is_some()) {
                self.geometry
                    .set_colours(three.map(|c| c.colour.unwrap_or(WHITE)));
            }
        }
        Ok(())
    }

    fn finish(self, go_on: GoOn) -> Result<Geometry> {
        let mut geometry = self.geometry;
        drop((self.positions, self.normals, self.coordinates, self.colours));
        crease::complete(&mut geometry, go_on)?;
        Ok(geometry)
    }
}

/// The first three numbers.
fn vector(words: &str) -> Result<DVec3, String> {
    let mut numbers = [0.0; 3];
    let mut found = 0;
    for (number, word) in numbers.iter_mut().zip(words.split_ascii_whitespace()) {
        *number = finite(word)?;
        found += 1;
    }
    match found {
        3 => Ok(DVec3::from_array(numbers)),
        _ => Err("needs three numbers; is the file cut off?".into()),
    }
}

/// u and v, which points up.
fn coordinates(words: &str) -> Result<Vec2, String> {
    let mut words = words.split_ascii_whitespace();
    let u = words.next().map(finite).transpose()?;
    let v = words.next().map(finite).transpose()?;
    let u = u.ok_or("needs a number; is the file cut off?")?;
    Ok(Vec2::new(u as f32, 1.0 - v.unwrap_or(0.0) as f32))
}

fn finite(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        // Neither what 32 bits cannot hold.
        Ok(value) if (value as f32).is_finite() => Ok(value),
        _ => Err(format!("`{word}` is not a finite number")),
    }
}

/// The place in a list of an index: from 1, or from the end where negative.
fn place(length: usize, text: &str, what: &str) -> Result<usize, String> {
    let index: i64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not the number of a {what}"))?;
    let place = match index {
        1.. => usize::try_from(index - 1).ok(),
        _ => usize::try_from(length as i64 + index)
            .ok()
            .filter(|_| index < 0),
    };
    let found = place.filter(|&place| place < length);
    found.ok_or_else(|| format!("names {what} {index}, but only {length} came before it"))
}

#[cfg(test)]
mod tests;
