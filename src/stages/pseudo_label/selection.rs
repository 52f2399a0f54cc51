//! Which photos, or tracks of them, are believed: the most confident of each class, not the most
//! confident of all, so that easy classes do not crowd out hard ones.

use crate::tasks::classification::best;

/// What is believed of one photo or track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    pub class: usize,
    /// Probability of the class, 0..1.
    pub confidence: f32,
}

/// Of each class the most confident `share` of what is read as it, if at least `floor` sure.
///
/// `read` holds the probabilities of every photo or track; the answer is in its order.
pub(super) fn select(read: &[Vec<f32>], share: f64, floor: f32) -> Vec<Option<Belief>> {
    let beliefs: Vec<Belief> = read
        .iter()
        .map(|row| {
            let class = best(row);
            Belief {
                class,
                confidence: row[class],
            }
        })
        .collect();
    let classes = read.first().map_or(0, Vec::len);
    let mut selected = vec![None; read.len()];
    for class in 0..classes {
        let mut ranked: Vec<usize> = (0..read.len())
            .filter(|&i| beliefs[i].class == class)
            .collect();
        ranked.sort_by(|&a, &b| {
            let order = beliefs[b].confidence.total_cmp(&beliefs[a].confidence);
            order.then(a.cmp(&b))
        });
        let count = (ranked.len() as f64 * share).round() as usize;
        for i in ranked.into_iter().take(count) {
            if beliefs[i].confidence >= floor {
                selected[i] = Some(beliefs[i]);
            }
        }
    }
    selected
}

/// Scales every class's probabilities so that over all photos the classes are as frequent as
/// `ratio` says (shares that add up to 1), then each photo's so that they add up to 1.
pub(super) fn align(read: &mut [Vec<f32>], ratio: &[f64]) {
    let count = read.len().max(1) as f64;
    let scale: Vec<f32> = ratio
        .iter()
        .enumerate()
        .map(|(class, share)| {
            let mean = read.iter().map(|row| f64::from(row[class])).sum::<f64>() / count;
            (share / mean.max(1e-6)) as f32
        })
        .collect();
    for row in read {
        let scaled = row.iter().zip(&scale).map(|(value, scale)| value * scale);
        let scaled: Vec<f32> = scaled.collect();
        let sum: f32 = scaled.iter().sum();
        *row = scaled.into_iter().map(|value| value / sum).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_takes_too_many_is_held_back() {
        let mut read = vec![
            vec![0.9, 0.1],
            vec![0.8, 0.2],
            vec![0.6, 0.4],
            vec![0.55, 0.45],
        ];
        align(&mut read, &[0.5, 0.5]);
        let classes: Vec<usize> = read.iter().map(|row| best(row)).collect();
        assert_eq!(classes, [0, 0, 1, 1]);
        assert!(
            read.iter()
                .all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6)
        );
    }

    #[test]
    fn every_class_gives_its_most_confident_share() {
        let read: Vec<Vec<f32>> = [0.99, 0.98, 0.97, 0.96, 0.4, 0.3, 0.2, 0.1]
            .map(|p: f32| vec![p, 1.0 - p])
            .into();
        let chosen = |share, floor| -> Vec<usize> {
            let selected = select(&read, share, floor);
            (0..8).filter(|&i| selected[i].is_some()).collect()
        };
        assert_eq!(chosen(0.5, 0.0), [0, 1, 6, 7]);
        assert_eq!(chosen(1.0, 0.75), [0, 1, 2, 3, 6, 7]);
        assert!(chosen(0.0, 0.0).is_empty());
        let belief = select(&read, 1.0, 0.0)[7].unwrap();
        assert_eq!((belief.class, belief.confidence), (1, 0.9));
    }
}
