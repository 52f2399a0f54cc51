//! Reads the materials of an OBJ: .mtl files, by Wavefront's words and those that others added for metal and
//! roughness.
//!
//! Colours are linear light, as Blender writes them. What is missing, a .mtl or a texture, is noted, and the
//! model is drawn without it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use glam::{Affine2, Mat2, Vec2, Vec3A, vec2};

use super::super::geometry::Geometry;
use super::super::material::{Alpha, Material, Textures};
use super::super::text;
use super::super::texture::{self, Content, Pictures, Texture, Wrap};
use crate::Result;
use crate::sample::colour::luminance;
use crate::sample::input;

/// Bytes of one .mtl.
const MOST_BYTES: u64 = 16 << 20;

/// What the .mtl files of one OBJ define, by name.
#[derive(Default)]
pub(super) struct Library {
    defined: HashMap<String, Definition>,
    pictures: Pictures,
}

/// One material as it is written.
#[derive(Default)]
struct Definition {
    /// The folder of its .mtl.
    folder: PathBuf,
    colour: Option<Vec3A>,
    specular: Option<Vec3A>,
    emission: Vec3A,
    shininess: Option<f32>,
    opacity: Option<f32>,
    /// The opposite of opacity, which counts where that is not given.
    transparency: Option<f32>,
    roughness: Option<f32>,
    metallic: f32,
    /// Without any reflection.
    matt: bool,
    maps: Vec<(Use, Map)>,
}

/// What a picture on a material is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Colour,
    Emission,
    Opacity,
    /// Heights or, as many programs write it, normals.
    Bump,
    Normal,
}

/// A picture on a material, with its options.
#[derive(Debug, PartialEq)]
struct Map {
    file: String,
    scale: Vec2,
    offset: Vec2,
    clamp: bool,
    /// Of bumps.
    strength: f32,
}

