//! Where a ray meets an instance, and what its surface is there.

use glam::Vec3A;

use super::material::{Finish, Material};
use super::model::{Contact, Model};
use super::scene::{Instance, Scene};
use super::surface::Surface;

/// A point of an instance that the camera sees, or whoever else looks from where the ray began.
pub(super) struct Spot<'a> {
    instance: &'a Instance<'a>,
    pub model: &'a Model,
    /// From the viewer, in the world; unit length.
    direction: Vec3A,
    /// In the model's coordinates.
    pub inside: Vec3A,
    pub contact: Contact,
    /// Metres of the surface that the ray stands for; those of half a pixel, if it is the camera's.
    reach: f32,
    /// The normal in the model's coordinates, on the viewer's side.
    facing: Vec3A,
}

impl<'a> Spot<'a> {
    /// The point of a triangle of an instance, `distance` metres from the camera.
    pub(super) fn new(
        scene: &Scene,
        instance: &'a Instance<'a>,
        triangle: usize,
        (distance, direction): (f32, Vec3A),
    ) -> Self {
        let point = scene.camera.position + direction * distance;
        // A pixel's samples share what it covers.
        let reach = 0.5 * distance / scene.camera.intrinsics.fx;
        Self::at(instance, triangle, (point, direction), reach)
    }

    /// The `point` of a triangle of an instance in the world, on a ray that covers `reach` metres there.
    pub(super) fn at(
        instance: &'a Instance<'a>,
        triangle: usize,
        (point, direction): (Vec3A, Vec3A),
        reach: f32,
    ) -> Self {
        let model = instance.model;
        let inside = instance.to_model(point);
        let contact = model.contact(triangle, inside);
        Spot {
            instance,
            model,
            direction,
            inside,
            reach,
            facing: contact.facing(instance.rotation.transpose() * direction),
            contact,
        }
    }

    pub(super) fn material(&self) -> &'a Material {
        &self.model.materials[self.contact.material]
    }

    pub(super) fn surface(&self) -> &'a Surface {
        &self.instance.surfaces[self.contact.material]
    }

    pub(super) fn finish(&self) -> Finish {
        self.surface()
            .finish(self.model, &self.contact, self.inside, self.reach)
    }

    /// The normal of the shape in the world, towards the viewer.
    pub(super) fn flat_normal(&self) -> Vec3A {
        self.towards_viewer(self.facing)
    }

    /// The same as pictures of normals bend it.
    pub(super) fn normal(&self) -> Vec3A {
        let (contact, reach) = (&self.contact, self.reach);
        self.towards_viewer(
            self.material()
                .bent(self.model, contact, reach, self.facing),
        )
    }

    fn towards_viewer(&self, normal: Vec3A) -> Vec3A {
        let (normal, direction) = (self.instance.rotation * normal, self.direction);
        match normal.dot(direction) > 0.0 {
            true => (normal - direction * (1.01 * normal.dot(direction))).normalize_or(-direction),
            false => normal,
        }
    }
}
