//! The labels of a picture, worked out a second time: the corners that they record say how the template's box is
//! seen (Heckbert 1989), and its drawing at full resolution says which pixels it then covers.
//!
//! The renderer filters the drawing, so that a pixel which is covered by about half may be labelled either way.

use glam::{DMat3, DVec2, DVec3, Vec2};

use super::texture::Texture;
use super::{CORNERS, Sign};
use crate::sample::{Extent, Labels, Object, Visibility};

/// A pixel that is covered by less than the first share is not labelled, by more than the second it is.
const DOUBTFUL: [f64; 2] = [0.2, 0.8];

/// How far a box may reach beyond the projected outline, in pixels.
const SLACK: f64 = 1.0;

/// What is wrong with the labels of a picture that shows these signs, the first in front; `None` if they hold.
pub(super) fn fault(signs: &[Sign], labels: &Labels, size: Extent) -> Option<String> {
    let objects = labels.objects();
    // A sign that the others hide has no label.
    let views: Vec<View> = signs
        .iter()
        .enumerate()
        .map(|(number, sign)| View::new(&sign.texture, corners(objects.get(number), sign), size))
        .collect();
    for (number, (object, view)) in objects.iter().zip(&views).enumerate() {
        let hiding = &views[..number];
        let fault =
            object_fault(object, view, size).or_else(|| keypoints_fault(object, hiding, size));
        if let Some(fault) = fault {
            let path = view.texture.path.display();
            return Some(format!(
                "object {number} (`{}`, {path}) {fault}",
                object.class
            ));
        }
    }
    masks_fault(objects, &views, size)
}

/// Where the labels have the corners of the template's box.
fn corners(object: Option<&Object>, sign: &Sign) -> [DVec2; 4] {
    let labelled = object.map(|object| object.keypoints.iter().map(|k| Vec2::new(k.x, k.y)));
    let labelled: Option<Vec<Vec2>> = labelled.map(Iterator::collect);
    let labelled = labelled.and_then(|corners| corners.try_into().ok());
    labelled
        .unwrap_or(sign.placement.corners)
        .map(Vec2::as_dvec2)
}

/// A template as the corners of its box say that it is seen.
struct View<'a> {
    texture: &'a Texture,
    /// From the template's box, 0..1, to pixels.
    forward: DMat3,
    inverse: DMat3,
    size: Extent,
    /// The share of every pixel of the picture that it covers, row by row.
    shares: Vec<f32>,
    /// Pixels that it covers without doubt, and at most, also beyond the picture.
    alone: [u32; 2],
}

impl<'a> View<'a> {
    fn new(texture: &'a Texture, [p0, p1, p2, p3]: [DVec2; 4], size: Extent) -> Self {
        let skew = p0 - p1 + p2 - p3;
        let (right, down) = (p1 - p2, p3 - p2);
        let g = skew.perp_dot(down) / right.perp_dot(down);
        let h = right.perp_dot(skew) / right.perp_dot(down);
        let forward = DMat3::from_cols(
            (p1 - p0 + p1 * g).extend(g),
            (p3 - p0 + p3 * h).extend(h),
            p0.extend(1.0),
        );
        let mut view = View {
            texture,
            forward,
            inverse: forward.inverse(),
            size,
            shares: vec![0.0; size.area()],
            alone: [0; 2],
        };
        let [low, high] = view.bounds();
        let (low, high) = (low.floor().as_i64vec2(), high.ceil().as_i64vec2());
        for (x, y) in (low.y..high.y).flat_map(|y| (low.x..high.x).map(move |x| (x, y))) {
            let share = view.sampled(x, y);
            view.alone[0] += u32::from(share > DOUBTFUL[1]);
            view.alone[1] += u32::from(share > DOUBTFUL[0]);
            if let Some(place) = view.place(x, y) {
                view.shares[place] = share as f32;
            }
        }
        view
    }

    /// The position of a pixel in `shares`; `None` beyond the picture.
    fn place(&self, x: i64, y: i64) -> Option<usize> {
        let (width, height) = (i64::from(self.size.width), i64::from(self.size.height));
        let inside = (0..width).contains(&x) && (0..height).contains(&y);
        inside.then_some((y * width + x) as usize)
    }

    /// The share of a pixel of the picture that the template covers.
    fn coverage(&self, x: i64, y: i64) -> f64 {
        self.place(x, y)
            .map_or(0.0, |place| self.shares[place].into())
    }

    fn sides(&self) -> [DVec2; 2] {
        let [low, high] = self.texture.bounds.map(Vec2::as_dvec2);
        [low, high - low]
    }

    /// The box of the projected outline, in pixels.
    fn bounds(&self) -> [DVec2; 2] {
        let [low, sides] = self.sides();
        let points = self.texture.outline.iter().map(|point| {
            let seen = self.forward * ((point.as_dvec2() - low) / sides).extend(1.0);
            seen.truncate() / seen.z
        });
        points.fold([DVec2::INFINITY, DVec2::NEG_INFINITY], |[low, high], p| {
            [low.min(p), high.max(p)]
        })
    }

    /// The share of a pixel that the template covers, from points in it: a few where these agree, else many.
    fn sampled(&self, x: i64, y: i64) -> f64 {
        let mean = |steps: u8| {
            let points = (0..steps * steps).map(|i| {
                let offset = DVec2::new((i % steps).into(), (i / steps).into()) + 0.5;
                self.opacity(DVec2::new(x as f64, y as f64) + offset / f64::from(steps))
            });
            points.sum::<f64>() / f64::from(steps * steps)
        };
        let few = mean(2);
        if (0.02..0.98).contains(&few) {
            mean(4)
        } else {
            few
        }
    }

