//! What a surface is made of, as the model's file says: colour, metal, roughness, light of its own, and the
//! pictures on it.
//!
//! The model is that of glTF, metallic and rough. All surfaces have two sides, whatever a file says: things that
//! stand on a table do.

use glam::{Vec2, Vec3A, Vec4};

use super::config::{Coating, Colour};
use super::geometry::MOST_SETS;
use super::model::{Contact, Model};
use super::texture::Texture;
use crate::sample::colour::to_linear;

/// How light gets through a surface.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Alpha {
    /// Not at all.
    #[default]
    Opaque,
    /// Where it is less opaque than this, there is a hole.
    Mask(f32),
    /// By the share that it is not opaque.
    Blend,
}

/// A material of the model.
pub(super) struct Material {
    pub name: String,
    /// Linear light, 0..1.
    pub colour: Vec3A,
    /// Whether the file says what it looks like; what it says nothing of is plain grey.
    pub own: bool,
    pub opacity: f32,
    pub alpha: Alpha,
    /// 0 (plastic) to 1 (metal).
    pub metallic: f32,
    /// 0 (mirror) to 1 (matt); drawn where the file says nothing.
    pub roughness: Option<f32>,
    /// Factor on the reflection of the coat.
    pub gloss: f32,
    /// Radiance of its own; 1 is that of a white table.
    pub emission: Vec3A,
    /// Whether the colours of vertices do not count.
    pub painted: bool,
    pub textures: Textures,
}

/// The pictures on a material.
#[derive(Default)]
pub(super) struct Textures {
    /// Factors on colour and opacity.
    pub colour: Option<Texture>,
    /// Factors on roughness (green) and metal (blue).
    pub metallic_roughness: Option<Texture>,
    /// Directions, and how far they bend the surface.
    pub normal: Option<(Texture, f32)>,
    /// Share of the surrounding light that gets here (red), and how much of that counts.
    pub occlusion: Option<(Texture, f32)>,
    /// Factor on the emission.
    pub emission: Option<Texture>,
    /// Opacity apart from the colour: its own opacity, or how bright it is.
    pub opacity: Option<Texture>,
}

/// A material at one point.
pub(super) struct Finish {
    /// Linear light, 0..1.
    pub colour: Vec3A,
    pub metallic: f32,
    pub roughness: f32,
    /// Reflection head on of what is not metal, as a share of the light.
    pub reflectance: f32,
    pub emission: Vec3A,
}

impl Material {
    /// A material of which the file says no more than a name.
    pub(super) fn named(name: &str) -> Self {
        Material {
            name: name.to_owned(),
            colour: Vec3A::splat(0.8),
            own: false,
            opacity: 1.0,
            alpha: Alpha::Opaque,
            metallic: 0.0,
            roughness: None,
            gloss: 1.0,
            emission: Vec3A::ZERO,
            painted: false,
            textures: Textures::default(),
        }
    }

    /// Puts what a pipeline file says in place of what the model's file does.
    pub(super) fn coat(&mut self, coating: &Coating) {
        if let Some(Colour(bytes)) = coating.colour {
            self.colour = Vec3A::from_array(bytes.map(|byte| to_linear(f32::from(byte) / 255.0)));
            self.textures.colour = None;
            (self.own, self.painted) = (true, true);
        }
        if coating.roughness.is_some() || coating.metallic.is_some() {
            self.textures.metallic_roughness = None;
        }
        self.roughness = coating.roughness.or(self.roughness);
        self.metallic = coating.metallic.unwrap_or(self.metallic);
        self.gloss = coating.gloss.unwrap_or(self.gloss);
    }

    /// Which sets of texture coordinates its pictures need.
    pub(super) fn sets(&self) -> [bool; MOST_SETS] {
        let Textures {
            colour,
            metallic_roughness,
            normal,
            occlusion,
            emission,
            opacity,
        } = &self.textures;
        let plain = [colour, metallic_roughness, emission, opacity].map(Option::as_ref);
        let scaled = [normal, occlusion].map(|pair| pair.as_ref().map(|pair| &pair.0));
        let used = plain.into_iter().chain(scaled).flatten();
        let mut sets = [false; MOST_SETS];
        used.for_each(|texture| sets[texture.set % MOST_SETS] = true);
        sets
    }

    /// The colour on the whole.
    pub(super) fn mean(&self) -> Vec3A {
        let texture = self.textures.colour.as_ref();
        self.colour * texture.map_or(Vec3A::ONE, |t| rgb(t.picture.mean()))
    }

