//! The labels of a picture, worked out a second time: from the camera and the poses that they record and from the
//! triangles of the models, by a rasteriser that shares no line with the ray tracer.
//!
//! Both ask what is at the middle of each pixel, so that they may differ only where an edge runs through it. A
//! pixel is therefore right if the rasteriser finds there what the label says, or does so in a picture that is
//! moved by less than a tenth of a pixel.

mod raster;

use glam::{DVec2, DVec3, Vec3A};

use self::raster::{Body, Layer, View};
use super::geometry::Face;
use super::labels::pose;
use super::model::Model;
use super::scene::Scene;
use crate::sample::maps::{self, depth};
use crate::sample::{Extent, Labels, Object, Visibility};

/// How far an edge or a point may be from where the labels have it, in pixels.
const SLACK: f64 = 0.05;

/// The ray tracer counts in 32 bits: its rounding, over the size of what is rounded.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

/// How far beyond the picture an object is looked for, in pictures.
const REACH: i32 = 3;

/// What the labels do not record of a scene: which models it shows, and where its table is.
pub(super) struct Shown<'a> {
    /// Model and face of every labelled object.
    pub objects: Vec<(&'a Model, &'a Face)>,
    /// What hides them without a label: model and pose.
    pub others: Vec<(&'a Model, [f32; 12])>,
    /// Upwards, in the camera's coordinates.
    pub up: Vec3A,
    /// Of the camera above the table, in metres.
    pub height: f32,
}

impl<'a> Shown<'a> {
    /// `ids` are the instances at the pixels.
    pub(super) fn new(scene: &'a Scene, ids: &[Option<usize>]) -> Self {
        let instances = scene.instances.iter().enumerate();
        let seen = instances.filter(|(number, _)| ids.contains(&Some(*number)));
        let seen = seen.map(|(_, instance)| instance);
        let (objects, others): (Vec<_>, Vec<_>) = seen.partition(|instance| instance.labelled);
        Shown {
            objects: objects
                .into_iter()
                .map(|instance| (instance.model, instance.face()))
                .collect(),
            others: others
                .into_iter()
                .map(|instance| (instance.model, pose(scene, instance)))
                .collect(),
            up: scene.camera.rotation * Vec3A::Y,
            height: scene.camera.position.y,
        }
    }

    /// What is wrong with the labels of a picture of this size, in words; `None` if they hold.
    pub(super) fn fault(&self, labels: &Labels, size: Extent) -> Option<String> {
        let objects = labels.objects();
        if objects.len() != self.objects.len() {
            let (labelled, shown) = (objects.len(), self.objects.len());
            return Some(format!(
                "{labelled} objects are labelled, and {shown} can be seen"
            ));
        }
        let Some(camera) = labels.camera else {
            return Some("the camera is not recorded".to_owned());
        };
        let view = View {
            camera,
            moved: DVec2::ZERO,
        };
        let bodies: Option<Vec<Body>> = objects
            .iter()
            .zip(&self.objects)
            .map(|(object, (model, _))| Some(Body::new(model, object.pose?)))
            .collect();
        let others = self.others.iter();
        let others = others.map(|(model, pose)| Body::new(model, *pose));
        let bodies = bodies.map(|bodies| bodies.into_iter().chain(others).collect::<Vec<_>>());
        let Some(bodies) = bodies else {
            return Some("a pose is not recorded".to_owned());
        };
        let slack = bodies
            .iter()
            .map(|body| slack(body, view))
            .fold(SLACK, f64::max);
        let drawn = self.draw(&bodies, view, size, REACH);
        let fault = self.pixels_fault(labels, &bodies, (view, slack), &drawn);
        fault.or_else(|| {
            (0..objects.len()).find_map(|number| {
                let (object, body) = (&objects[number], &bodies[number]);
                let (model, face) = self.objects[number];
                let fault = class_fault(object, (model, face), body, self.up)
                    .or_else(|| box_fault(object, &drawn.layers[number], slack, size))
                    .or_else(|| box_3d_fault(object, body))
                    .or_else(|| drawn.visible_fault(number, object))
                    .or_else(|| drawn.amodal_fault(number, object))
                    .or_else(|| drawn.keypoints_fault((object, face, body), (view, slack)));
                fault.map(|fault| {
                    format!(
                        "object {number} (`{}`, {}) {fault}",
                        object.class, model.path
                    )
                })
            })
        })
    }

