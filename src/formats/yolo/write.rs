//! Writes YOLO's files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use super::Task;
use crate::formats::outline::{self, Point, rectangle};
use crate::formats::{DatasetInfo, ImageEntry, Writer, create};
use crate::sample::{Extent, Keypoint, Object, Visibility};
use crate::{Error, Result};

struct Yolo<'a> {
    dataset: DatasetInfo<'a>,
    task: Task,
    /// The most keypoints of a class.
    keypoints: usize,
}

/// Writes `data.yaml` and the folders.
///
/// # Errors
/// If a file cannot be created.
pub(super) fn write<'a>(dataset: &DatasetInfo<'a>, task: Task) -> Result<Box<dyn Writer + 'a>> {
    let named = dataset.categories.iter().map(|c| c.keypoints.len());
    let yolo = Yolo {
        dataset: *dataset,
        task,
        keypoints: named.max().unwrap_or(0),
    };
    if task == Task::Pose && yolo.keypoints == 0 {
        return Err(Error::failed(
            dataset.name,
            "has no keypoints, so it cannot be written as `yolo-pose`",
            "choose the format `yolo` or `yolo-segment`",
        ));
    }
    let path = dataset.out.join("data.yaml");
    let mut file = create(&path)?;
    let text = yolo.data();
    file.write_all(text.as_bytes())
        .and_then(|()| file.flush())
        .map_err(|e| Error::io(&path, e))?;
    for split in dataset.images.keys() {
        for kind in ["images", "labels"] {
            let folder: PathBuf = [dataset.out, kind.as_ref(), split.as_ref()]
                .iter()
                .collect();
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
    }
    Ok(Box::new(yolo))
}

impl Yolo<'_> {
    /// The text of `data.yaml`. Trainers want both `train` and `val`, so a missing one is the other.
    fn data(&self) -> String {
        let splits: BTreeSet<&str> = self.dataset.images.keys().map(String::as_str).collect();
        let first = splits.first().copied().unwrap_or("train");
        let of = |names: &[&'static str], other| {
            let own = names.iter().copied().find(|name| splits.contains(name));
            own.unwrap_or(other)
        };
        let train = of(&["train"], first);
        let val = of(&["val", "valid", "validation"], train);
        let mut text = format!("# {} for Ultralytics' YOLO\n", quoted(self.dataset.name));
        text += &format!("task: {}\n", self.task.name());
        text += &format!("train: {}\n", quoted(&format!("images/{train}")));
        text += &format!("val: {}\n", quoted(&format!("images/{val}")));
        for split in splits.iter().filter(|split| ![train, val].contains(split)) {
            let path = format!("images/{split}");
            text += &format!("{}: {}\n", quoted(split), quoted(&path));
        }
        let categories = self.dataset.categories;
        text += &format!("nc: {}\nnames:\n", categories.len());
        for (number, category) in categories.iter().enumerate() {
            text += &format!("  {number}: {}\n", quoted(&category.name));
        }
        if self.task == Task::Pose {
            text += &format!("kpt_shape: [{}, 3]\nkpt_names:\n", self.keypoints);
            for (number, category) in categories.iter().enumerate() {
                let names: Vec<String> = category.keypoints.iter().map(|n| quoted(n)).collect();
                text += &format!("  {number}: [{}]\n", names.join(", "));
            }
        }
        text
    }

    /// The line of an object; `None` if nothing of it lies in the picture.
    fn line(&self, object: &Object, extent: Extent) -> Option<String> {
        let class = self.dataset.class_id(&object.class)?;
        let clipped = clip(object.bbox_xywh, extent)?;
        let mut numbers = Vec::new();
        let mut push = |points: &[Point]| {
            numbers.extend(points.iter().flat_map(|point| shares(*point, extent)));
        };
        let [x, y, width, height] = clipped.map(f64::from);
        match self.task {
            Task::Detect | Task::Pose => {
                push(&[[x + width / 2.0, y + height / 2.0], [width, height]]);
            }
            Task::Segment => match &object.mask {
                Some(mask) => push(&outline::outline(mask, extent)),
                None => push(&rectangle(clipped)),
            },
            Task::Oriented => push(&smallest_rectangle(object, clipped, extent)),
        }
        let mut line = class.to_string();
        for number in numbers {
            line += &format!(" {}", short(number));
        }
        if self.task == Task::Pose {
            let names = &self.dataset.categories[class].keypoints;
            for place in 0..self.keypoints {
                let name = names.get(place);
                let known = object.keypoints.iter().find(|k| Some(&k.name) == name);
                line += &keypoint(known, extent);
            }
        }
        line.push('\n');
        Some(line)
    }
}

