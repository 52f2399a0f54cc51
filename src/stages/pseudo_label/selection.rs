//! Which photos are believed: the most confident of each class, not the most confident of all, so
//! that easy classes do not crowd out hard ones.

use crate::models::recogniser::best;

/// What is believed of one photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    pub class: usize,
    /// Probability of the class, 0..1.
    pub confidence: f32,
}

/// Of each class the most confident `share` of the photos read as it, if at least `floor` sure.
///
/// `read` holds every photo's probabilities; the answer is in its order.
pub fn select(read: &[Vec<f32>], share: f64, floor: f32) -> Vec<Option<Belief>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