    /// Rasterises all bodies and the table; those of labelled objects as far as `reach` pictures beyond the picture.
    fn draw(&self, bodies: &[Body], view: View, size: Extent, reach: i32) -> Drawn {
        let layers: Vec<Layer> = bodies
            .iter()
            .enumerate()
            .map(|(number, body)| {
                let reach = if number < self.objects.len() {
                    reach
                } else {
                    0
                };
                Layer::of(body, view, size, reach)
            })
            .collect();
        let (mut ids, mut depths) = (
            Vec::with_capacity(size.area()),
            Vec::with_capacity(size.area()),
        );
        let up = DVec3::from_array(self.up.to_array().map(f64::from));
        for (y, x) in (0..size.height).flat_map(|y| (0..size.width).map(move |x| (y, x))) {
            let table = -f64::from(self.height) / up.dot(view.towards(x, y));
            let table = if table > 0.0 {
                table as f32
            } else {
                f32::INFINITY
            };
            let at = |layer: &Layer| layer.at(x as i32, y as i32);
            let (mut id, mut nearest) = (None, table);
            for (number, layer) in layers.iter().enumerate() {
                if at(layer) < nearest {
                    id = (number < self.objects.len()).then_some(number);
                    nearest = at(layer);
                }
            }
            ids.push(id);
            depths.push(nearest);
        }
        Drawn {
            size,
            layers,
            ids,
            depths,
        }
    }

    /// What is wrong with masks and depths.
    fn pixels_fault(
        &self,
        labels: &Labels,
        bodies: &[Body],
        (view, slack): (View, f64),
        drawn: &Drawn,
    ) -> Option<String> {
        let size = drawn.size;
        let said = match Said::of(labels, size) {
            Ok(said) => said,
            Err(fault) => return Some(fault),
        };
        let mut doubtful: Vec<usize> = (0..size.area())
            .filter(|&i| !said.holds(i, drawn.ids[i], [drawn.depths[i]; 2]))
            .collect();
        if doubtful.is_empty() {
            return None;
        }
        // An edge runs near the middle of the pixel if moving the picture a little shows the other side.
        let corners = [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)];
        let moved = corners.map(|(x, y)| {
            let moved = DVec2::new(x, y) * slack;
            self.draw(bodies, View { moved, ..view }, size, 0)
        });
        let around = slack.floor() as i32;
        let all = || moved.iter().chain([drawn]);
        doubtful.retain(|&i| {
            let depths = || {
                all()
                    .flat_map(|other| other.around(i, around))
                    .map(|(_, depth)| depth)
            };
            let range = [
                depths().fold(f32::INFINITY, f32::min),
                depths().fold(0.0, f32::max),
            ];
            let mut ids = all()
                .flat_map(|other| other.around(i, around))
                .map(|(id, _)| id);
            !ids.any(|id| said.holds(i, id, range))
        });
        let &first = doubtful.first()?;
        let (x, y) = (first as u32 % size.width, first as u32 / size.width);
        let name = |id: Option<usize>| {
            id.map_or("no object".to_owned(), |id| {
                format!("object {id} ({})", bodies[id].model.path)
            })
        };
        let (labelled, shown) = (said.ids[first], drawn.ids[first]);
        let place = format!("at {} pixels, first at ({x}, {y})", doubtful.len());
        Some(match labelled == shown {
            false => format!(
                "masks are wrong {place}, where they say {} and its model says {}",
                name(labelled),
                name(shown)
            ),
            true => format!(
                "depths are wrong {place}, where the map says {} steps and its model {} m",
                said.depths[first], drawn.depths[first]
            ),
        })
    }
}

