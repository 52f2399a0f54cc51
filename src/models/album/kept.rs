//! The decoded examples of an album that were used last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Example;

/// The examples used last, up to a number of bytes.
pub(super) struct Kept {
    most: usize,
    bytes: usize,
    /// Uses so far.
    uses: u64,
    /// By number, each with its last use.
    pub(super) examples: HashMap<usize, (u64, Arc<Example>)>,
    /// Numbers by their last use.
    pub(super) order: BTreeMap<u64, usize>,
}

impl Kept {
    pub(super) fn new(most: usize) -> Self {
        Kept {
            most,
            bytes: 0,
            uses: 0,
            examples: HashMap::new(),
            order: BTreeMap::new(),
        }
    }

    pub(super) fn get(&mut self, number: usize) -> Option<Arc<Example>> {
        let (used, example) = self.examples.get_mut(&number)?;
        self.uses += 1;
        self.order.remove(used);
        self.order.insert(self.uses, number);
        *used = self.uses;
        Some(example.clone())
    }

    pub(super) fn put(&mut self, number: usize, example: &Arc<Example>) {
        let size = |example: &Example| {
            let maps = example
                .maps
                .iter()
                .map(|(_, values)| size_of_val(&values[..]));
            let masks = example.masks.iter().flatten();
            let masks = masks.map(|mask| size_of_val(&mask.counts[..]));
            let labels = maps.chain(masks).sum::<usize>();
            example.picture.len() + example.mask.len() + labels
        };
        // Another thread may have been as quick.
        if self.examples.contains_key(&number) {
            return;
        }
        self.bytes += size(example);
        self.uses += 1;
        self.order.insert(self.uses, number);
        self.examples.insert(number, (self.uses, example.clone()));
        while self.bytes > self.most {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            if let Some((_, example)) = self.examples.remove(&oldest) {
                self.bytes -= size(&example);
            }
        }
    }
}
