//! What all readers of formats share: pictures are handed on one at a time, and what is wrong with one of them,
//! or with one object, is left out and told.

use std::collections::HashSet;
use std::fmt::Display;

use super::{Category, Picture};
use crate::sample::{Extent, Labels, Object};
use crate::seed::number;
use crate::{Error, Result};

/// Takes the pictures of a dataset from its format.
pub struct Reader<'a> {
    strict: bool,
    each: &'a mut dyn FnMut(Picture) -> Result<()>,
    findings: Findings,
    /// Numbers that stand for the files and splits of the pictures so far.
    seen: HashSet<u64>,
}

/// What was found in a dataset, besides its pictures.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Pictures read.
    pub pictures: u64,
    /// How often something was wrong.
    pub flawed: u64,
    /// The first thousand of what was wrong.
    pub flaws: Vec<Flaw>,
    /// The classes that the dataset lists, in its order; a format without a list has none.
    pub classes: Vec<Category>,
}

/// Something that is wrong with a picture or object, which was left out or mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file, and the line or object in it.
    pub place: String,
    /// What is wrong, and what became of it.
    pub problem: String,
}

/// The most flaws that are listed one by one.
pub(super) const LISTED: usize = 1000;

/// The most pixels of a picture, and of a side of it, whatever the labels say.
const MOST_PIXELS: u64 = 1 << 28;
const LONGEST_SIDE: u32 = 1 << 17;

/// What to do about a flaw when reading is strict.
const REMEDY: &str = "correct it, or read without `strict`, which leaves out what is wrong";

impl<'a> Reader<'a> {
    /// Hands pictures to `each`; if `strict`, the first flaw is an error.
    pub fn new(strict: bool, each: &'a mut dyn FnMut(Picture) -> Result<()>) -> Self {
        Reader {
            strict,
            each,
            findings: Findings::default(),
            seen: HashSet::new(),
        }
    }

    /// Notes that something is wrong at `place`.
    ///
    /// # Errors
    /// If reading is strict.
    pub fn flaw(&mut self, place: impl Display, problem: impl Display) -> Result<()> {
        if self.strict {
            return Err(Error::failed(place, problem, REMEDY));
        }
        self.note(place, problem);
        Ok(())
    }

    /// Notes that something sound was left out, since it cannot be held; no error if reading is strict.
    pub fn note(&mut self, place: impl Display, problem: impl Display) {
        self.findings.flawed += 1;
        if self.findings.flaws.len() < LISTED {
            let flaw = Flaw {
                place: place.to_string(),
                problem: problem.to_string(),
            };
            self.findings.flaws.push(flaw);
        }
    }

    /// What was read at `place`, or `None` and a flaw.
    ///
    /// # Errors
    /// If reading is strict and there is none.
    pub fn some<T>(&mut self, place: impl Display, read: Result<T, String>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(problem) => self.flaw(place, problem).map(|()| None),
        }
    }

    /// What was read of a file, or `None` and a flaw.
    ///
    /// # Errors
    /// If reading is strict and there is none, or on an interrupt.
    pub fn file<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(
                Error::Failed {
                    subject, problem, ..
                }
                | Error::Usage {
                    subject, problem, ..
                },
            ) => self.flaw(subject, problem).map(|()| None),
            Err(other) => Err(other),
        }
    }

    /// Adds a class that the dataset lists, or keypoints to one that is already known.
    pub fn class(&mut self, category: Category) {
        let classes = &mut self.findings.classes;
        match classes.iter_mut().find(|c| c.name == category.name) {
            None => classes.push(category),
            Some(known) if known.keypoints.is_empty() => *known = category,
            Some(_) => {}
        }
    }

    /// Hands on a picture, without objects that cannot be true. A file that a split lists twice would have two
    /// sets of labels; the second is left out.
    ///
    /// # Errors
    /// If reading is strict and something is wrong with the picture, and errors of who takes it.
    pub fn add(&mut self, place: impl Display, mut picture: Picture) -> Result<()> {
        if let Some(Err(problem)) = picture.extent.map(checked) {
            return self.flaw(place, problem);
        }
        let split = picture.split.as_deref().unwrap_or_default();
        let listed = number(&format!("{split}\0{}", picture.file.display()));
        // Files of an archive may have one name in several of its folders.
        if picture.bytes.is_none() && !self.seen.insert(listed) {
            return self.flaw(place, "is listed twice; the second is left out");
        }
        self.check(&place, &mut picture.labels, picture.extent)?;
        self.findings.pictures += 1;
        (self.each)(picture)
    }

    fn check(
        &mut self,
        place: &impl Display,
        labels: &mut Labels,
        extent: Option<Extent>,
    ) -> Result<()> {
        if let Some(camera) = labels.camera
            && !camera.to_array().iter().all(|v| v.is_finite())
        {
            labels.camera = None;
            self.flaw(place, "has a camera without numbers, which is left out")?;
        }
        let Some(objects) = &mut labels.objects else {
            return Ok(());
        };
        let mut sound = Vec::with_capacity(objects.len());
        for mut object in objects.drain(..) {
            if let Err(problem) = possible(&object, extent) {
                let problem = format!("has an object {problem}; it is left out");
                self.flaw(place, problem)?;
                continue;
            }
            for problem in mended(&mut object) {
                self.flaw(place, problem)?;
            }
            sound.push(object);
        }
        *objects = sound;
        Ok(())
    }

    /// What was found.
    ///
    /// # Errors
    /// If all pictures were flawed.
    pub fn finish(self) -> Result<Findings> {
        match self.findings.flaws.first() {
            Some(flaw) if self.findings.pictures == 0 => Err(Error::failed(
                &flaw.place,
                &flaw.problem,
                "no picture of the dataset could be read; check its format",
            )),
            _ => Ok(self.findings),
        }
    }
}

