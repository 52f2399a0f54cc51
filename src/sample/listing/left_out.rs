//! What a listing leaves out, so that the user is told once.

use std::path::Path;

/// The most names that a message lists.
const MOST: usize = 3;

/// What was left out, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    hidden: Names,
    /// Each with what is wrong with it.
    broken: Names,
    /// What is wrong with the archive as a whole.
    damage: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Names {
    count: usize,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(name.into());
        }
    }

    fn listed(&self) -> String {
        let more = match self.count.saturating_sub(self.first.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.first.join(", ") + &more
    }
}

impl LeftOut {
    /// A file or folder that nobody means, with all that it holds.
    pub(super) fn hide(&mut self, name: impl Into<String>) {
        self.hidden.add(name);
    }

    /// A name with nothing behind it that can be read.
    pub(super) fn reject(&mut self, name: impl std::fmt::Display, problem: &str) {
        self.broken.add(format!("{name} {problem}"));
    }

    /// Says that an archive is damaged.
    pub(super) fn damage(&mut self, problem: impl Into<String>) {
        self.damage.get_or_insert(problem.into());
    }

    /// How many files and folders nobody means, in words; `None` if there are none.
    pub fn note(&self, path: &Path) -> Option<String> {
        let Names { count, .. } = self.hidden;
        let names = self.hidden.listed();
        let path = path.display();
        (count > 0).then(|| format!("{path}: left out {count} hidden or system names: {names}"))
    }

    /// What is missing that was meant to be there, in words; empty if nothing is.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let path = path.display();
        let links = (self.broken.count > 0).then(|| {
            let names = self.broken.listed();
            format!("{path}: left out {} names: {names}", self.broken.count)
        });
        let damage = self
            .damage
            .as_ref()
            .map(|damage| format!("{path}: {damage}"));
        links.into_iter().chain(damage).collect()
    }
}