/// How exactly a pose of 32 bits tells where a body is, in pixels.
fn slack(body: &Body, view: View) -> f64 {
    let centre = body.place(body.model.centre);
    let focal = f64::from(view.camera.fx.max(view.camera.fy));
    let far = f64::from((body.model.origin + body.model.centre).length());
    SLACK
        + ROUNDING * focal * (far + centre.length())
            / centre.z.abs().max(f64::from(body.model.size))
}

/// What masks and depth map of labels say of every pixel.
struct Said {
    ids: Vec<Option<usize>>,
    depths: Vec<u16>,
    /// Metres a step of the depths.
    step: f32,
}

impl Said {
    /// # Errors
    /// What is wrong if they cannot be right.
    fn of(labels: &Labels, size: Extent) -> Result<Said, String> {
        let mut ids = vec![None; size.area()];
        for (number, object) in labels.objects().iter().enumerate() {
            let mask = object.mask.as_ref().ok_or("an object has no mask")?;
            // Runs go down the columns, unset and set in turn.
            let mut position = 0;
            for (turn, &run) in mask.counts.iter().enumerate() {
                let end = position + run as usize;
                if end > size.area() {
                    return Err(format!(
                        "the mask of object {number} is larger than the picture"
                    ));
                }
                for place in (position..end).filter(|_| turn % 2 == 1) {
                    let (x, y) = (place / size.height as usize, place % size.height as usize);
                    let id = &mut ids[y * size.width as usize + x];
                    if id.replace(number).is_some() {
                        return Err(format!("the mask of object {number} covers another's"));
                    }
                }
                position = end;
            }
        }
        let png = labels
            .maps
            .get(&depth::MAP)
            .ok_or("there is no map of depths")?;
        let (values, dimensions) =
            maps::decode(&depth::MAP, png, "a render").map_err(|e| e.to_string())?;
        if dimensions != size.dimensions() {
            return Err("the map of depths has another size than the picture".to_owned());
        }
        Ok(Said {
            ids,
            depths: values.into_iter().map(|value| value[0]).collect(),
            step: labels.maps.step(&depth::MAP).unwrap_or(depth::STEP),
        })
    }

    /// Whether what is said of a pixel may be an object, or none, at a depth in this range.
    fn holds(&self, pixel: usize, id: Option<usize>, [near, far]: [f32; 2]) -> bool {
        // The last value stands for all that is farther than the map reaches.
        const LAST: f32 = u16::MAX as f32;
        let steps = |metres: f32| (metres / self.step).min(LAST);
        let said = f32::from(self.depths[pixel]);
        let rounding = 0.51 + ROUNDING as f32 * said;
        self.ids[pixel] == id && said >= steps(near) - rounding && said <= steps(far) + rounding
    }
}

/// A scene as the rasteriser sees it.
struct Drawn {
    size: Extent,
    /// Each body alone.
    layers: Vec<Layer>,
    ids: Vec<Option<usize>>,
    depths: Vec<f32>,
}

impl Drawn {
    /// What is at a pixel and at those up to `reach` from it.
    fn around(&self, pixel: usize, reach: i32) -> impl Iterator<Item = (Option<usize>, f32)> {
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        let (x, y) = (pixel as i32 % width, pixel as i32 / width);
        let rows = (y - reach).max(0)..=(y + reach).min(height - 1);
        let columns = (x - reach).max(0)..=(x + reach).min(width - 1);
        rows.flat_map(move |y| columns.clone().map(move |x| (y * width + x) as usize))
            .map(|i| (self.ids[i], self.depths[i]))
    }