impl Library {
    /// Adds what a .mtl of the model defines; a later definition of a name counts.
    ///
    /// # Errors
    /// If the file cannot be read or has too many bytes.
    pub(super) fn add(&mut self, file: &Path, geometry: &mut Geometry) -> Result<()> {
        let bytes = input::read(file, MOST_BYTES)?;
        let text = match text::decoded(bytes) {
            Ok(text) => text,
            Err(problem) => {
                geometry.note(format!("{} {problem}", file.display()));
                return Ok(());
            }
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut current = None;
        for (_, line) in text::lines(&text) {
            let (word, rest) = text::split(&line);
            if word.eq_ignore_ascii_case("newmtl") {
                let name = text::name(rest).to_owned();
                let fresh = Definition {
                    folder: folder.to_path_buf(),
                    ..Definition::default()
                };
                self.defined.insert(name.clone(), fresh);
                current = Some(name);
            } else if let Some(name) = &current
                && let Some(definition) = self.defined.get_mut(name)
            {
                definition.line(word, rest, name, geometry);
            }
        }
        Ok(())
    }

    /// The textures that exist, of all materials.
    pub(super) fn textures(&self, model: &Path) -> Vec<PathBuf> {
        let defined = self.defined.values();
        let maps = defined.flat_map(|d| d.maps.iter().map(move |(_, map)| (&d.folder, map)));
        let mut found: Vec<PathBuf> = maps
            .filter_map(|(folder, map)| texture::find(model, folder, &map.file))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The material of this name with its textures, if a .mtl of the `model` defines it.
    ///
    /// # Errors
    /// If a texture is broken or too large.
    pub(super) fn material(
        &mut self,
        name: &str,
        model: &Path,
        geometry: &mut Geometry,
    ) -> Result<Option<Material>> {
        let Some(definition) = self.defined.get(name) else {
            return Ok(None);
        };
        let mut material = definition.plain(name, geometry);
        for (purpose, map) in &definition.maps {
            let Some(file) = texture::find(model, &definition.folder, &map.file) else {
                geometry.note(format!(
                    "its texture `{}` is missing; put it beside the model",
                    map.file
                ));
                continue;
            };
            let content = match purpose {
                Use::Colour | Use::Emission => Content::Colour,
                Use::Opacity | Use::Bump | Use::Normal => Content::Data,
            };
            let wrap = if map.clamp { Wrap::Clamp } else { Wrap::Repeat };
            let picture = match purpose {
                Use::Bump => self.pictures.bumps(&file, wrap)?,
                _ => self.pictures.read(&file, content)?,
            };
            material.put(
                *purpose,
                map,
                Texture {
                    picture,
                    set: 0,
                    place: map.place(),
                    wrap: [wrap; 2],
                },
            );
        }
        Ok(Some(material))
    }
}

impl Material {
    fn put(&mut self, purpose: Use, map: &Map, texture: Texture) {
        let Textures {
            colour,
            normal,
            emission,
            opacity,
            ..
        } = &mut self.textures;
        match purpose {
            Use::Colour => {
                // Some programs write black beside the picture that is to count.
                if self.colour == Vec3A::ZERO || !self.own {
                    self.colour = Vec3A::ONE;
                }
                self.own = true;
                *colour = Some(texture);
            }
            Use::Emission => {
                if self.emission == Vec3A::ZERO {
                    self.emission = Vec3A::ONE;
                }
                *emission = Some(texture);
            }
            Use::Opacity => {
                self.alpha = Alpha::Blend;
                *opacity = Some(texture);
            }
            Use::Bump | Use::Normal => *normal = Some((texture, map.strength)),
        }
    }
}

impl Definition {
    fn line(&mut self, word: &str, rest: &str, name: &str, geometry: &mut Geometry) {
        let map = |purpose| Some((purpose, Map::parse(rest)?));
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "kd" => self.colour = colour(rest).or(self.colour),
            "ks" => self.specular = colour(rest).or(self.specular),
            "ke" => self.emission = colour(rest).unwrap_or(self.emission),
            "ns" => self.shininess = number(rest).or(self.shininess),
            // `d -halo 0.5`
            "d" => self.opacity = rest.split_ascii_whitespace().rev().find_map(number),
            "tr" => self.transparency = number(rest),
            "pr" => self.roughness = number(rest),
            "pm" => self.metallic = number(rest).unwrap_or(0.0).clamp(0.0, 1.0),
            "illum" => self.matt = matches!(number(rest), Some(0.0..=1.0)),
            "map_kd" => self.maps.extend(map(Use::Colour)),
            "map_ke" => self.maps.extend(map(Use::Emission)),
            "map_d" => self.maps.extend(map(Use::Opacity)),
            "map_bump" | "bump" => self.maps.extend(map(Use::Bump)),
            "norm" | "map_kn" => self.maps.extend(map(Use::Normal)),
            "map_ks" | "map_ns" | "map_pr" | "map_pm" | "map_tr" | "disp" | "decal" | "refl" => {
                geometry.note(format!(
                    "`{word}` of its material `{name}` is not used; export it as glTF if it matters"
                ));
            }
            _ => {}
        }
    }

    /// The material without its pictures.
    fn plain(&self, name: &str, geometry: &mut Geometry) -> Material {
        let transparency = self.transparency.map(|t| 1.0 - t);
        let mut opacity = self.opacity.or(transparency).unwrap_or(1.0).clamp(0.0, 1.0);
        if opacity == 0.0 {
            geometry.note(format!(
                "its material `{name}` cannot be seen at all (`d 0`), and is taken as opaque; correct `d`"
            ));
            opacity = 1.0;
        }
        let default = Material::named(name);
        let specular = self
            .specular
            .map(|s| (2.0 * luminance(s.to_array())).min(2.5));
        // Of Blinn and Phong's exponent to that of a microfacet model (Karis 2013).
        let shininess = self
            .shininess
            .map(|n| (2.0 / (n.max(0.0) + 2.0)).powf(0.25));
        Material {
            own: self.colour.is_some(),
            colour: self.colour.unwrap_or(default.colour),
            opacity,
            alpha: if opacity < 1.0 {
                Alpha::Blend
            } else {
                Alpha::Opaque
            },
            metallic: self.metallic,
            roughness: self.roughness.or(shininess).map(|r| r.clamp(0.0, 1.0)),
            gloss: if self.matt {
                0.0
            } else {
                specular.unwrap_or(1.0)
            },
            emission: self.emission,
            ..default
        }
    }
}

/// Three numbers, or one for all three.
fn colour(text: &str) -> Option<Vec3A> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next().and_then(number)?;
    let [g, b] = [(); 2].map(|()| words.next().and_then(number).unwrap_or(first));
    Some(Vec3A::new(first, g, b).max(Vec3A::ZERO))
}

