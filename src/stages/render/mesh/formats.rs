//! The formats of models, told apart by what a file holds and, where that says little, by its name.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{flat, gltf, obj, ply, stl};
use crate::sample::input;
use crate::stage::Misfit;
use crate::{Error, Result};

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Gltf,
    Obj,
    Stl,
    Ply,
    /// A picture, as a sheet.
    Svg,
    /// PNG or JPEG, likewise.
    Pixels,
}

impl Format {
    /// What to do about a broken file.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Format::Gltf => gltf::REMEDY,
            Format::Obj => obj::REMEDY,
            Format::Stl => stl::REMEDY,
            Format::Ply => ply::REMEDY,
            Format::Svg | Format::Pixels => flat::REMEDY,
        }
    }
}

/// What to do about a format that is not read.
const EXPORT: &str = "open it in a modelling program such as Blender and export it as glTF (.glb)";
const UNPACK: &str = "unpack it, and give the path of the .glb, .gltf, .obj, .ply or .stl in it";
const CAD: &str = "open it in a CAD program such as FreeCAD and export a mesh: glTF, OBJ or STL";

/// First bytes of files that are not models that are read: how they begin, what they are, and what to do.
const FOREIGN: [(&[u8], &str, &str); 16] = [
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS, not the model itself",
        "fetch the model with `git lfs pull`",
    ),
    (b"Kaydara FBX Binary", "is an FBX file", EXPORT),
    (b"; FBX", "is an FBX file", EXPORT),
    (b"BLENDER", "is a file of Blender", EXPORT),
    (b"ISO-10303-21", "is a STEP file", CAD),
    (b"DBRep_DrawableShape", "is a BREP file", CAD),
    (b"CASCADE Topology", "is a BREP file", CAD),
    (b"PXR-USDC", "is a USD file", EXPORT),
    (b"#usda", "is a USD file", EXPORT),
    (b"xof ", "is a DirectX file", EXPORT),
    (b"#VRML", "is a VRML file", EXPORT),
    (b"3DSMAX", "is a file of 3ds Max", EXPORT),
    (b"PK\x03\x04", "is a zip archive", UNPACK),
    (b"\x1f\x8b", "is compressed with gzip", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", UNPACK),
    (b"Rar!", "is a RAR archive", UNPACK),
];

/// Ends of names of formats that are not read.
const FOREIGN_NAMES: [(&[&str], &str, &str); 12] = [
    (&["fbx"], "is an FBX file", EXPORT),
    (&["dae"], "is a COLLADA file", EXPORT),
    (&["3ds"], "is a 3DS file", EXPORT),
    (&["blend"], "is a file of Blender", EXPORT),
    (
        &["max", "ma", "mb", "c4d", "skp", "lwo"],
        "is a file of a modelling program",
        EXPORT,
    ),
    (
        &["step", "stp", "iges", "igs", "brep", "sldprt", "ipt"],
        "is a CAD file",
        CAD,
    ),
    (&["usd", "usda", "usdc"], "is a USD file", EXPORT),
    (&["usdz"], "is a USDZ archive", EXPORT),
    (&["3mf", "amf"], "is a file for 3D printers", EXPORT),
    (
        &["x3d", "wrl", "x"],
        "is of a format that is not read",
        EXPORT,
    ),
    (
        &["zip", "7z", "rar", "gz", "tar", "tgz"],
        "is an archive",
        UNPACK,
    ),
    (
        &["mtl"],
        "holds the materials of an OBJ, not a model",
        "give the path of the .obj",
    ),
];

/// The format of a model's file, from its name and first bytes.
///
/// # Errors
/// If it is missing, a folder, or of a format that is not read, with the remedy.
pub(super) fn recognise(path: &Path) -> Result<Format> {
    input::check_regular(path)?;
    let unread = |e| Error::io(path, e);
    let file = File::open(path).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start).map_err(unread)?;
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    of(&start, length, &extension.to_ascii_lowercase())
        .map_err(|(problem, remedy)| Error::failed(path.display(), problem, remedy))
}