impl Writer for Yolo<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let sample = entry.sample;
        let Some(objects) = &sample.labels.objects else {
            // Its objects are unknown; a picture without a line would show that there are none.
            return Ok(());
        };
        let (out, split) = (self.dataset.out, entry.split);
        entry.place_at(out, &format!("images/{split}/{}", entry.name()))?;
        let lines = objects.iter().filter_map(|o| self.line(o, sample.extent));
        let path = out.join(format!("labels/{split}/{}.txt", entry.stem()));
        std::fs::write(&path, lines.collect::<String>()).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A text as YAML; JSON strings are valid YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A point in shares of width and height.
fn shares([x, y]: Point, extent: Extent) -> Point {
    let share = |v: f64, side: u32| (v / f64::from(side)).clamp(0.0, 1.0);
    [share(x, extent.width), share(y, extent.height)]
}

/// A share with twelve digits, which are enough for exact pixels, without zeros at its end.
fn short(share: f64) -> String {
    let text = format!("{share:.12}");
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

/// x, y and COCO's visibility, each with a space before it; zeros for a point that is not labelled.
fn keypoint(known: Option<&Keypoint>, extent: Extent) -> String {
    match known {
        Some(keypoint) if keypoint.visibility != Visibility::Outside => {
            let [x, y] = shares([keypoint.x, keypoint.y].map(f64::from), extent);
            format!(" {} {} {}", short(x), short(y), keypoint.visibility as u8)
        }
        _ => " 0 0 0".to_owned(),
    }
}

/// The part of a box inside the picture; `None` if it has no area.
fn clip([x, y, w, h]: [f32; 4], Extent { width, height }: Extent) -> Option<[f32; 4]> {
    let (x0, y0) = (x.max(0.0), y.max(0.0));
    let (x1, y1) = ((x + w).min(width as f32), (y + h).min(height as f32));
    (x0 < x1 && y0 < y1).then_some([x0, y0, x1 - x0, y1 - y0])
}

/// The corners of the smallest rectangle around an object's mask, in any direction, or of its box.
fn smallest_rectangle(object: &Object, clipped: [f32; 4], extent: Extent) -> Vec<Point> {
    let upright = rectangle(clipped);
    let Some(mask) = &object.mask else {
        return upright;
    };
    let corners: Vec<Point> = outline::outlines(mask, extent).concat();
    let hull = convex_hull(corners);
    let mut best = (f64::from(clipped[2]) * f64::from(clipped[3]), upright);
    for (a, b) in hull.iter().zip(hull.iter().cycle().skip(1)) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy);
        if length == 0.0 {
            continue;
        }
        let (u, v) = ([dx / length, dy / length], [-dy / length, dx / length]);
        let range = |axis: Point| {
            let along = hull.iter().map(|p| p[0] * axis[0] + p[1] * axis[1]);
            along.fold((f64::MAX, f64::MIN), |(low, high), v| {
                (low.min(v), high.max(v))
            })
        };
        let ((u0, u1), (v0, v1)) = (range(u), range(v));
        let corners = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)];
        let corners = corners.map(|(s, t)| [s * u[0] + t * v[0], s * u[1] + t * v[1]]);
        // Trainers refuse corners beyond the picture. An upright box that is as small stays upright.
        let is_inside = corners.iter().all(|[x, y]| {
            let within = |v: f64, side: u32| (-1e-6..=f64::from(side) + 1e-6).contains(&v);
            within(*x, extent.width) && within(*y, extent.height)
        });
        let area = (u1 - u0) * (v1 - v0);
        if is_inside && area < best.0 * 0.999 {
            best = (area, corners.to_vec());
        }
    }
    best.1
}

/// Andrew's monotone chain.
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let turn = |o: Point, a: Point, b: Point| {
        (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])
    };
    let chain = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while let [.., o, a] = chain[..]
                && turn(o, a, point) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut points.iter().copied());
    hull.extend(chain(&mut points.iter().rev().copied()));
    hull
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Mask;

    #[test]
    fn an_oblique_bar_gets_an_oblique_box() {
        let extent = Extent::new(20, 20);
        let inside =
            |i: i32| ((i % 20) - (i / 20)).abs() <= 1 && (4..36).contains(&(i % 20 + i / 20));
        let bitmap: Vec<bool> = (0..400).map(inside).collect();
        let mask = Mask::from_bitmap(&bitmap, 20, 20);
        let bbox = mask.bbox_xywh(20).unwrap();
        let object = Object::new("bar", bbox).with_mask(mask);
        let corners = smallest_rectangle(&object, bbox, extent);
        let side = |a: Point, b: Point| (a[0] - b[0]).hypot(a[1] - b[1]);
        let sides = [side(corners[0], corners[1]), side(corners[1], corners[2])];
        assert!(sides[0].min(sides[1]) < 4.0, "{sides:?}");
        assert!(sides[0].max(sides[1]) > 20.0, "{sides:?}");
    }
}