/// The first word as a finite number.
fn number(text: &str) -> Option<f32> {
    let word = text.split_ascii_whitespace().next()?;
    word.parse().ok().filter(|value: &f32| value.is_finite())
}

impl Map {
    /// Reads options and, in the rest of the line, the file's name, which may have spaces.
    fn parse(text: &str) -> Option<Self> {
        let mut map = Map {
            file: String::new(),
            scale: Vec2::ONE,
            offset: Vec2::ZERO,
            clamp: false,
            strength: 1.0,
        };
        let mut rest = text::name(text);
        while rest.starts_with('-') {
            let (option, after) = text::split(rest);
            // How many words follow at most, and whether they are numbers.
            let (most, numbers) = match option {
                "-s" | "-o" | "-t" => (3, true),
                "-mm" => (2, true),
                "-bm" | "-boost" | "-texres" => (1, true),
                "-clamp" | "-blendu" | "-blendv" | "-cc" | "-imfchan" | "-type" => (1, false),
                // A file whose name begins with a dash.
                _ => break,
            };
            rest = after.trim_start();
            let mut values = [None; 3];
            for value in values.iter_mut().take(most) {
                let (word, after) = text::split(rest);
                *value = number(word);
                if numbers && value.is_none() || after.is_empty() {
                    break;
                }
                if !numbers && option == "-clamp" {
                    map.clamp = word.eq_ignore_ascii_case("on");
                }
                rest = after.trim_start();
            }
            let pair = |none: f32| vec2(values[0].unwrap_or(none), values[1].unwrap_or(none));
            match option {
                "-s" => map.scale = pair(1.0),
                "-o" => map.offset = pair(0.0),
                "-bm" => map.strength = values[0].unwrap_or(1.0),
                _ => {}
            }
        }
        rest.trim_matches('"').clone_into(&mut map.file);
        (!map.file.is_empty()).then_some(map)
    }

