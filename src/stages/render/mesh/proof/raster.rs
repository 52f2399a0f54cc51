//! A rasteriser in homogeneous coordinates (Olano and Greer 1997): three edge functions decide whether a pixel's
//! middle is in a triangle, also where a corner lies behind the camera, so that nothing need be clipped.

use glam::{DMat3, DVec2, DVec3, IVec2, Mat3A, Vec2, Vec3A, Vec3Swizzles};

use super::super::material::Alpha;
use super::super::model::{Model, SEEN};
use crate::sample::{Camera, Extent};

/// A model where a recorded pose puts it.
pub(super) struct Body<'a> {
    pub model: &'a Model,
    rotation: DMat3,
    shift: DVec3,
}

impl<'a> Body<'a> {
    pub(super) fn new(model: &'a Model, pose: [f32; 12]) -> Self {
        let p = pose.map(f64::from);
        Body {
            model,
            rotation: DMat3::from_cols_array(&[
                p[0], p[4], p[8], p[1], p[5], p[9], p[2], p[6], p[10],
            ]),
            shift: DVec3::new(p[3], p[7], p[11]),
        }
    }

    /// A point of the model's coordinates in those of the camera, in metres.
    pub(super) fn place(&self, point: Vec3A) -> DVec3 {
        // The pose counts from the origin of the file.
        self.turn(point, self.model.origin) + self.shift
    }

    /// Least and greatest coordinate of the placed vertices along each axis of the pose, in metres.
    pub(super) fn bounds(&self) -> [f64; 6] {
        let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
        for vertex in self.model.triangle_corners().flatten() {
            let along = self.rotation.transpose() * (self.place(vertex) - self.shift);
            (low, high) = (low.min(along), high.max(along));
        }
        let [[a, b, c], [d, e, f]] = [low, high].map(|corner| corner.to_array());
        [a, b, c, d, e, f]
    }

    /// A direction of the model in the camera's coordinates.
    pub(super) fn direction(&self, direction: Vec3A) -> DVec3 {
        self.turn(direction, Vec3A::ZERO)
    }

    fn turn(&self, point: Vec3A, origin: Vec3A) -> DVec3 {
        let [point, origin] =
            [point, origin].map(|v| DVec3::from_array(v.to_array().map(f64::from)));
        self.rotation * (point + origin)
    }

    /// From the model's coordinates to homogeneous ones, in 32 bits.
    fn roughly(&self, view: View) -> (Mat3A, Vec3A) {
        let matrix = view.matrix() * self.rotation;
        let shift = view.homogeneous(self.place(Vec3A::ZERO));
        (Mat3A::from(matrix.as_mat3()), shift.as_vec3a())
    }

    /// Corners of a box in pixels that holds all of it; `None` if some of it may lie behind the camera.
    fn outer_bounds(&self, view: View) -> Option<[DVec2; 2]> {
        let centre = self.place(self.model.centre);
        let radius = f64::from(self.model.radius);
        let mut corners = (0..8).map(|i| {
            let side = |bit: u32| if i >> bit & 1 == 1 { radius } else { -radius };
            view.homogeneous(centre + DVec3::new(side(0), side(1), side(2)))
        });
        corners.try_fold(NOTHING, |bounds, corner| {
            (corner.z > 0.0).then(|| around(bounds, corner.truncate() / corner.z))
        })
    }

    /// Whether labels see a triangle at the point with these weights of its corners.
    fn is_seen(&self, triangle: usize, corners: [Vec3A; 3], weights: DVec3) -> bool {
        let weights = (weights / weights.element_sum()).as_vec3();
        let point = corners[0] * weights.x + corners[1] * weights.y + corners[2] * weights.z;
        let contact = self.model.contact(triangle, point);
        let material = &self.model.materials[contact.material];
        match material.alpha {
            Alpha::Opaque => true,
            Alpha::Mask(cutoff) => material.opacity_at(self.model, &contact) >= cutoff,
            Alpha::Blend => material.opacity_at(self.model, &contact) >= SEEN,
        }
    }
}

/// What a camera sees, moved by a part of a pixel.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub camera: Camera,
    pub moved: DVec2,
}

impl View {
    fn matrix(self) -> DMat3 {
        let [fx, fy, cx, cy] = self.camera.to_array().map(f64::from);
        let centre = DVec2::new(cx, cy) + self.moved;
        DMat3::from_cols(DVec3::X * fx, DVec3::Y * fy, centre.extend(1.0))
    }

    /// A point before the camera in pixels times its depth, and the depth.
    pub(super) fn homogeneous(self, point: DVec3) -> DVec3 {
        self.matrix() * point
    }

    /// The direction to the middle of a pixel, one metre deep.
    pub(super) fn towards(self, x: u32, y: u32) -> DVec3 {
        let [fx, fy, cx, cy] = self.camera.to_array().map(f64::from);
        let pixel = DVec2::new(x.into(), y.into()) + 0.5 - DVec2::new(cx, cy) - self.moved;
        DVec3::new(pixel.x / fx, pixel.y / fy, 1.0)
    }
}

/// The box around no point: lowest and highest corner.
const NOTHING: [DVec2; 2] = [DVec2::INFINITY, DVec2::NEG_INFINITY];