    fn visible_fault(&self, number: usize, object: &Object) -> Option<String> {
        let seen = self.ids.iter().filter(|&&id| id == Some(number)).count();
        let alone = self.layers[number].covered().max(seen).max(1) as f32;
        let fraction = seen as f32 / alone;
        // Some pixels more or less along the edges.
        let slack = 0.01 + 4.0 / alone;
        let said = object.visible_fraction;
        ((said - fraction).abs() > slack).then(|| {
            format!("is labelled as visible by {said:.3}, and {fraction:.3} of it can be seen")
        })
    }

    /// Whether amodal box, mask and truncation, if there are any, are those of the body alone.
    fn amodal_fault(&self, number: usize, object: &Object) -> Option<String> {
        let (layer, size) = (&self.layers[number], self.size);
        // Pictures of one object have none.
        let amodal = object.amodal.as_ref()?;
        let [low, high] = layer.pixel_bounds();
        let sides = high - low;
        let own = [low.x, low.y, sides.x, sides.y].map(|value| value as f32);
        let off = own.iter().zip(amodal.bbox_xywh).map(|(a, b)| (a - b).abs());
        if off.fold(0.0, f32::max) > 1.0 {
            return Some(format!(
                "has the amodal box {:?}, and its model {own:?}",
                amodal.bbox_xywh
            ));
        }
        let mask = amodal.mask.as_ref()?.to_bitmap(size.width, size.height);
        let is_there = |x: i32, y: i32| layer.at(x, y).is_finite();
        let places =
            (0..size.height as i32).flat_map(|y| (0..size.width as i32).map(move |x| (x, y)));
        // An edge runs between neighbours of which one is there.
        let mut wrong = places.zip(&mask).filter(|&((x, y), &said)| {
            let near = || (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
            is_there(x, y) != said && near().all(|(x, y)| is_there(x, y) != said)
        });
        if let Some(((x, y), _)) = wrong.next() {
            return Some(format!("has a wrong amodal mask at ({x}, {y})"));
        }
        let inside = mask.iter().filter(|said| **said).count() as f32;
        let covered = layer.covered().max(1) as f32;
        let beyond = (1.0 - inside / covered).max(0.0);
        let said = object.truncation.unwrap_or(f32::NAN);
        // Some pixels more or less along the edges.
        let is_right = (said - beyond).abs() <= 0.01 + 4.0 / covered;
        (!is_right).then(|| {
            format!(
                "is labelled as cut off by {said:.3}, and {beyond:.3} of it lies beyond the picture"
            )
        })
    }

    fn keypoints_fault(
        &self,
        (object, face, body): (&Object, &Face, &Body),
        (view, slack): (View, f64),
    ) -> Option<String> {
        if object.keypoints.len() != face.keypoints.len() {
            let (labelled, own) = (object.keypoints.len(), face.keypoints.len());
            return Some(format!("has {labelled} keypoints, and its model {own}"));
        }
        for (keypoint, (name, point)) in object.keypoints.iter().zip(&face.keypoints) {
            if keypoint.name != *name {
                return Some(format!(
                    "has the keypoint `{}` in the place of `{name}`",
                    keypoint.name
                ));
            }
            let placed = body.place(*point);
            let pixel = view.homogeneous(placed).truncate() / placed.z;
            let off = (pixel - DVec2::new(keypoint.x.into(), keypoint.y.into())).length();
            // Far beyond the picture, and beside the camera, pixels are many and rounding is large.
            if off > slack + 1e-4 * pixel.length() && placed.z > 1e-3 * placed.length() {
                return Some(format!(
                    "has the keypoint `{name}` {off:.2} pixels from where its pose puts it"
                ));
            }
            if let Some(visibility) = self.visibility(pixel, placed, body.model.size)
                && visibility != keypoint.visibility
            {
                return Some(format!(
                    "has the keypoint `{name}` as {:?}, and it is {visibility:?}",
                    keypoint.visibility
                ));
            }
        }
        None
    }

    /// Whether a point at `pixel` can be seen; `None` if it is a near thing.
    fn visibility(&self, pixel: DVec2, placed: DVec3, size: f32) -> Option<Visibility> {
        let sides = DVec2::new(self.size.width.into(), self.size.height.into());
        let within = |margin: f64| {
            pixel.cmpge(DVec2::splat(-margin)).all() && pixel.cmplt(sides + margin).all()
        };
        match (within(-SLACK), within(SLACK)) {
            (true, _) => {}
            (false, false) => return Some(Visibility::Outside),
            _ => return None,
        }
        let place = pixel.y as usize * self.size.width as usize + pixel.x as usize;
        // A twentieth of the model's size along the ray still counts as its surface.
        let least = placed.z * (1.0 - 0.05 * f64::from(size) / placed.length());
        let margin = 0.02 * f64::from(size);
        let mut depths = self.around(place, 1).map(|(_, depth)| f64::from(depth));
        let (free, covered) = depths.try_fold((true, true), |(free, covered), depth| {
            let next = (
                free && depth > least + margin,
                covered && depth < least - margin,
            );
            (next.0 || next.1).then_some(next)
        })?;
        match (free, covered) {
            (true, false) => Some(Visibility::Visible),
            (false, true) => Some(Visibility::Hidden),
            _ => None,
        }
    }
}

/// Whether the class is that of the model's face, and none of another class lies more on top.
fn class_fault(
    object: &Object,
    (model, face): (&Model, &Face),
    body: &Body,
    up: Vec3A,
) -> Option<String> {
    if object.class != face.name {
        return Some(format!("is of the class `{}` of its model", face.name));
    }
    let up = DVec3::from_array(up.to_array().map(f64::from));
    let height = |face: &Face| body.direction(face.upright.inverse() * Vec3A::Y).dot(up);
    let own = height(face);
    let mut others = model.faces.iter().filter(|other| other.name != face.name);
    (model.has_named_faces() && others.any(|other| height(other) > own + 1e-3))
        .then(|| "does not lie with that face on top".to_owned())
}

/// Whether each side of the 3D box touches the outermost vertex that the pose puts on its axis.
fn box_3d_fault(object: &Object, body: &Body) -> Option<String> {
    let Some(said) = object.box_3d else {
        return Some("has no 3D box".to_owned());
    };
    let own = body.bounds();
    let far = f64::from((body.model.origin + body.model.centre).length());
    let slack = 1e-4 * f64::from(body.model.size) + ROUNDING * far;
    let off = own
        .iter()
        .zip(said)
        .map(|(own, said)| (own - f64::from(said)).abs());
    (off.fold(0.0, f64::max) > slack)
        .then(|| format!("has the 3D box {said:?}, and its model, where the pose puts it, {own:?}"))
}

/// Whether the box is that of the mask, and holds nothing beyond the projected triangles.
fn box_fault(object: &Object, layer: &Layer, slack: f64, size: Extent) -> Option<String> {
    let [x, y, width, height] = object.bbox_xywh.map(f64::from);
    let (low, high) = (DVec2::new(x, y), DVec2::new(x + width, y + height));
    let bitmap = object.mask.as_ref()?.to_bitmap(size.width, size.height);
    let columns = size.width as usize;
    let set = bitmap.iter().enumerate().filter(|(_, set)| **set);
    let corners = set.map(|(i, _)| DVec2::new((i % columns) as f64, (i / columns) as f64));
    let [least, most] = corners.fold(
        [DVec2::INFINITY, DVec2::NEG_INFINITY],
        |[least, most], corner| [least.min(corner), most.max(corner + 1.0)],
    );
    if (least - low).abs().max((most - high).abs()).max_element() > 1e-3 {
        return Some(format!(
            "has the box {:?}, and its mask another",
            object.bbox_xywh
        ));
    }
    let [least, most] = layer.bounds;
    // The middles of the outermost pixels lie on the object.
    let beyond = (least - low).max(high - most).max_element();
    (beyond > 0.5 + slack)
        .then(|| format!("has a box that reaches {beyond:.2} pixels beyond its model"))
}