    /// Scale and offset, which are meant for a v that points up.
    fn place(&self) -> Affine2 {
        let Map { scale, offset, .. } = self;
        // v' = 1 - ((1 - v) s + o)
        Affine2 {
            matrix2: Mat2::from_diagonal(*scale),
            translation: vec2(offset.x, 1.0 - scale.y - offset.y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::texture::tests::png;
    use super::*;
    use crate::testing::mutations::assert_survived;

    /// What a .mtl says of a material, beside a picture `skin.png`.
    fn material(text: &str, name: &str) -> (Material, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("part.obj");
        let file = folder.path().join("part.mtl");
        std::fs::write(&file, text).unwrap();
        let skin = png(2, 2, |x, _| [200 * x as u8, 0, 0, 255]);
        std::fs::write(folder.path().join("skin.png"), &skin).unwrap();
        std::fs::create_dir(folder.path().join("my maps")).unwrap();
        std::fs::write(folder.path().join("my maps/skin 2.png"), skin).unwrap();
        let (mut library, mut geometry) = (Library::default(), Geometry::default());
        library.add(&file, &mut geometry).unwrap();
        let found = library.material(name, &model, &mut geometry);
        (found.unwrap().unwrap(), geometry.unused)
    }

    #[test]
    fn colours_gloss_and_opacity_are_read() {
        let text = "newmtl a b\r\nKd 0.8 0.02 0.5 # red\r\nKs 0.5 0.5 0.5\r\nNs 250\r\nd 0.25\r\n\
                    Ke 0 1 0\r\nnewmtl other\r\nKd 1 1 1\r\nTr 0.75\r\nillum 1\r\nPr 0.3\r\nPm 1\r\n";
        let (first, _) = material(text, "a b");
        assert_eq!(first.colour, Vec3A::new(0.8, 0.02, 0.5));
        assert!(first.own && (first.gloss - 1.0).abs() < 1e-5);
        assert!((first.roughness.unwrap() - 0.298).abs() < 1e-2);
        assert_eq!((first.opacity, first.alpha), (0.25, Alpha::Blend));
        assert_eq!(first.emission, Vec3A::Y);
        let (second, unused) = material(text, "other");
        assert_eq!(
            (second.opacity, second.gloss, second.metallic),
            (0.25, 0.0, 1.0)
        );
        assert_eq!(second.roughness, Some(0.3));
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn maps_are_found_with_options_spaces_and_backslashes() {
        for line in [
            "map_Kd skin.png",
            "map_kd -s 2 2 1 -o 0.5 0 0 -clamp on skin.png",
            "map_Kd Skin.PNG",
            "map_Kd my maps\\skin 2.png",
            "map_Kd C:\\work\\maps\\skin.png",
            "map_Kd -mm 0 1 -blendu on -imfchan r \"skin.png\" # skin",
        ] {
            let (found, unused) = material(&format!("newmtl a\nKd 0 0 0\n{line}\n"), "a");
            assert!(found.textures.colour.is_some(), "{line}: {unused:?}");
            assert_eq!(found.colour, Vec3A::ONE, "{line}");
        }
        let (found, _) = material("newmtl a\nbump -bm 0.5 skin.png\nmap_d skin.png\n", "a");
        assert_eq!(found.textures.normal.unwrap().1, 0.5);
        assert_eq!(found.alpha, Alpha::Blend);
    }

    #[test]
    fn bumps_that_are_heights_are_turned_into_normals() {
        let folder = tempfile::tempdir().unwrap();
        let (model, file) = (
            folder.path().join("part.obj"),
            folder.path().join("part.mtl"),
        );
        std::fs::write(&file, "newmtl a\nmap_Bump -bm 0.5 -clamp on rise.png\n").unwrap();
        let rise = png(4, 1, |x, _| [60 * x as u8, 60 * x as u8, 60 * x as u8, 255]);
        std::fs::write(folder.path().join("rise.png"), rise).unwrap();
        let (mut library, mut geometry) = (Library::default(), Geometry::default());
        library.add(&file, &mut geometry).unwrap();
        let found = library
            .material("a", &model, &mut geometry)
            .unwrap()
            .unwrap();
        let (texture, strength) = found.textures.normal.unwrap();
        let normal = texture.sample(vec2(0.5, 0.5), 0.0);
        assert!(
            normal.x < 0.4 && (normal.y - 0.5).abs() < 0.01 && normal.z > 0.8,
            "{normal}"
        );
        assert_eq!((strength, geometry.unused), (0.5, vec![]));
    }

    #[test]
    fn offsets_are_meant_for_a_v_that_points_up() {
        let map = Map::parse("-s 2 3 -o 0.25 0.5 0 a.png").unwrap();
        let [u, v] = [0.3, 0.7];
        let placed = map.place().transform_point2(vec2(u, 1.0 - v));
        assert!(placed.distance(vec2(2.0 * u + 0.25, 1.0 - (3.0 * v + 0.5))) < 1e-5);
    }

    #[test]
    fn what_is_missing_or_not_used_is_noted() {
        let text = "newmtl a\nKd 1 0 0\nmap_Kd ../../etc/none.png\nmap_Ns gloss.png\nd 0\n";
        let (found, unused) = material(text, "a");
        assert!(found.textures.colour.is_none());
        assert_eq!(found.opacity, 1.0);
        for part in ["`../../etc/none.png` is missing", "`map_Ns`", "`d 0`"] {
            assert!(
                unused.iter().any(|note| note.contains(part)),
                "{part}: {unused:?}"
            );
        }
    }

    #[test]
    fn mutated_materials_are_read_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.mtl");
        let text = "newmtl a\nKd 0.8 0.1 0.1\nKs 1 1 1\nNs 90\nd 0.5\nmap_Kd -s 2 2 -o 1 1 a.png\n";
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            let (mut library, mut geometry) = (Library::default(), Geometry::default());
            library.add(&file, &mut geometry)?;
            library.material("a", &folder.path().join("part.obj"), &mut geometry)
        };
        assert_survived("part.mtl", text.as_bytes(), |_| (), read);
    }
}