/// An extent that labels name.
///
/// # Errors
/// If it cannot be that of a picture that is read.
pub(super) fn checked(extent: Extent) -> Result<Extent, String> {
    let Extent { width, height } = extent;
    let is_side = |side: u32| (1..=LONGEST_SIDE).contains(&side);
    let pixels = u64::from(width) * u64::from(height);
    if !is_side(width) || !is_side(height) || pixels > MOST_PIXELS {
        return Err(format!(
            "says that a picture has {width}×{height} pixels; it is left out"
        ));
    }
    Ok(extent)
}

/// Why an object cannot be in a picture.
fn possible(object: &Object, extent: Option<Extent>) -> Result<(), String> {
    let Object {
        class, bbox_xywh, ..
    } = object;
    let [x, y, width, height] = *bbox_xywh;
    if class.is_empty() {
        return Err("without a class".to_owned());
    }
    if !bbox_xywh.iter().all(|v| v.is_finite()) {
        return Err(format!("`{class}` whose box has no numbers"));
    }
    if width <= 0.0 || height <= 0.0 {
        return Err(format!(
            "`{class}` whose box is {width} wide and {height} high"
        ));
    }
    let Some(extent) = extent else { return Ok(()) };
    let (right, bottom) = (extent.width as f32, extent.height as f32);
    if x >= right || y >= bottom || x + width <= 0.0 || y + height <= 0.0 {
        return Err(format!("`{class}` whose box lies outside the picture"));
    }
    let pixels = |counts: &[u32]| counts.iter().map(|&run| u64::from(run)).sum::<u64>();
    let area = u64::from(extent.width) * u64::from(extent.height);
    match &object.mask {
        Some(mask) if pixels(&mask.counts) != area => Err(format!(
            "`{class}` whose mask is of a picture of {} pixels, not {area}",
            pixels(&mask.counts)
        )),
        _ => Ok(()),
    }
}

/// Removes what is wrong with an object that is otherwise sound, and says what it was.
fn mended(object: &mut Object) -> Vec<String> {
    let mut problems = Vec::new();
    let class = object.class.clone();
    let mut tell = |problem: &str| problems.push(format!("has an object `{class}` {problem}"));
    let keypoints = object.keypoints.len();
    object
        .keypoints
        .retain(|k| k.x.is_finite() && k.y.is_finite());
    if object.keypoints.len() < keypoints {
        tell("with keypoints that are not numbers; they are left out");
    }
    if object.mask.as_ref().is_some_and(|mask| mask.area() == 0) {
        object.mask = None;
        tell("with an empty mask, which is left out");
    }
    if object
        .pose
        .is_some_and(|pose| !pose.iter().all(|v| v.is_finite()))
    {
        object.pose = None;
        tell("with a pose that has no numbers; it is left out");
    }
    let is_box = |sides: &[f32; 6]| (0..3).all(|axis| sides[axis] <= sides[axis + 3]);
    let finite = |sides: &[f32; 6]| sides.iter().all(|v| v.is_finite());
    if object.box_3d.is_some_and(|b| !finite(&b) || !is_box(&b)) {
        object.box_3d = None;
        tell("with a 3D box whose greatest corner is not beyond its least; it is left out");
    }
    if !(0.0..=1.0).contains(&object.visible_fraction) {
        object.visible_fraction = 1.0;
        tell("with a visible fraction beyond 0..1; it is taken as 1");
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Keypoint, Mask};

    #[test]
    fn what_is_wrong_with_an_object_is_left_out_and_told() {
        let sound = Object {
            keypoints: vec![Keypoint::from_xyv("tip", [1.0, 2.0, 2.0])],
            pose: Some([0.5; 12]),
            box_3d: Some([-1.0, -1.0, 0.0, 1.0, 1.0, 0.0]),
            visible_fraction: 0.5,
            ..Object::new("die", [1.0, 2.0, 3.0, 4.0])
        };
        assert_eq!(mended(&mut sound.clone()), [""; 0]);
        type Fault = (&'static str, fn(&mut Object));
        let faults: [Fault; 6] = [
            ("keypoints", |o| o.keypoints[0].x = f32::NAN),
            ("empty mask", |o| o.mask = Some(Mask { counts: vec![12] })),
            ("pose", |o| o.pose = Some([f32::INFINITY; 12])),
            ("3D box", |o| {
                o.box_3d = Some([1.0, 0.0, 0.0, -1.0, 1.0, 1.0]);
            }),
            ("3D box", |o| o.box_3d = Some([f32::NAN; 6])),
            ("visible fraction", |o| o.visible_fraction = 1.5),
        ];
        for (name, spoil) in faults {
            let mut object = sound.clone();
            spoil(&mut object);
            let told = mended(&mut object);
            assert_eq!(told.len(), 1, "{name}");
            assert!(told[0].contains(name), "{told:?}");
            assert_eq!(mended(&mut object), [""; 0], "{name}");
        }
    }
}
