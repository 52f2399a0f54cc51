//! The materials of a glTF and the pictures on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::{Affine2, Mat2, Vec3A, vec3a};
use gltf::material::AlphaMode;
use gltf::texture::WrappingMode;

use super::super::geometry::{Geometry, MOST_SETS};
use super::super::material::{Alpha, Material, Textures};
use super::super::model::GoOn;
use super::super::texture::{Content, Picture, Room, Texture, Wrap};
use super::accessor::Buffers;
use super::document::{InfoExtensions, InfoExtra, MaterialExtra};
use super::{inline, named};
use crate::sample::input;
use crate::{Error, Result};

/// Reads materials, and each picture on them once.
pub(super) struct MaterialReader<'a> {
    pub path: &'a Path,
    pub document: &'a gltf::Document,
    pub buffers: &'a Buffers<'a>,
    pub go_on: GoOn<'a>,
    room: Room,
    /// By number and meaning; none that is missing.
    pictures: HashMap<(usize, Content), Option<Arc<Picture>>>,
}

impl<'a> MaterialReader<'a> {
    pub(super) fn new(
        path: &'a Path,
        document: &'a gltf::Document,
        buffers: &'a Buffers<'a>,
        go_on: GoOn<'a>,
    ) -> Self {
        MaterialReader {
            path,
            document,
            buffers,
            go_on,
            room: Room::default(),
            pictures: HashMap::new(),
        }
    }

    /// A material with the extensions `extra`; what of it cannot be used is noted in `geometry`.
    ///
    /// # Errors
    /// If a picture is broken or too large, or the work is to end.
    pub(super) fn material(
        &mut self,
        material: &gltf::Material,
        extra: &MaterialExtra,
        geometry: &mut Geometry,
    ) -> Result<Material> {
        let base = material.pbr_metallic_roughness();
        let [r, g, b, opacity] = base.base_color_factor();
        let strength = extra.extensions.emissive_strength.as_ref();
        let mut found = Material {
            colour: vec3a(r, g, b),
            opacity,
            alpha: match material.alpha_mode() {
                AlphaMode::Opaque => Alpha::Opaque,
                AlphaMode::Mask => Alpha::Mask(material.alpha_cutoff().unwrap_or(0.5)),
                AlphaMode::Blend => Alpha::Blend,
            },
            metallic: base.metallic_factor(),
            roughness: Some(base.roughness_factor()),
            emission: Vec3A::from_array(material.emissive_factor())
                * strength.map_or(1.0, |s| s.emissive_strength),
            textures: self.textures(material, extra, geometry)?,
            ..Material::named(material.name().unwrap_or_default())
        };
        self.extend(&mut found, extra, geometry)?;
        found.own = found.colour != Vec3A::ONE
            || found.textures.colour.is_some()
            || found.emission != Vec3A::ZERO;
        Ok(found)
    }

    /// The pictures on a material.
    fn textures(
        &mut self,
        material: &gltf::Material,
        extra: &MaterialExtra,
        geometry: &mut Geometry,
    ) -> Result<Textures> {
        let base = material.pbr_metallic_roughness();
        let pbr = &extra.pbr_metallic_roughness;
        let (normal, occlusion) = (material.normal_texture(), material.occlusion_texture());
        let place = |info: gltf::texture::Info| (info.texture().index(), info.tex_coord());
        let mut read = |place: Option<(usize, u32)>, extra: &InfoExtra, content| {
            self.texture(place, &extra.extensions, content, geometry)
        };
        let colour = base.base_color_texture().map(place);
        let rough_metal = base.metallic_roughness_texture().map(place);
        let bent = normal
            .as_ref()
            .map(|n| (n.texture().index(), n.tex_coord()));
        let open = occlusion
            .as_ref()
            .map(|o| (o.texture().index(), o.tex_coord()));
        let emission = material.emissive_texture().map(place);
        Ok(Textures {
            colour: read(colour, &pbr.base_color_texture, Content::Colour)?,
            metallic_roughness: read(rough_metal, &pbr.metallic_roughness_texture, Content::Data)?,
            normal: read(bent, &extra.normal_texture, Content::Data)?
                .zip(normal.map(|n| n.scale())),
            occlusion: read(open, &extra.occlusion_texture, Content::Data)?
                .zip(occlusion.map(|o| o.strength())),
            emission: read(emission, &extra.emissive_texture, Content::Colour)?,
            opacity: None,
        })
    }

