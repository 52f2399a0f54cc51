//! Pictures as models: an SVG, PNG or JPEG is a sheet that lies face up, as playing cards and labels do.
//!
//! Its longer side is one unit. What is see-through in the picture is a hole in the sheet.

use std::path::Path;
use std::sync::Arc;

use glam::{Affine2, DVec3, Vec2, Vec3, Vec3A};
use resvg::tiny_skia::PremultipliedColorU8;

use super::super::template::svg;
use super::formats::Format;
use super::geometry::Geometry;
use super::material::{Alpha, Material, Textures};
use super::model::GoOn;
use super::texture::{Content, Picture, Pictures, Texture, Wrap};
use crate::{Error, Result};

/// What to do about a broken file.
pub(super) const REMEDY: &str = "save the picture again as SVG, PNG or JPEG";

/// The endings of pictures that are models where a folder holds no others.
pub(super) const ENDINGS: [&str; 4] = ["svg", "png", "jpg", "jpeg"];

/// The sheet's only material.
pub(super) const MATERIAL: &str = "default";

/// Pixels of an SVG's longer side.
const SIDE: u32 = 1024;

/// Least opacity of what is there.
const OPAQUE: f32 = 0.5;

/// Reads a picture as a sheet; `unit` is the length of its longer side in metres.
///
/// # Errors
/// If it is broken or draws nothing opaque.
pub(super) fn read(path: &Path, format: Format, unit: f32, go_on: GoOn) -> Result<Geometry> {
    let mut geometry = Geometry::default();
    let picture = match format {
        Format::Svg => {
            let (pixmap, left_out) = svg::read(path, SIDE, go_on)?;
            left_out.into_iter().for_each(|text| geometry.note(text));
            let pixels = pixmap.pixels().iter().map(PremultipliedColorU8::demultiply);
            let bytes = pixels.flat_map(|p| [p.red(), p.green(), p.blue(), p.alpha()]);
            Picture::from_rgba(bytes.collect(), (pixmap.width(), pixmap.height()))
        }
        _ => {
            let picture = Pictures::default().read(path, Content::Colour)?;
            return Ok(sheet(geometry, picture, unit));
        }
    };
    if !picture.is_opaque_somewhere(OPAQUE) {
        return Err(Error::failed(
            path.display(),
            "draws nothing opaque",
            REMEDY,
        ));
    }
    Ok(sheet(geometry, picture.into(), unit))
}

fn sheet(mut geometry: Geometry, picture: Arc<Picture>, unit: f32) -> Geometry {
    let (width, height) = picture.size();
    let half = Vec2::new(width as f32, height as f32) / (2.0 * width.max(height) as f32) * unit;
    geometry.materials.push(Material {
        own: true,
        colour: Vec3A::ONE,
        alpha: if picture.has_opacity() {
            Alpha::Mask(OPAQUE)
        } else {
            Alpha::Opaque
        },
        textures: Textures {
            colour: Some(Texture {
                picture,
                set: 0,
                place: Affine2::IDENTITY,
                wrap: [Wrap::Clamp; 2],
            }),
            ..Textures::default()
        },
        ..Material::named(MATERIAL)
    });
    // The upper side of the picture lies away from who looks along -z.
    let corner = |u: f32, v: f32| {
        let at = (Vec2::new(u, v) * 2.0 - 1.0) * half;
        (DVec3::new(at.x.into(), 0.0, at.y.into()), Vec2::new(u, v))
    };
    let [a, b, c, d] = [
        corner(0.0, 0.0),
        corner(0.0, 1.0),
        corner(1.0, 1.0),
        corner(1.0, 0.0),
    ];
    for triangle in [[a, b, c], [a, c, d]] {
        let vertices = triangle.map(|(place, _)| geometry.place(place));
        if geometry.add(vertices, [Vec3::Y; 3], 0) {
            geometry.set_coordinates(0, triangle.map(|(_, at)| at));
        }
    }
    geometry
}

#[cfg(test)]
mod tests {
    use super::super::list::Source;
    use super::super::model::Model;
    use super::*;

    fn model(name: &str, bytes: &[u8]) -> Result<Model> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let source = Source {
            scale: Some(0.089),
            ..Source::plain(&path)
        };
        Model::read(&source, 1.0, &|| Ok(()))
    }

    #[test]
    fn a_picture_is_a_sheet_as_long_as_it_is_said_to_be() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 63 88"><rect width="63" height="88" rx="3"/></svg>"#;
        let card = model("ace.svg", svg.as_bytes()).unwrap();
        let sides = card.sides();
        assert!((sides.z - 0.089).abs() < 1e-6 && sides.y == 0.0, "{sides}");
        assert!((sides.x / sides.z - 63.0 / 88.0).abs() < 2e-3, "{sides}");
        assert_eq!(card.faces[0].name, "ace");
        assert!(matches!(card.materials[0].alpha, Alpha::Mask(_)));
    }

    #[test]
    fn an_empty_or_broken_picture_is_refused_by_name() {
        let empty = br#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>"#;
        for (name, bytes, problem) in [
            ("empty.svg", &empty[..], "draws nothing opaque"),
            ("broken.png", b"\x89PNG\r\n\x1a\nbroken", "cannot be read"),
        ] {
            let error = model(name, bytes).err().unwrap().to_string();
            assert!(error.contains(name) && error.contains(problem), "{error}");
        }
    }
}
