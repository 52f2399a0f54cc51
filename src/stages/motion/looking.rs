//! Looking at animated clips: sheets, what the report shows, and how well clips are animated that were held out.

use std::path::Path;

use glam::DVec2;
use image::RgbImage;
use serde::Serialize;
use serde_json::{Value, json};

use super::data::{Data, Pair};
use crate::artifact::parts;
use crate::generators::animate::Animator;
use crate::generators::animate::clips::places;
use crate::sample::image::{contact_sheet, encode_png};
use crate::stage::Context;
use crate::stage::exhibit::made_up;
use crate::stage::finding::{Finding, Level, percent};
use crate::{Error, Result};

/// Clips that are shown.
const SHOWN: usize = 8;

/// Pairs of frames that are measured, at most.
const MEASURED: usize = 256;

/// Pairs that are painted at once.
const AT_ONCE: usize = 16;

/// What the report shows.
pub(super) const FILE: &str = "shown.parquet";

/// What the pictures of a row show.
pub(super) const COLUMNS: [&str; 3] = ["source", "animated", "render"];

/// Writes a sheet to `path`: of some clips the first frame, what it becomes, and what it should become.
///
/// # Errors
/// If it cannot be written.
pub(super) fn sheet(
    context: &Context,
    data: &Data,
    animator: &Animator,
    path: &Path,
) -> Result<()> {
    let cells: Vec<RgbImage> = shown(context, data, animator)?
        .into_iter()
        .flat_map(|(_, pictures)| pictures)
        .collect();
    let side = data.clips.extent.width.max(data.clips.extent.height);
    let png = encode_png(&contact_sheet(&cells, 2 * COLUMNS.len() as u32, side))?;
    std::fs::write(path, png).map_err(|e| Error::io(path, e))
}

/// Of some clips, those held out first: the class, and source, what it becomes in the last frame, and that frame.
fn shown(
    context: &Context,
    data: &Data,
    animator: &Animator,
) -> Result<Vec<(String, [RgbImage; 3])>> {
    context.check_interrupt()?;
    let clips = data.held_out.iter().chain(&data.known).take(SHOWN);
    let pairs: Vec<Pair> = clips
        .map(|clip| Pair {
            clip: *clip,
            frames: [0, data.clips.clips[*clip].frames.len() - 1],
        })
        .collect();
    data.with_scenes(
        &pairs,
        |_| (),
        |scenes| {
            let only: Vec<_> = scenes.iter().map(|(scene, _)| *scene).collect();
            let made = animator.paint(&only);
            let rows = pairs.iter().zip(scenes).zip(made);
            rows.map(|((pair, (scene, truth)), made)| {
                let class = data.clips.clips[pair.clip].class.clone();
                (class, [scene.source.clone(), made, (*truth).clone()])
            })
            .collect()
        },
    )
}

/// Means over pairs of frames: of an animated source, and of the source as it is.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Figures {
    /// Mean absolute difference of the pictures, 0..1.
    difference: f64,
    /// The same within the object.
    difference_object: f64,
    /// Pixels between key points and what is read nearest to each, at most a tenth of the picture's width.
    points: f64,
}

/// Writes what the report shows, and measures on held-out clips how well they are animated.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn look(
    context: &Context,
    data: &Data,
    animator: &Animator,
    summary: &mut Value,
) -> Result<Vec<Finding>> {
    let mut samples = Vec::new();
    for (class, pictures) in shown(context, data, animator)? {
        for (what, picture) in COLUMNS.iter().zip(&pictures) {
            samples.push(made_up(samples.len() as u64, &class, what, picture)?);
        }
    }
    parts::write_part(&context.out.join(FILE), &samples)?;
    let Some([animated, repeated, floor]) = measure(context, data, animator)? else {
        return Ok(vec![
            Finding::new(
                Level::Note,
                "motion",
                "not measured",
                "no clips are held out, so that nothing tells how well others are animated",
            )
            .with_advice("give more clips, or raise `held_out`"),
        ]);
    };
    summary["figures"] = json!({
        "animated": animated, "repeated": repeated, "points_of_renders": floor.points,
    });
    Ok(vec![told(&animated, &repeated, floor.points)])
}