    /// The opacity that is seen at a point of the picture.
    fn opacity(&self, pixel: DVec2) -> f64 {
        let [low, sides] = self.sides();
        let DVec3 { x, y, z } = self.inverse * pixel.extend(1.0);
        match z > 0.0 {
            true => self.texture.opacity(low + DVec2::new(x, y) / z * sides),
            false => 0.0,
        }
    }
}

/// What is wrong with class, box and visible fraction.
fn object_fault(object: &Object, view: &View, size: Extent) -> Option<String> {
    if object.class != view.texture.class {
        return Some(format!(
            "is of the class `{}` of its template",
            view.texture.class
        ));
    }
    let mask = object.mask.as_ref()?;
    if mask.bbox_xywh(size.height) != Some(object.bbox_xywh) {
        return Some(format!(
            "has the box {:?}, and its mask another",
            object.bbox_xywh
        ));
    }
    let [x, y, width, height] = object.bbox_xywh.map(f64::from);
    let [low, high] = view.bounds();
    let beyond = (low - DVec2::new(x, y))
        .max(DVec2::new(x + width, y + height) - high)
        .max_element();
    if beyond > SLACK {
        return Some(format!(
            "has a box that reaches {beyond:.2} pixels beyond its outline"
        ));
    }
    let [least, most] = view.alone;
    let fraction = |alone: u32| mask.area() as f32 / alone.max(1) as f32;
    let (said, low, high) = (
        object.visible_fraction,
        0.95 * fraction(most),
        1.05 * fraction(least),
    );
    (said < low || said > high).then(|| {
        format!("is labelled as visible by {said:.3}, and {low:.3} to {high:.3} of it can be seen")
    })
}

/// What is wrong with names of the corners and with whether they can be seen, behind the signs in front.
fn keypoints_fault(object: &Object, hiding: &[View], size: Extent) -> Option<String> {
    if !object.keypoints.iter().map(|k| k.name.as_str()).eq(CORNERS) {
        return Some(format!("has other keypoints than {}", CORNERS.join(", ")));
    }
    let wrong = object.keypoints.iter().find(|keypoint| {
        let (x, y) = (keypoint.x, keypoint.y);
        let inside =
            (0.0..size.width as f32).contains(&x) && (0.0..size.height as f32).contains(&y);
        let hidden = hiding
            .iter()
            .map(|view| view.coverage(x as i64, y as i64))
            .fold(0.0, f64::max);
        match keypoint.visibility {
            Visibility::Outside => inside,
            Visibility::Hidden => !inside || hidden < DOUBTFUL[0],
            Visibility::Visible => !inside || hidden > DOUBTFUL[1],
        }
    });
    wrong.map(|keypoint| {
        format!(
            "has the keypoint `{}` wrongly as {:?}",
            keypoint.name, keypoint.visibility
        )
    })
}

/// Whether every pixel is labelled as that of the foremost sign which covers it. Corners and points that the renderer's
/// filter rounds off are few of the pixels along the edges.
fn masks_fault(objects: &[Object], views: &[View], size: Extent) -> Option<String> {
    const ROUNDED: usize = 16;
    let masks: Vec<Vec<bool>> = objects
        .iter()
        .map(|object| Some(object.mask.as_ref()?.to_bitmap(size.width, size.height)))
        .collect::<Option<_>>()?;
    let width = size.width as usize;
    let said: Vec<Option<usize>> = (0..size.area())
        .map(|pixel| masks.iter().position(|mask| mask[pixel]))
        .collect();
    let (mut wrong, mut edges) = (Vec::new(), 0);
    for pixel in 0..size.area() {
        let (x, y) = ((pixel % width) as i64, (pixel / width) as i64);
        let ahead = [
            (x + 1 < width as i64).then_some(pixel + 1),
            Some(pixel + width),
        ];
        let mut ahead = ahead
            .into_iter()
            .flatten()
            .filter_map(|next| said.get(next));
        edges += usize::from(ahead.any(|next| *next != said[pixel]));
        let mut in_front = views[..said[pixel].unwrap_or(views.len())].iter();
        let hidden = in_front.find(|view| view.coverage(x, y) > DOUBTFUL[1]);
        let absent = || {
            said[pixel]
                .map(|said| &views[said])
                .filter(|view| view.coverage(x, y) < DOUBTFUL[0])
        };
        wrong.extend(hidden.or_else(absent).map(|view| (x, y, view)));
    }
    let beside_edge = |&(x, y, view): &(i64, i64, &View)| {
        let around = (-1..=1).flat_map(|v| (-1..=1).map(move |u| (x + u, y + v)));
        let sides = around.map(|(x, y)| view.coverage(x, y) > 0.5);
        let covered = sides.filter(|covered| *covered).count();
        (1..9).contains(&covered)
    };
    let &(x, y, view) = wrong
        .iter()
        .find(|place| !beside_edge(place))
        .or(wrong.first())?;
    let few = wrong.len() <= 2 + edges / ROUNDED && wrong.iter().all(beside_edge);
    (!few).then(|| {
        let path = view.texture.path.display();
        format!(
            "masks are wrong at {} pixels, among them ({x}, {y}) of {path}",
            wrong.len()
        )
    })
}
