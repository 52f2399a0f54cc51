//! Reads PLY, as text or binary: polygons, and vertices with normals, colours and texture coordinates.
//!
//! `header` says which numbers follow, and gets them one by one. Colours are sRGB.

mod header;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::{Affine2, DVec3, Vec2, Vec3, Vec3A, Vec4};

use super::crease;
use super::geometry::{Geometry, MOST_BYTES, MOST_TRIANGLES, VertexColour, check_count, packed};
use super::material::Material;
use super::model::GoOn;
use super::obj::DEFAULT_MATERIAL;
use super::polygon::triangulate;
use super::texture::{self, Content, Picture, Pictures, Texture, Wrap};
use crate::sample::colour::to_linear;
use crate::sample::input;
use crate::{Error, Result};
use header::{Element, Header, Numbers, Property};

/// What to do about a broken file.
pub(super) const REMEDY: &str = "export the model again as PLY with its faces";

/// Vertices of a file.
const MOST_VERTICES: usize = 3 * MOST_TRIANGLES;

/// Rows between two looks at whether to go on.
const ROWS: usize = 100_000;

/// Reads a PLY whose unit is `unit` metres.
///
/// # Errors
/// If the file is missing, cut off or names what does not exist, or `go_on` ends the work.
pub(super) fn read(path: &Path, unit: f32, go_on: GoOn) -> Result<Geometry> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let bytes = input::read(path, MOST_BYTES)?;
    let (header, body) = Header::parse(&bytes).map_err(broken)?;
    let mut numbers = Numbers::new(header.order, body);
    let mut reader = PlyReader {
        unit: unit.into(),
        ..PlyReader::default()
    };
    let material = material(path, &header, &mut reader.geometry)?;
    reader.geometry.materials.push(material);
    for element in &header.elements {
        numbers.check_room(element).map_err(broken)?;
        let begin = reader.begin(element).map_err(broken)?;
        for row in 0..element.count {
            if row % ROWS == 0 {
                go_on()?;
            }
            let done = match begin {
                Row::Vertex => reader.vertex(element, &mut numbers),
                Row::Face => reader.face(element, &mut numbers),
                Row::Strips => reader.strips(element, &mut numbers),
                Row::Other => skip(element, &mut numbers),
            };
            done.map_err(|problem| broken(format!("{} {row}: {problem}", element.name)))?;
        }
    }
    if reader.geometry.triangles.is_empty() && !reader.positions.is_empty() && reader.faces == 0 {
        return Err(broken("is a cloud of points without faces".into()));
    }
    go_on()?;
    let mut geometry = reader.geometry;
    drop(bytes);
    crease::complete(&mut geometry, go_on)?;
    Ok(geometry)
}

/// The texture beside a PLY, if it exists.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let found = input::guarded(path.display(), REMEDY, || {
        let bytes = input::read(path, MOST_BYTES)?;
        let header = Header::parse(&bytes).ok();
        let texture = header.and_then(|(header, _)| header.texture);
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(texture.and_then(|name| texture::find(path, folder, &name)))
    });
    found.ok().flatten().into_iter().collect()
}