/// Checks that a model is of a format that is read, and requires nothing that is not, before anything runs.
///
/// # Errors
/// What it is instead, and what to do.
pub(super) fn check(path: &Path) -> std::result::Result<(), Misfit> {
    let checked = recognise(path).and_then(|format| match format {
        Format::Gltf => gltf::check(path),
        _ => Ok(()),
    });
    checked.map_err(|error| Misfit::of_error(error, "the model", path))
}

/// The names of a model's materials; what of an OBJ, PLY or STL has none is called `default`.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn material_names(path: &Path) -> Result<Vec<String>> {
    Ok(match recognise(path)? {
        Format::Gltf => gltf::material_names(path),
        Format::Obj => obj::material_names(path)?,
        Format::Ply | Format::Stl | Format::Svg | Format::Pixels => {
            vec![obj::DEFAULT_MATERIAL.to_owned()]
        }
    })
}

/// The format of a file of `length` bytes, from its first bytes and the end of its name.
fn of(start: &[u8], length: u64, extension: &str) -> Result<Format, (&'static str, &'static str)> {
    if length == 0 {
        return Err(("is empty", "export the model again"));
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let foreign = FOREIGN.iter().find(|entry| start.starts_with(entry.0));
    if let Some((_, problem, remedy)) = foreign {
        return Err(match extension {
            "usdz" => ("is a USDZ archive", EXPORT),
            "3mf" => ("is a file for 3D printers", EXPORT),
            _ => (problem, remedy),
        });
    }
    let text = start.trim_ascii_start();
    let begins = |with: &[u8]| {
        text.get(..with.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(with))
    };
    let holds = |part: &[u8]| {
        start
            .windows(part.len())
            .any(|w| w.eq_ignore_ascii_case(part))
    };
    if begins(b"<!doctype html") || begins(b"<html") {
        let remedy = "download the model itself, not the page that shows it";
        return Err(("is a web page", remedy));
    }
    if begins(b"<") && holds(b"<COLLADA") {
        return Err(("is a COLLADA file", EXPORT));
    }
    if begins(b"<") && holds(b"<svg") {
        return Ok(Format::Svg);
    }
    if start.starts_with(b"\x89PNG\r\n") || start.starts_with(b"\xff\xd8\xff") {
        return Ok(Format::Pixels);
    }
    if start.starts_with(b"glTF") {
        return Ok(Format::Gltf);
    }
    if start.starts_with(b"ply\n") || start.starts_with(b"ply\r") {
        return Ok(Format::Ply);
    }
    let named = match extension {
        "gltf" | "glb" => Some(Format::Gltf),
        "obj" => Some(Format::Obj),
        "stl" => Some(Format::Stl),
        "ply" => Some(Format::Ply),
        "svg" => Some(Format::Svg),
        "png" | "jpg" | "jpeg" => Some(Format::Pixels),
        _ => None,
    };
    // Where the name says one thing and the content plainly another, the content counts.
    let found = if begins(b"{") {
        Some(Format::Gltf)
    } else if is_binary_stl(start, length) || (begins(b"solid") && holds(b"facet")) {
        Some(Format::Stl)
    } else if is_obj(text) {
        Some(Format::Obj)
    } else {
        None
    };
    let by_name = FOREIGN_NAMES
        .iter()
        .find(|entry| entry.0.contains(&extension));
    match (found, named, by_name) {
        (Some(found), _, None) => Ok(found),
        (None, Some(named), _) => Ok(named),
        (_, _, Some((_, problem, remedy))) => Err((problem, remedy)),
        (None, None, None) => Err((
            "is of no format that is read",
            "give a model as glTF (.gltf, .glb), OBJ, PLY or STL, or a picture as SVG, PNG or JPEG",
        )),
    }
}

/// Whether the number of triangles in the head is that of a file of this length.
fn is_binary_stl(start: &[u8], length: u64) -> bool {
    let count = start.get(80..84).and_then(|bytes| bytes.try_into().ok());
    let count = count.map(|bytes| u64::from(u32::from_le_bytes(bytes)));
    count.is_some_and(|count| count > 0 && length == 84 + 50 * count)
}

/// Whether the first line that is not a comment is one of an OBJ.
fn is_obj(text: &[u8]) -> bool {
    let lines = text.split(|&byte| byte == b'\n' || byte == b'\r');
    let mut lines = lines.map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    let word = first.and_then(|line| line.split(u8::is_ascii_whitespace).next());
    let words: [&[u8]; 8] = [b"v", b"vn", b"vt", b"o", b"g", b"mtllib", b"usemtl", b"s"];
    word.is_some_and(|word| words.contains(&word))
}

/// The model file and the files that it names, as far as they exist; an unreadable model stands alone.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    let named = match recognise(path) {
        Ok(Format::Gltf) => gltf::files(path),
        Ok(Format::Obj) => obj::files(path),
        Ok(Format::Ply) => ply::files(path),
        Ok(Format::Stl | Format::Svg | Format::Pixels) | Err(_) => Vec::new(),
    };
    files.extend(named);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        recognise(&path).map_or_else(|e| e.to_string(), |format| format!("{format:?}"))
    }

    #[test]
    fn formats_are_known_by_content_where_the_name_lies() {
        let mut stl = vec![b' '; 84 + 50];
        stl[80..84].copy_from_slice(&1_u32.to_le_bytes());
        let facet = b"solid a\nfacet normal 0 0 0";
        for (name, bytes, wanted) in [
            ("a.obj", &b"glTF\x02\0\0\0"[..], "Gltf"),
            ("a.glb", b"ply\nformat ascii 1.0", "Ply"),
            ("a.gltf", b"# made by hand\n\nv 0 0 0", "Obj"),
            ("a.obj", &stl, "Stl"),
            ("a.glb", facet, "Stl"),
            ("a.STL", b"solid a", "Stl"),
            ("a", b"\xef\xbb\xbf {\"asset\": {}}", "Gltf"),
            ("a.txt", b"mtllib a.mtl\r\nv 0 0 0", "Obj"),
            ("a.obj", b"\xff\xfev\0 \x000\0", "Obj"),
            ("a.gltf", b"broken", "Gltf"),
        ] {
            assert_eq!(recognised(name, bytes), wanted, "{name}");
        }
    }

    #[test]
    fn other_files_are_named_with_the_remedy() {
        for (name, bytes, problem, remedy) in [
            (
                "a.glb",
                &b"version https://git-lfs.github.com/spec/v1\n"[..],
                "Git LFS",
                "git lfs pull",
            ),
            ("a.fbx", b"Kaydara FBX Binary  \0", "FBX", "glTF (.glb)"),
            ("b.fbx", b"anything", "FBX", "glTF (.glb)"),
            (
                "a.dae",
                b"<?xml version=\"1.0\"?>\n<COLLADA>",
                "COLLADA",
                "glTF (.glb)",
            ),
            ("a.obj", b"<!DOCTYPE html><html>", "web page", "download"),
            ("a.zip", b"PK\x03\x04", "zip archive", "unpack"),
            ("a.usdz", b"PK\x03\x04", "USDZ", "glTF (.glb)"),
            ("a.step", b"ISO-10303-21;", "STEP", "CAD program"),
            ("a.3ds", b"MM\0\0", "3DS", "glTF (.glb)"),
            ("a.blend", b"BLENDER-v300", "Blender", "glTF (.glb)"),
            ("a.glb", b"", "is empty", "export"),
            ("a.xyz", b"1 2 3", "no format that is read", "PLY"),
        ] {
            let said = recognised(name, bytes);
            for part in [name, problem, remedy] {
                assert!(said.contains(part), "{name}: `{part}` not in {said}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let misfit = check(folder.path()).unwrap_err();
        assert!(misfit.problem.contains("is a folder"), "{misfit:?}");
        assert_eq!(misfit.path.as_deref(), Some(folder.path()));
        let error = recognise(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
