//! Which boxes several readings of a photo agree on, and which of these are believed.

use super::Belief;
use crate::tasks::Detection;
use crate::tasks::detection::boxes::{iou, suppress};

/// Readings that see the same object overlap by at least this much.
const AGREE: f32 = 0.6;

/// What any reading sees with this confidence is doubtful where it is not believed.
const DOUBT: f32 = 0.4;

/// There is one object where boxes overlap by more than this.
const PLACE: f32 = 0.5;

/// What all readings see of a photo: mean boxes and mean confidences, and what only some see.
#[derive(Debug, Clone, Default)]
pub(super) struct Agreed {
    pub agreed: Vec<Detection>,
    /// All that any reading sees with some confidence, agreed or not.
    seen: Vec<Detection>,
}

/// Compares the readings of one photo, all in its own pixels; there must be at least one.
pub(super) fn agreed(readings: &[Vec<Detection>]) -> Agreed {
    let single: Vec<Vec<Detection>> = readings
        .iter()
        .map(|reading| suppress(reading.clone(), PLACE))
        .collect();
    let (first, others) = single.split_at(1);
    let mean = |one: &Detection| {
        let mut sum = *one;
        for other in others {
            let same = other
                .iter()
                .find(|other| iou(other.bbox_xywh, one.bbox_xywh) >= AGREE);
            let same = same.filter(|same| same.class == one.class)?;
            sum.score += same.score;
            for (sum, side) in sum.bbox_xywh.iter_mut().zip(same.bbox_xywh) {
                *sum += side;
            }
        }
        let count = readings.len() as f32;
        sum.score /= count;
        sum.bbox_xywh = sum.bbox_xywh.map(|side| side / count);
        Some(sum)
    };
    let all = single.iter().flatten().copied();
    let seen = all.filter(|one| one.score >= DOUBT).collect();
    Agreed {
        agreed: first.iter().flatten().filter_map(mean).collect(),
        seen: suppress(seen, PLACE),
    }
}

/// Of each class the surest `share` of what was agreed on in all photos, if its confidence is at least `floor`.
pub(super) fn select(photos: &[Agreed], share: f64, floor: f32, classes: usize) -> Vec<Belief> {
    let mut least = vec![f32::INFINITY; classes];
    for (class, least) in least.iter_mut().enumerate() {
        let agreed = photos.iter().flat_map(|photo| &photo.agreed);
        let mut scores: Vec<f32> = agreed
            .filter(|one| one.class == class && one.score >= floor)
            .map(|one| one.score)
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let count = (scores.len() as f64 * share).round() as usize;
        if let Some(last) = count.checked_sub(1).and_then(|last| scores.get(last)) {
            *least = *last;
        }
    }
    let belief = |photo: &Agreed| {
        let sure = photo
            .agreed
            .iter()
            .filter(|one| one.score >= least[one.class]);
        let sure: Vec<Detection> = sure.copied().collect();
        let is_believed =
            |one: &Detection| sure.iter().any(|s| iou(s.bbox_xywh, one.bbox_xywh) > PLACE);
        let doubtful = photo.seen.iter().filter(|one| !is_believed(one)).copied();
        Belief {
            doubtful: doubtful.collect(),
            sure,
            masks: Vec::new(),
        }
    };
    photos.iter().map(belief).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(class: usize, x: f32, score: f32) -> Detection {
        Detection {
            class,
            bbox_xywh: [x, 0.0, 10.0, 10.0],
            score,
        }
    }

    #[test]
    fn a_box_needs_all_readings_and_one_class() {
        let readings = [
            vec![one(0, 0.0, 0.9), one(1, 50.0, 0.8), one(0, 80.0, 0.7)],
            vec![one(0, 2.0, 0.5), one(0, 50.0, 0.8), one(1, 50.0, 0.3)],
        ];
        let found = agreed(&readings);
        assert_eq!(found.agreed.len(), 1);
        assert_eq!(found.agreed[0].bbox_xywh, [1.0, 0.0, 10.0, 10.0]);
        assert!((found.agreed[0].score - 0.7).abs() < 1e-6);
        let belief = &select(&[found], 1.0, 0.0, 2)[0];
        let places: Vec<f32> = belief.doubtful.iter().map(|one| one.bbox_xywh[0]).collect();
        assert_eq!(places, [50.0, 80.0]);
    }

    #[test]
    fn every_class_gives_its_surest_share() {
        let photo = |class, score: f32| agreed(&[vec![one(class, 0.0, score)]]);
        let photos = [
            photo(0, 0.9),
            photo(0, 0.8),
            photo(1, 0.5),
            photo(1, 0.4),
            photo(1, 0.1),
        ];
        let whole = |share, floor| -> Vec<bool> {
            let beliefs = select(&photos, share, floor, 2);
            beliefs
                .iter()
                .map(|belief| !belief.sure.is_empty() && belief.doubtful.is_empty())
                .collect()
        };
        assert_eq!(whole(0.5, 0.3), [true, false, true, false, false]);
        assert_eq!(whole(1.0, 0.3), [true, true, true, true, false]);
        assert_eq!(whole(0.0, 0.0), [false; 5]);
    }
}
