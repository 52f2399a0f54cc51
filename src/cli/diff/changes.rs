//! Which images are new, gone or different, by their sample's id and the hash of their file.

use std::collections::BTreeMap;

use crate::cli::dataset::Dataset;

/// How an image changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Added,
    Removed,
    /// Other pixels, the same labels.
    Picture,
    /// Another class, split or box; maybe other pixels too.
    Label,
    /// The same pixels and labels under another sample's id.
    Renamed,
}

/// Every kind, in the order in which they are told.
pub const KINDS: [Kind; 5] = [
    Kind::Added,
    Kind::Removed,
    Kind::Picture,
    Kind::Label,
    Kind::Renamed,
];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Picture => "picture changed",
            Kind::Label => "label changed",
            Kind::Renamed => "renamed",
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

/// Compares row by row.
pub fn between(before: &Dataset, after: &Dataset) -> Changes {
    let mut gone = by_id(before);
    let mut changes = Changes {
        unchanged: 0,
        list: Vec::new(),
    };
    let mut fresh = Vec::new();
    for (id, new) in by_id(after) {
        let Some(old) = gone.remove(&id) else {
            fresh.push(new);
            continue;
        };
        let kind = if labels(before, old) != labels(after, new) {
            Kind::Label
        } else if before.text("blake3", old) != after.text("blake3", new) {
            Kind::Picture
        } else {
            changes.unchanged += 1;
            continue;
        };
        changes.list.push(Change {
            kind,
            before: Some(old),
            after: Some(new),
        });
    }
    added_and_removed(before, after, &mut changes.list, gone, fresh);
    changes
}

/// Of what has no partner by id, pairs equal content; the rest was added or removed.
fn added_and_removed(
    before: &Dataset,
    after: &Dataset,
    list: &mut Vec<Change>,
    gone: BTreeMap<(String, usize), usize>,
    fresh: Vec<usize>,
) {
    let content = |dataset: &Dataset, row| (dataset.text("blake3", row), labels(dataset, row));
    let mut left: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for row in gone.into_values() {
        let hash = before.text("blake3", row);
        left.entry(hash).or_default().push(row);
    }
    for new in fresh {
        let same = left.get_mut(&after.text("blake3", new)).and_then(|rows| {
            let equal = |&row: &usize| content(before, row) == content(after, new);
            let place = rows.iter().position(equal)?;
            Some(rows.swap_remove(place))
        });
        list.push(Change {
            kind: if same.is_some() {
                Kind::Renamed
            } else {
                Kind::Added
            },
            before: same,
            after: Some(new),
        });
    }
    let mut rows: Vec<usize> = left.into_values().flatten().collect();
    rows.sort_unstable();
    list.extend(rows.into_iter().map(|row| Change {
        kind: Kind::Removed,
        before: Some(row),
        after: None,
    }));
}

/// Rows by the sample's id; one that comes again has a number of its own.
fn by_id(dataset: &Dataset) -> BTreeMap<(String, usize), usize> {
    let mut rows = BTreeMap::new();
    for row in 0..dataset.len() {
        let id = dataset.text("id", row).unwrap_or_default();
        let mut key = (id, 0);
        while rows.contains_key(&key) {
            key.1 += 1;
        }
        rows.insert(key, row);
    }
    rows
}

/// All that is said of an image beside its pixels.
fn labels(
    dataset: &Dataset,
    row: usize,
) -> (Option<String>, Option<String>, Vec<(String, [f32; 4])>) {
    (
        dataset.text("class", row),
        dataset.text("split", row),
        dataset.boxes(row),
    )
}
