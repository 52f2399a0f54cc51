//! What the list of models says of a file: its unit, the axis that points up, and its class.

use std::f32::consts::FRAC_PI_2;

use glam::{DVec3, Quat, Vec3, Vec3A, vec3a};
use obvhs::triangle::Triangle;

use super::geometry::Geometry;
use super::list;

impl Geometry {
    /// With all lengths multiplied by `scale`.
    pub(super) fn scaled(mut self, scale: f32) -> Self {
        for Triangle { v0, v1, v2 } in &mut self.triangles {
            [v0, v1, v2].into_iter().for_each(|v| *v *= scale);
        }
        let scale = f64::from(scale);
        self.keypoints
            .iter_mut()
            .for_each(|keypoint| keypoint.2 *= scale);
        self.origin = self.origin.map(|origin| origin * scale);
        self
    }

    /// Turned so that what was +z is +y.
    pub(super) fn with_z_up(mut self) -> Self {
        let turned = |v: Vec3A| vec3a(v.x, v.z, -v.y);
        let far = |v: DVec3| DVec3::new(v.x, v.z, -v.y);
        for Triangle { v0, v1, v2 } in &mut self.triangles {
            [v0, v1, v2].into_iter().for_each(|v| *v = turned(*v));
        }
        for corners in &mut self.corners {
            corners.normals = corners.normals.map(|v| Vec3::from(turned(v.into())));
        }
        self.keypoints
            .iter_mut()
            .for_each(|keypoint| keypoint.2 = far(keypoint.2));
        self.origin = self.origin.map(far);
        let back = Quat::from_rotation_x(FRAC_PI_2);
        self.faces.iter_mut().for_each(|face| face.upright *= back);
        self
    }

    /// Names the faces as classes: all of them `class` if it is given. Keypoints of several faces are then
    /// left out, since those of a class have names of their own.
    pub(super) fn name_faces(&mut self, class: Option<&str>) {
        if let Some(class) = class {
            if !self.faces.is_empty() {
                self.keypoints.clear();
            }
            self.faces
                .iter_mut()
                .for_each(|face| class.clone_into(&mut face.name));
            return;
        }
        let names: Vec<String> = self.faces.iter().map(|face| face.name.clone()).collect();
        for face in &mut self.faces {
            face.name = list::original(&face.name, &names).to_owned();
        }
    }
}