/// The figures of animated sources, of sources as they are, and of what they should become.
fn measure(context: &Context, data: &Data, animator: &Animator) -> Result<Option<[Figures; 3]>> {
    let frames = |clip: &usize| {
        let (clip, count) = (*clip, data.clips.clips[*clip].frames.len());
        (1..count).map(move |frame| Pair {
            clip,
            frames: [0, frame],
        })
    };
    let all: Vec<Pair> = data.held_out.iter().flat_map(frames).collect();
    let every = all.len().div_ceil(MEASURED).max(1);
    let pairs: Vec<Pair> = all.into_iter().step_by(every).collect();
    let mut sums = [Figures::default(); 3];
    for pairs in pairs.chunks(AT_ONCE) {
        context.check_interrupt()?;
        data.with_scenes(
            pairs,
            |_| (),
            |scenes| {
                let only: Vec<_> = scenes.iter().map(|(scene, _)| *scene).collect();
                let made = animator.paint(&only);
                for ((pair, (scene, truth)), made) in pairs.iter().zip(scenes).zip(&made) {
                    let object = &data.clips.clips[pair.clip].frames[pair.frames[1]].object;
                    let points: Vec<DVec2> = places(object).into_values().collect();
                    for (sum, picture) in sums.iter_mut().zip([made, scene.source, truth]) {
                        let [all, inside] = difference(picture, truth, scene.mask);
                        sum.difference += all;
                        sum.difference_object += inside;
                        sum.points += astray(animator, picture, &points);
                    }
                }
            },
        )?;
    }
    let count = pairs.len() as f64;
    let mean = |sum: Figures| Figures {
        difference: sum.difference / count,
        difference_object: sum.difference_object / count,
        points: sum.points / count,
    };
    Ok((!pairs.is_empty()).then(|| sums.map(mean)))
}

/// The mean absolute difference of two pictures, 0..1, and that within a mask.
fn difference(a: &RgbImage, b: &RgbImage, mask: &[bool]) -> [f64; 2] {
    let (mut all, mut inside, mut count) = (0.0, 0.0, 0);
    for ((a, b), is_inside) in a.pixels().zip(b.pixels()).zip(mask) {
        let pairs = a.0.iter().zip(b.0);
        let difference: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(b)) / 765.0).sum();
        all += difference;
        if *is_inside {
            inside += difference;
            count += 1;
        }
    }
    [
        all / mask.len().max(1) as f64,
        inside / f64::from(count.max(1)),
    ]
}

/// Pixels between points and what is read nearest to each, at most a tenth of the picture's width.
fn astray(animator: &Animator, picture: &RgbImage, points: &[DVec2]) -> f64 {
    let read = animator.read(picture).points;
    let most = f64::from(picture.width()) / 10.0;
    let way = |point: &DVec2| {
        let ways = read.iter().map(|(place, _)| place.distance(*point));
        ways.fold(most, f64::min)
    };
    points.iter().map(way).sum::<f64>() / points.len().max(1) as f64
}

/// What the figures come to.
fn told(animated: &Figures, repeated: &Figures, floor: f64) -> Finding {
    let text = format!(
        "key points read in animated pictures are {:.1} pixels astray (in sources that do not move {:.1}, in renders \
         {floor:.1}), and their objects differ from the renders' by {} ({} if they do not move), in clips that were held \
         out",
        animated.points,
        repeated.points,
        percent(animated.difference_object),
        percent(repeated.difference_object),
    );
    let level = match animated.difference_object / repeated.difference_object.max(1e-9) {
        ..0.7 => Level::Good,
        ..1.0 => Level::Note,
        _ => Level::Warning,
    };
    let value = format!("{:.1} px", animated.points);
    let finding = Finding::new(level, "motion", value, text);
    match level {
        Level::Good => finding,
        _ => finding.with_advice("raise `steps`, or give more clips"),
    }
}
