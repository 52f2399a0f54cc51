//! Which rows and pictures are taken: shares of the photos, and some of them at even distances.

use std::collections::BTreeMap;

use super::boxes::Row;

/// The rows of every photo whose place among the photos is wanted.
pub(super) fn dealt(mut rows: Vec<Row>, is_wanted: impl Fn(usize) -> bool) -> Vec<Row> {
    let mut places = BTreeMap::new();
    rows.retain(|row| {
        let next = places.len();
        is_wanted(*places.entry(row.file.clone()).or_insert(next))
    });
    rows
}

/// `limit` of `rows` at even distances, or all where `limit` is 0 or more than there are.
pub(super) fn evenly_spread(rows: Vec<Row>, limit: usize) -> Vec<Row> {
    let mut spread = Spread::new(rows.len(), limit);
    rows.into_iter().filter(|_| spread.takes()).collect()
}

/// Takes some of a known number of things, at even distances.
pub(super) struct Spread {
    count: usize,
    /// How many to take.
    limit: usize,
    seen: usize,
    taken: usize,
}

impl Spread {
    /// Takes `limit` of `count` things, or all where `limit` is 0 or more than there are.
    pub(super) fn new(count: usize, limit: usize) -> Self {
        Spread {
            count,
            limit: match limit {
                0 => count,
                limit => limit.min(count),
            },
            seen: 0,
            taken: 0,
        }
    }

    /// Takes all things, however many there are.
    pub(super) fn all() -> Self {
        Spread::new(usize::MAX, 0)
    }

    /// Whether to take the next thing.
    pub(super) fn takes(&mut self) -> bool {
        let place = self.taken as u128 * self.count as u128 / self.limit.max(1) as u128;
        let takes = self.taken < self.limit && self.seen as u128 == place;
        self.seen += 1;
        self.taken += usize::from(takes);
        takes
    }
}