/// The box around a box and a point.
fn around([low, high]: [DVec2; 2], point: DVec2) -> [DVec2; 2] {
    [low.min(point), high.max(point)]
}

/// The depths of a body alone, in metres, over a part of the plane of the picture.
pub(super) struct Layer {
    /// Corners of the body's box in pixels; of no meaning if some of it lies behind the camera.
    pub bounds: [DVec2; 2],
    low: IVec2,
    size: IVec2,
    depths: Vec<f32>,
}

impl Layer {
    /// Rasterises a body in the picture and as far beyond as `reach` pictures on all sides.
    pub(super) fn of(body: &Body, view: View, picture: Extent, reach: i32) -> Layer {
        let sides = IVec2::new(picture.width as i32, picture.height as i32);
        let frame = [sides * -reach, sides * (reach + 1)];
        let [low, high] = match body.outer_bounds(view) {
            Some([low, high]) => [
                low.floor().as_ivec2().clamp(frame[0], frame[1]),
                high.ceil().as_ivec2().clamp(frame[0], frame[1]),
            ],
            None => frame,
        };
        let size = high - low;
        let mut layer = Layer {
            bounds: NOTHING,
            low,
            size,
            depths: vec![f32::INFINITY; (size.x * size.y) as usize],
        };
        let solid = body
            .model
            .materials
            .iter()
            .all(|m| m.alpha == Alpha::Opaque);
        let (matrix, shift) = body.roughly(view);
        for (number, corners) in body.model.triangle_corners().enumerate() {
            if let Some(pixels) = layer.pixels_of(corners.map(|c| matrix * c + shift)) {
                let placed = corners.map(|c| view.homogeneous(body.place(c)));
                layer.fill(placed, pixels, |weights| {
                    solid || body.is_seen(number, corners, weights)
                });
            }
        }
        layer
    }

    /// The first and the last of the pixels whose middles may lie in a triangle; `None` if there are none, which is
    /// so for most triangles of a fine model. Corners in 32 bits are a hundredth of a pixel off at most.
    fn pixels_of(&mut self, [a, b, c]: [Vec3A; 3]) -> Option<[IVec2; 2]> {
        const MARGIN: Vec2 = Vec2::splat(0.5 + 0.02);
        if a.z.max(b.z).max(c.z) <= 0.0 {
            return None;
        }
        let (mut first, mut last) = (self.low, self.low + self.size - 1);
        if a.z.min(b.z).min(c.z) > 0.0 {
            let [a, b, c] = [a, b, c].map(|corner| corner.xy() / corner.z);
            let (low, high) = (a.min(b).min(c), a.max(b).max(c));
            self.bounds = around(around(self.bounds, low.as_dvec2()), high.as_dvec2());
            first = first.max((low - MARGIN).ceil().as_ivec2());
            last = last.min((high - 1.0 + MARGIN).floor().as_ivec2());
        } else {
            self.bounds = [DVec2::NEG_INFINITY, DVec2::INFINITY];
        }
        first.cmple(last).all().then_some([first, last])
    }

    /// Adds a triangle where it is nearest and `seen` at the weights of its corners.
    fn fill(
        &mut self,
        [a, b, c]: [DVec3; 3],
        [first, last]: [IVec2; 2],
        seen: impl Fn(DVec3) -> bool,
    ) {
        let edges = [b.cross(c), c.cross(a), a.cross(b)];
        let volume = a.dot(edges[0]);
        for y in first.y..=last.y {
            for x in first.x..=last.x {
                let pixel = DVec3::new(f64::from(x) + 0.5, f64::from(y) + 0.5, 1.0);
                let weights =
                    DVec3::from_array(edges.map(|edge| edge.dot(pixel))) * volume.signum();
                let depth = (volume.abs() / weights.element_sum()) as f32;
                if weights.min_element() < 0.0 || !(depth > 0.0 && depth.is_finite()) {
                    continue;
                }
                let place = IVec2::new(x, y) - self.low;
                let nearest = &mut self.depths[(place.y * self.size.x + place.x) as usize];
                if depth < *nearest && seen(weights) {
                    *nearest = depth;
                }
            }
        }
    }

    /// The depth at a pixel, infinite where the body is not.
    pub(super) fn at(&self, x: i32, y: i32) -> f32 {
        let place = IVec2::new(x, y) - self.low;
        let inside = place.cmpge(IVec2::ZERO).all() && place.cmplt(self.size).all();
        match inside {
            true => self.depths[(place.y * self.size.x + place.x) as usize],
            false => f32::INFINITY,
        }
    }

    /// First pixel, and the one beyond the last, of the box around those that the body covers.
    pub(super) fn pixel_bounds(&self) -> [IVec2; 2] {
        let covered = self
            .depths
            .iter()
            .enumerate()
            .filter(|(_, depth)| depth.is_finite());
        let pixels = covered
            .map(|(i, _)| self.low + IVec2::new(i as i32 % self.size.x, i as i32 / self.size.x));
        pixels.fold([IVec2::MAX, IVec2::MIN], |[low, high], pixel| {
            [low.min(pixel), high.max(pixel + 1)]
        })
    }

    /// Pixels that the body covers.
    pub(super) fn covered(&self) -> usize {
        self.depths.iter().filter(|depth| depth.is_finite()).count()
    }
}
