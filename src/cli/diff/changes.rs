//! Which images are added, removed or different, by file hash, id and origin.

use std::collections::{BTreeMap, VecDeque};

use crate::cli::dataset::Dataset;

/// How an image changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Removed,
    /// Different pixels, same labels.
    Picture,
    /// Different class or boxes; the pixels may differ too.
    Label,
    /// Same pixels and labels, but another id or split.
    Moved,
}

/// Every kind, in order of display.
pub(super) const KINDS: [ChangeKind; 5] = [
    ChangeKind::Added,
    ChangeKind::Removed,
    ChangeKind::Picture,
    ChangeKind::Label,
    ChangeKind::Moved,
];

impl ChangeKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Picture => "picture changed",
            ChangeKind::Label => "label changed",
            ChangeKind::Moved => "moved",
        }
    }
}

/// One image that changed, with its rows before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub kind: ChangeKind,
    pub before: Option<usize>,
    pub after: Option<usize>,
}

/// All changes.
#[derive(Debug)]
pub(super) struct Changes {
    pub unchanged: usize,
    pub list: Vec<Change>,
}

/// The columns in which two rows must agree to be the same image, most reliable first. The id alone is not
/// enough: a stage that renumbers what it keeps gives old ids to other images.
const SAME: [&[&str]; 4] = [
    &["blake3", "id"],
    &["blake3", "class"],
    &["blake3"],
    &["id", "origin"],
];

/// Compares two datasets image by image.
pub(super) fn between(before: &Dataset, after: &Dataset) -> Changes {
    let mut removed: Vec<usize> = (0..before.len()).collect();
    let mut added: Vec<usize> = (0..after.len()).collect();
    let mut changes = Changes {
        unchanged: 0,
        list: Vec::new(),
    };
    for columns in SAME {
        for (old, new) in pair(before, &mut removed, after, &mut added, columns) {
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
    changes.list.extend(added.into_iter().map(|row| Change {
        kind: ChangeKind::Added,
        before: None,
        after: Some(row),
    }));
    changes.list.extend(removed.into_iter().map(|row| Change {
        kind: ChangeKind::Removed,
        before: Some(row),
        after: None,
    }));
    changes
}

/// Pairs rows that are equal in `columns`, and removes them from `removed` and `added`.
fn pair(
    before: &Dataset,
    removed: &mut Vec<usize>,
    after: &Dataset,
    added: &mut Vec<usize>,
    columns: &[&str],
) -> Vec<(usize, usize)> {
    let key = |dataset: &Dataset, row| -> Vec<Option<String>> {
        let values = columns.iter().map(|column| dataset.text(column, row));
        values.collect()
    };
    let mut waiting: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for row in std::mem::take(removed) {
        waiting.entry(key(before, row)).or_default().push_back(row);
    }
    let mut pairs = Vec::new();
    added.retain(|&new| {
        let old = waiting.get_mut(&key(after, new));
        let old = old.and_then(VecDeque::pop_front);
        pairs.extend(old.map(|old| (old, new)));
        old.is_none()
    });
    removed.extend(waiting.into_values().flatten());
    removed.sort_unstable();
    pairs
}

/// How the same image differs; `None` if it does not.
fn kind(before: &Dataset, old: usize, after: &Dataset, new: usize) -> Option<ChangeKind> {
    let differs = |column| before.text(column, old) != after.text(column, new);
    if differs("class") || before.boxes(old) != after.boxes(new) {
        Some(ChangeKind::Label)
    } else if differs("blake3") {
        Some(ChangeKind::Picture)
    } else if differs("id") || differs("split") {
        Some(ChangeKind::Moved)
    } else {
        None
    }
}