/// The only material, with the texture that the header names.
fn material(path: &Path, header: &Header, geometry: &mut Geometry) -> Result<Material> {
    let mut material = Material::named(DEFAULT_MATERIAL);
    let Some(name) = &header.texture else {
        return Ok(material);
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let Some(file) = texture::find(path, folder, name) else {
        geometry.note(format!(
            "its texture `{name}` is missing; put it beside the model"
        ));
        return Ok(material);
    };
    let picture: Arc<Picture> = Pictures::default().read(&file, Content::Colour)?;
    material.colour = Vec3A::ONE;
    material.own = true;
    material.textures.colour = Some(Texture {
        picture,
        set: 0,
        place: Affine2::IDENTITY,
        wrap: [Wrap::Repeat; 2],
    });
    Ok(material)
}

/// What a row of an element is.
#[derive(Clone, Copy)]
enum Row {
    Vertex,
    Face,
    Strips,
    Other,
}

/// What has been read so far.
#[derive(Default)]
struct PlyReader {
    unit: f64,
    positions: Vec<Vec3A>,
    normals: Vec<Vec3>,
    coordinates: Vec<Vec2>,
    colours: Vec<VertexColour>,
    faces: usize,
    geometry: Geometry,
}

/// What a number of a row is for.
fn slot(name: &str) -> Option<usize> {
    Some(match name {
        "x" => 0,
        "y" => 1,
        "z" => 2,
        "nx" => 3,
        "ny" => 4,
        "nz" => 5,
        "red" | "r" | "diffuse_red" => 6,
        "green" | "g" | "diffuse_green" => 7,
        "blue" | "b" | "diffuse_blue" => 8,
        "u" | "s" | "texture_u" => 10,
        "v" | "t" | "texture_v" => 11,
        _ => return None,
    })
}

/// The first of the slots of a colour.
const RED: usize = 6;

/// The numbers of a row by slot; none that the file lacks.
type Slots = [Option<f64>; 12];

/// Takes the next number of a row into its slot, colours as shares of the greatest of their kind.
fn fill(slots: &mut Slots, property: &Property, numbers: &mut Numbers) -> Result<(), String> {
    let value = numbers.next(property.kind)?;
    if let Some(slot) = slot(&property.name) {
        let greatest = if (RED..RED + 3).contains(&slot) {
            property.kind.greatest()
        } else {
            1.0
        };
        slots[slot] = Some(value / greatest);
    }
    Ok(())
}

/// The sRGB colour of a row.
fn colour(slots: &Slots) -> Option<VertexColour> {
    let channel = |i: usize| slots[RED + i].map(|value| to_linear((value as f32).clamp(0.0, 1.0)));
    let [r, g, b] = [channel(0)?, channel(1)?, channel(2)?];
    Some(packed(Vec4::new(r, g, b, 1.0)))
}

impl PlyReader {
    /// What the rows of an element are, and whether there may be so many.
    fn begin(&mut self, element: &Element) -> Result<Row, String> {
        match element.name.as_str() {
            "vertex" => {
                if element.count > MOST_VERTICES {
                    return Err(format!(
                        "has {} vertices; at most {MOST_VERTICES} are read",
                        element.count
                    ));
                }
                Ok(Row::Vertex)
            }
            "face" => {
                check_count(element.count)?;
                self.faces += element.count;
                Ok(Row::Face)
            }
            "tristrips" => {
                self.faces += element.count;
                Ok(Row::Strips)
            }
            other => {
                if element.count > 0 {
                    self.geometry.note(match other {
                        "edge" => {
                            "does not use its edges; give them a surface before exporting".into()
                        }
                        _ => format!(
                            "does not use its elements `{other}`; export it as glTF if they matter"
                        ),
                    });
                }
                Ok(Row::Other)
            }
        }
    }

    fn vertex(&mut self, element: &Element, numbers: &mut Numbers) -> Result<(), String> {
        let mut slots = Slots::default();
        for property in &element.properties {
            match property.list {
                Some(_) => numbers.skip_list(property)?,
                None => fill(&mut slots, property, numbers)?,
            }
        }
        let [Some(x), Some(y), Some(z)] = [slots[0], slots[1], slots[2]] else {
            return Err("has no x, y and z".into());
        };
        let position = DVec3::new(x, y, z);
        if !position.is_finite() {
            return Err("is not a finite number".into());
        }
        let position = self.geometry.place(position * self.unit);
        self.positions.push(position);
        if let [Some(x), Some(y), Some(z)] = [slots[3], slots[4], slots[5]] {
            self.normals.push(DVec3::new(x, y, z).as_vec3());
        }
        if let [Some(u), Some(v)] = [slots[10], slots[11]] {
            // v points up.
            self.coordinates.push(Vec2::new(u as f32, 1.0 - v as f32));
        }
        self.colours.extend(colour(&slots));
        Ok(())
    }

    fn face(&mut self, element: &Element, numbers: &mut Numbers) -> Result<(), String> {
        let mut slots = Slots::default();
        let (mut corners, mut places) = (Vec::new(), Vec::new());
        for property in &element.properties {
            match (property.list, property.name.as_str()) {
                (Some(_), "vertex_indices" | "vertex_index") => {
                    for index in numbers.list(property)? {
                        corners.push(self.corner(index)?);
                    }
                }
                (Some(_), "texcoord") => places = numbers.list(property)?,
                (Some(_), _) => numbers.skip_list(property)?,
                (None, _) => fill(&mut slots, property, numbers)?,
            }
        }
        // Faces of less are lines and points.
        if corners.len() > 2 {
            self.polygon(&corners, &places, colour(&slots))?;
        }
        Ok(())
    }

    /// The vertex of this number.
    fn corner(&self, index: f64) -> Result<usize, String> {
        let count = self.positions.len();
        match (0.0..count as f64).contains(&index) && index.fract() == 0.0 {
            true => Ok(index as usize),
            false => Err(format!("names vertex {index}, but there are {count}")),
        }
    }

    /// Strips of triangles: every corner makes one with the two before it, and a negative number begins a new strip.
    fn strips(&mut self, element: &Element, numbers: &mut Numbers) -> Result<(), String> {
        for property in &element.properties {
            match (property.list, property.name.as_str()) {
                (Some(_), "vertex_indices" | "vertex_index") => {
                    let indices = numbers.list(property)?;
                    for strip in indices.split(|index| *index < 0.0) {
                        for (place, three) in strip.windows(3).enumerate() {
                            let mut corners = [0; 3];
                            for (corner, index) in corners.iter_mut().zip(three) {
                                *corner = self.corner(*index)?;
                            }
                            // Every second one runs the other way round.
                            if place % 2 == 1 {
                                corners.swap(0, 1);
                            }
                            self.polygon(&corners, &[], None)?;
                        }
                    }
                }
                (Some(_), _) => numbers.skip_list(property)?,
                (None, _) => drop(numbers.next(property.kind)?),
            }
        }
        Ok(())
    }

    fn polygon(
        &mut self,
        corners: &[usize],
        places: &[f64],
        colour: Option<VertexColour>,
    ) -> Result<(), String> {
        let positions: Vec<Vec3A> = corners.iter().map(|&i| self.positions[i]).collect();
        for triangle in triangulate(&positions)? {
            check_count(self.geometry.triangles.len() + 1)?;
            let normal = |i: usize| self.normals.get(corners[i]).copied().unwrap_or(Vec3::NAN);
            let (three, normals) = (triangle.map(|i| positions[i]), triangle.map(normal));
            if !self.geometry.add(three, normals, 0) {
                continue;
            }
            let placed = |i: usize| match places.get(2 * i..2 * i + 2) {
                Some(&[u, v]) => Some(Vec2::new(u as f32, 1.0 - v as f32)),
                _ => self.coordinates.get(corners[i]).copied(),
            };
            if let [Some(a), Some(b), Some(c)] = triangle.map(placed) {
                self.geometry.set_coordinates(0, [a, b, c]);
            }
            let own = |i: usize| self.colours.get(corners[i]).copied().or(colour);
            if let [Some(a), Some(b), Some(c)] = triangle.map(own) {
                self.geometry.set_colours([a, b, c]);
            }
        }
        Ok(())
    }
}

fn skip(element: &Element, numbers: &mut Numbers) -> Result<(), String> {
    for property in &element.properties {
        match property.list {
            Some(_) => numbers.skip_list(property)?,
            None => drop(numbers.next(property.kind)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