    /// What the material is at a point, whose pixel reaches over `reach` metres of the surface; `roughness` and
    /// `reflectance` count where the file says nothing.
    pub(super) fn finish(
        &self,
        model: &Model,
        contact: &Contact,
        reach: f32,
        (roughness, reflectance): (f32, f32),
    ) -> Finish {
        let sample = |texture: &Option<Texture>| {
            let texture = texture.as_ref();
            texture.map_or(Vec4::ONE, |t| sampled(t, model, contact, reach))
        };
        let rough_metal = sample(&self.textures.metallic_roughness);
        Finish {
            colour: match self.painted {
                true => self.colour,
                false => {
                    self.colour
                        * rgb(sample(&self.textures.colour))
                        * rgb(model.vertex_colour(contact))
                }
            },
            metallic: self.metallic * rough_metal.z,
            roughness: self.roughness.map_or(roughness, |own| own * rough_metal.y),
            reflectance: reflectance * self.gloss,
            emission: self.emission * rgb(sample(&self.textures.emission)),
        }
    }

    /// The share of the surrounding light that gets to a point.
    pub(super) fn occlusion(&self, model: &Model, contact: &Contact, reach: f32) -> f32 {
        self.textures
            .occlusion
            .as_ref()
            .map_or(1.0, |(texture, strength)| {
                let open = sampled(texture, model, contact, reach).x;
                1.0 + strength * (open - 1.0)
            })
    }

    /// How opaque the material is at a point.
    pub(super) fn opacity_at(&self, model: &Model, contact: &Contact) -> f32 {
        let sample = |texture: &Texture| sampled(texture, model, contact, 0.0);
        let colour = self.textures.colour.as_ref();
        let colour = colour.filter(|t| t.picture.has_opacity());
        let apart = self.textures.opacity.as_ref().map(|texture| {
            let found = sample(texture);
            if texture.picture.has_opacity() {
                found.w
            } else {
                found.x
            }
        });
        self.opacity
            * colour.map_or(1.0, |t| sample(t).w)
            * apart.unwrap_or(1.0)
            * model.vertex_colour(contact).w
    }

    /// The `normal` of the model at a point, as its picture of normals bends it.
    pub(super) fn bent(
        &self,
        model: &Model,
        contact: &Contact,
        reach: f32,
        normal: Vec3A,
    ) -> Vec3A {
        let Some((texture, scale)) = &self.textures.normal else {
            return normal;
        };
        let Some((right, up)) = tangents(texture, model, contact) else {
            return normal;
        };
        let along = |v: Vec3A| (v - normal * normal.dot(v)).normalize_or_zero();
        let found = rgb(sampled(texture, model, contact, reach)) * 2.0 - Vec3A::ONE;
        let bent = along(right) * (found.x * scale) + along(up) * (found.y * scale);
        (bent + normal * found.z.max(1e-3)).normalize_or(normal)
    }
}

fn rgb(colour: Vec4) -> Vec3A {
    Vec3A::new(colour.x, colour.y, colour.z)
}

fn sampled(texture: &Texture, model: &Model, contact: &Contact, reach: f32) -> Vec4 {
    let Some(corners) = model.coordinates(contact.triangle, texture.set) else {
        return texture.sample(Vec2::ZERO, f32::INFINITY);
    };
    let [a, b, c] = contact.weights;
    let at = corners[0] * a + corners[1] * b + corners[2] * c;
    let [d1, d2] = model.edges(contact.triangle);
    let over = (corners[1] - corners[0]).perp_dot(corners[2] - corners[0]);
    let area = d1.cross(d2).length();
    texture.sample(
        at,
        reach * (over.abs() / area.max(f32::MIN_POSITIVE)).sqrt(),
    )
}

/// The directions on the surface in which a picture's right and upper side lie; none where the picture has no
/// extent.
fn tangents(texture: &Texture, model: &Model, contact: &Contact) -> Option<(Vec3A, Vec3A)> {
    let corners = model.coordinates(contact.triangle, texture.set)?;
    let [a, b, c] = corners.map(|at| texture.place.transform_point2(at));
    let [d1, d2] = model.edges(contact.triangle);
    let (e1, e2) = (b - a, c - a);
    let turn = e1.perp_dot(e2);
    let right = (d1 * e2.y - d2 * e1.y) * turn.signum();
    let down = (d2 * e1.x - d1 * e2.x) * turn.signum();
    (turn.abs() > 0.0 && turn.is_finite()).then_some((right, -down))
}
