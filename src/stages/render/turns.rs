//! Whose turn it is: which of several things with weights picture N shows.
//!
//! In every unit of time each thing has turns as many as its weight, each at a random moment of a span of
//! its own; picture N shows the thing that has the N-th turn of all. Among the first N pictures each thing
//! therefore has its share, to within one picture, in an order without a pattern. It depends on N alone,
//! not on how many pictures there will be.

use std::cmp::Ordering;

/// Things that take turns.
pub(super) struct Turns {
    /// Positive, and 1 at most.
    weights: Vec<f64>,
    seed: u64,
}

/// A turn of a thing: its time, the thing, and how many turns the thing had before.
#[derive(Debug, Clone, Copy)]
struct Turn {
    time: f64,
    thing: usize,
    before: u64,
}

impl Turns {
    /// For things of these weights, which are positive; there is at least one.
    pub(super) fn new(weights: &[f64], seed: u64) -> Self {
        let most = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Turns {
            weights: weights.iter().map(|weight| weight / most).collect(),
            seed,
        }
    }

    /// The thing that has turn `index`, and how many turns it had before.
    pub(super) fn at(&self, index: u64) -> (usize, u64) {
        let total: f64 = self.weights.iter().sum();
        // Each thing is at most one turn from its share.
        let margin = self.weights.len() as f64 + 1.0;
        let mut low = ((index as f64 - margin) / total).max(0.0);
        let mut high = (index as f64 + margin) / total;
        while self.passed(high) <= index {
            high += margin / total;
        }
        while self.passed(high) - self.passed(low) > 16 {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                break;
            }
            match self.passed(middle) <= index {
                true => low = middle,
                false => high = middle,
            }
        }
        let mut between: Vec<Turn> = (0..self.weights.len())
            .flat_map(|thing| {
                let range = self.before(thing, low)..self.before(thing, high);
                range.map(move |before| self.turn(thing, before))
            })
            .collect();
        between.sort_by(|a, b| match a.time.total_cmp(&b.time) {
            Ordering::Equal => a.thing.cmp(&b.thing),
            unequal => unequal,
        });
        let place = (index - self.passed(low)) as usize;
        // Fewer turns than asked for cannot be between: `high` was moved on until they were enough.
        let turn = between.get(place).or(between.last());
        turn.map_or((0, index), |turn| (turn.thing, turn.before))
    }

    /// How many of the first `count` turns each thing has.
    pub(super) fn shares(&self, count: u64) -> Vec<u64> {
        let Some(last) = count.checked_sub(1) else {
            return vec![0; self.weights.len()];
        };
        let (thing, before) = self.at(last);
        let end = self.turn(thing, before);
        let until = |other: usize| {
            let passed = self.before(other, end.time);
            // The last turn itself, and those at the same moment that come first.
            let at = self.turn(other, passed);
            passed + u64::from(at.time == end.time && other <= thing)
        };
        (0..self.weights.len()).map(until).collect()
    }

    fn turn(&self, thing: usize, before: u64) -> Turn {
        let word = self.seed ^ mixed(thing as u64 ^ mixed(before));
        let moment = (mixed(word) >> 11) as f64 / (1_u64 << 53) as f64;
        Turn {
            time: (before as f64 + moment) / self.weights[thing],
            thing,
            before,
        }
    }

    /// Turns of a thing before `time`.
    fn before(&self, thing: usize, time: f64) -> u64 {
        let mut count = (time * self.weights[thing]).max(0.0) as u64;
        // Exact whatever rounding did to the estimate.
        while count > 0 && self.turn(thing, count - 1).time >= time {
            count -= 1;
        }
        while self.turn(thing, count).time < time {
            count += 1;
        }
        count
    }

    /// Turns of all things before `time`.
    fn passed(&self, time: f64) -> u64 {
        (0..self.weights.len())
            .map(|thing| self.before(thing, time))
            .sum()
    }
}

/// Which of `count` members has turn `turn`: each once in every round, in an order of the round's own.
pub(super) fn member(count: usize, turn: u64, seed: u64) -> usize {
    let (round, place) = (turn / count as u64, (turn % count as u64) as usize);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&member| mixed(seed ^ mixed(round ^ mixed(member as u64))));
    order[place]
}

/// Scrambles a word (the finalizer of SplitMix64; Steele, Lea and Flood 2014).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(turns: &Turns, count: u64) -> Vec<u64> {
        let mut counts = vec![0; turns.weights.len()];
        for index in 0..count {
            let (thing, before) = turns.at(index);
            assert_eq!(counts[thing], before, "turn {index}");
            counts[thing] += 1;
        }
        counts
    }

    #[test]
    fn things_of_equal_weight_have_one_turn_in_every_round() {
        for things in [1, 2, 7, 30] {
            let turns = Turns::new(&vec![3.0; things], 5);
            let mut orders = Vec::new();
            for round in 0..5 {
                let index = |place| round * things as u64 + place;
                let order: Vec<usize> = (0..things as u64).map(|i| turns.at(index(i)).0).collect();
                let mut all = order.clone();
                all.sort_unstable();
                assert_eq!(all, (0..things).collect::<Vec<_>>());
                orders.push(order);
            }
            assert!(things < 7 || orders[0] != orders[1], "no pattern");
        }
    }

    #[test]
    fn each_thing_has_its_share_by_weight_and_none_is_left_out() {
        let weights = [1.0, 2.0, 0.5, 4.0, 1e-3];
        let turns = Turns::new(&weights, 11);
        let total: f64 = weights.iter().sum();
        for count in [8, 50, 333, 2000] {
            let counts = counted(&turns, count);
            for (thing, weight) in weights.iter().enumerate() {
                let share = count as f64 * weight / total;
                assert!(
                    (counts[thing] as f64 - share).abs() <= 3.0,
                    "{count}: {counts:?}"
                );
            }
            assert_eq!(turns.shares(count), counts);
        }
    }

    #[test]
    fn far_turns_are_found_as_near_ones() {
        let turns = Turns::new(&[1.0, 3.0, 0.7], 2);
        let far = 1 << 40;
        let (thing, before) = turns.at(far);
        let share = far as f64 * [1.0, 3.0, 0.7][thing] / 4.7;
        assert!((before as f64 - share).abs() < 4.0);
        assert_ne!(turns.at(far), turns.at(far + 1));
    }

    #[test]
    fn members_take_turns_in_rounds() {
        for round in 0..3 {
            let mut seen: Vec<usize> = (0..9).map(|i| member(9, round * 9 + i, 4)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..9).collect::<Vec<_>>());
        }
    }
}
