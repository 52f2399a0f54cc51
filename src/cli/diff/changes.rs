//! Which images are new, gone or different, by the hash of their file, their id and their origin.

use std::collections::{BTreeMap, VecDeque};

use crate::cli::dataset::Dataset;

/// How an image changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Added,
    Removed,
    /// Other pixels, the same labels.
    Picture,
    /// Another class or box; maybe other pixels too.
    Label,
    /// The same pixels and labels under another id or in another split.
    Moved,
}

/// Every kind, in the order in which they are told.
pub const KINDS: [Kind; 5] = [
    Kind::Added,
    Kind::Removed,
    Kind::Picture,
    Kind::Label,
    Kind::Moved,
];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Picture => "picture changed",
            Kind::Label => "label changed",
            Kind::Moved => "moved",
        }
    }
}

/// One image that changed: its rows before and after.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: Kind,
    pub before: Option<usize>,
    pub after: Option<usize>,
}

/// All that changed.
#[derive(Debug)]
pub struct Changes {
    pub unchanged: usize,
    pub list: Vec<Change>,
}

/// What two rows must have in common to be the same image, the surest first. Ids alone are not
/// enough: a stage that numbers what it lets through gives old numbers to other images.
const SAME: [&[&str]; 4] = [
    &["blake3", "id"],
    &["blake3", "class"],
    &["blake3"],
    &["id", "origin"],
];

/// Compares image by image.
pub fn between(before: &Dataset, after: &Dataset) -> Changes {
    let mut gone: Vec<usize> = (0..before.len()).collect();
    let mut fresh: Vec<usize> = (0..after.len()).collect();
    let mut changes = Changes {
        unchanged: 0,
        list: Vec::new(),
    };
    for columns in SAME {
        for (old, new) in pair(before, &mut gone, after, &mut fresh, columns) {
            match kind(before, old, after, new) {
                None => changes.unchanged += 1,
                Some(kind) => changes.list.push(Change {
                    kind,
                    before: Some(old),
                    after: Some(new),
                }),
            }
        }
    }
    changes.list.extend(fresh.into_iter().map(|row| Change {
        kind: Kind::Added,
        before: None,
        after: Some(row),
    }));
    changes.list.extend(gone.into_iter().map(|row| Change {
        kind: Kind::Removed,
        before: Some(row),
        after: None,
    }));
    changes
}

/// Takes out of `gone` and `fresh` the rows that are equal in `columns`, two by two.
fn pair(
    before: &Dataset,
    gone: &mut Vec<usize>,
    after: &Dataset,
    fresh: &mut Vec<usize>,
    columns: &[&str],
) -> Vec<(usize, usize)> {
    let key = |dataset: &Dataset, row| -> Vec<Option<String>> {
        let values = columns.iter().map(|column| dataset.text(column, row));
        values.collect()
    };
    let mut waiting: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for row in std::mem::take(gone) {
        waiting.entry(key(before, row)).or_default().push_back(row);
    }
    let mut pairs = Vec::new();
    fresh.retain(|&new| {
        let old = waiting.get_mut(&key(after, new));
        let old = old.and_then(VecDeque::pop_front);
        pairs.extend(old.map(|old| (old, new)));
        old.is_none()
    });
    gone.extend(waiting.into_values().flatten());
    gone.sort_unstable();
    pairs
}

/// How the same image differs; `None` where it does not.
fn kind(before: &Dataset, old: usize, after: &Dataset, new: usize) -> Option<Kind> {
    let differs = |column| before.text(column, old) != after.text(column, new);
    if differs("class") || before.boxes(old) != after.boxes(new) {
        Some(Kind::Label)
    } else if differs("blake3") {
        Some(Kind::Picture)
    } else if differs("id") || differs("split") {
        Some(Kind::Moved)
    } else {
        None
    }
}