    /// What the extensions of a material change.
    fn extend(
        &mut self,
        material: &mut Material,
        extra: &MaterialExtra,
        geometry: &mut Geometry,
    ) -> Result<()> {
        if let Some(older) = &extra.extensions.specular_glossiness {
            let [r, g, b, opacity] = older.diffuse_factor;
            (material.colour, material.opacity) = (vec3a(r, g, b), opacity);
            material.metallic = 0.0;
            material.roughness = Some(1.0 - older.glossiness_factor);
            if let Some(info) = &older.diffuse_texture {
                let place = Some((info.index as usize, info.tex_coord));
                material.textures.colour =
                    self.texture(place, &info.extensions, Content::Colour, geometry)?;
            }
        }
        if extra.extensions.unlit.is_some() {
            // Scans whose light is in the picture: matt, since all else on the table is lit.
            material.metallic = 0.0;
            material.roughness = Some(1.0);
            material.gloss = 0.0;
        }
        Ok(())
    }

    /// The texture of a number and set of coordinates; none that is missing.
    fn texture(
        &mut self,
        info: Option<(usize, u32)>,
        extensions: &InfoExtensions,
        content: Content,
        geometry: &mut Geometry,
    ) -> Result<Option<Texture>> {
        let found = info.and_then(|(index, set)| Some((self.document.textures().nth(index)?, set)));
        let Some((texture, set)) = found else {
            return Ok(None);
        };
        let transform = extensions.transform.as_ref();
        let set = transform.and_then(|t| t.tex_coord).unwrap_or(set) as usize;
        if set >= MOST_SETS {
            geometry.note(format!(
                "a texture is placed by coordinates {set}, and only sets 0 to {} are read; \
                 use one of these",
                MOST_SETS - 1
            ));
            return Ok(None);
        }
        // Counter-clockwise in a picture whose v points down.
        let place = transform.map_or(Affine2::IDENTITY, |t| Affine2 {
            matrix2: Mat2::from_angle(-t.rotation) * Mat2::from_diagonal(t.scale.into()),
            translation: t.offset.into(),
        });
        let wrap = |mode| match mode {
            WrappingMode::ClampToEdge => Wrap::Clamp,
            WrappingMode::MirroredRepeat => Wrap::Mirror,
            WrappingMode::Repeat => Wrap::Repeat,
        };
        let sampler = texture.sampler();
        let picture = self.picture(texture.source().index(), content, geometry)?;
        Ok(picture.map(|picture| Texture {
            picture,
            set,
            place,
            wrap: [wrap(sampler.wrap_s()), wrap(sampler.wrap_t())],
        }))
    }

    fn picture(
        &mut self,
        number: usize,
        content: Content,
        geometry: &mut Geometry,
    ) -> Result<Option<Arc<Picture>>> {
        if let Some(known) = self.pictures.get(&(number, content)) {
            return Ok(known.clone());
        }
        (self.go_on)()?;
        let name = format!("{}: texture {number}", self.path.display());
        let picture = match self.bytes(number)? {
            Found::Bytes(bytes) => {
                Picture::decode(&bytes, &name, content, &mut self.room).map(Some)
            }
            Found::View(bytes) => Picture::decode(bytes, &name, content, &mut self.room).map(Some),
            Found::File(file) => {
                let bytes = input::read(&file, input::MOST_BYTES)?;
                let name = file.display().to_string();
                Picture::decode(&bytes, &name, content, &mut self.room).map(Some)
            }
            Found::Missing(what) => {
                geometry.note(format!("{what}; put the texture beside the model"));
                Ok(None)
            }
        };
        let picture = picture?.map(Arc::new);
        self.pictures.insert((number, content), picture.clone());
        Ok(picture)
    }

    /// Where the bytes of a picture are.
    fn bytes(&self, number: usize) -> Result<Found<'a>> {
        let json = self.document.as_json();
        let image = json.images.get(number);
        let broken = |problem: String| Error::failed(self.path.display(), problem, super::REMEDY);
        if let Some(uri) = image.and_then(|image| image.uri.as_deref()) {
            return match uri.strip_prefix("data:") {
                Some(data) => inline(data).map(Found::Bytes).map_err(broken),
                None => Ok(match named(self.path, uri) {
                    Ok(file) if file.exists() => Found::File(file),
                    Ok(_) => Found::Missing(format!("its texture `{uri}` is missing")),
                    Err(problem) => Found::Missing(problem),
                }),
            };
        }
        let view = image.and_then(|image| image.buffer_view);
        let view = view.and_then(|view| self.document.views().nth(view.value()));
        let bytes = view.and_then(|view| {
            let buffer = self.buffers.get(view.buffer().index())?;
            buffer.get(view.offset()..view.offset().checked_add(view.length())?)
        });
        bytes
            .map(Found::View)
            .ok_or_else(|| broken(format!("its texture {number} has no bytes")))
    }
}

/// Where a picture is found.
enum Found<'a> {
    Bytes(Vec<u8>),
    View(&'a [u8]),
    File(PathBuf),
    /// What is missing.
    Missing(String),
}
