//! Names of files: which ones nobody means, and how those are written that are not text.

use std::collections::{HashMap, HashSet};

/// What systems and programs leave in folders, whatever its case. Names that begin with a dot are left out
/// as well.
const LEFTOVERS: [&str; 7] = [
    "__MACOSX",
    "@eaDir",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
];

/// Whether nobody means this file or folder: hidden ones, and what systems leave behind.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
        || LEFTOVERS
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
}

/// A name as text: bytes that are not UTF-8 become `%DF` and the like, and so do percent signs beside them.
pub(super) fn as_text(name: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(name) {
        return text.to_owned();
    }
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text += &chunk.valid().replace('%', "%25");
        for byte in chunk.invalid() {
            text += &format!("%{byte:02X}");
        }
    }
    text
}

/// A name that is not UTF-8, read as Latin-1; `None` if it is UTF-8.
pub(super) fn as_latin1(name: &[u8]) -> Option<String> {
    let is_text = std::str::from_utf8(name).is_ok();
    (!is_text).then(|| name.iter().map(|&byte| char::from(byte)).collect())
}

/// A listed name as a table may have it: `%DF` and the like read as Latin-1.
pub fn as_table_has_it(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some(place) = rest.find('%') {
        let code = rest.get(place + 1..place + 3);
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        let end = if byte.is_some_and(|byte| byte >= 0x80) {
            place + 3
        } else {
            place + 1
        };
        text += &rest[..place];
        match byte.filter(|byte| *byte >= 0x80) {
            Some(byte) => text.push(char::from(byte)),
            None => text.push('%'),
        }
        rest = &rest[end..];
    }
    text + rest
}

/// The name of a file in an archive, part by part: without `.` and a leading `/`. `None` if it leads outside,
/// or to nothing.
pub(super) fn inside(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join(&b'/'))
}

/// Where a link in `folder` leads that is named `target`; `None` if it leads outside.
pub(super) fn linked(folder: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if target.starts_with(b"/") {
        return None;
    }
    for part in [folder, target]
        .into_iter()
        .flat_map(|path| path.split(|&byte| byte == b'/'))
    {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join(&b'/'))
}

/// The part of `name` up to and including the first one that nobody means, if there is one.
pub(super) fn hidden_part(name: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    for part in name.split(|&byte| byte == b'/') {
        end += part.len();
        if is_hidden(&String::from_utf8_lossy(part)) {
            return Some(&name[..end]);
        }
        end += 1;
    }
    None
}

/// Makes every name unique: text stays as it is, and names that were none get a `~`.
pub(super) fn make_unique(names: &mut [(String, bool)]) {
    let mut taken: HashSet<String> = HashSet::new();
    let texts = names.iter().filter(|(_, was_text)| *was_text);
    taken.extend(texts.map(|(name, _)| name.clone()));
    for (name, _) in names.iter_mut().filter(|(_, was_text)| !was_text) {
        while !taken.insert(name.clone()) {
            name.push('~');
        }
    }
}

/// Finds files by the names that tables give them.
pub struct Index {
    exact: HashMap<String, usize>,
    /// In small letters; `None` where several files share a name.
    folded: HashMap<String, Option<usize>>,
    /// The name of the folder or archive itself, in small letters.
    own: String,
    /// The folder in which all files lie, if there is one, with its slash.
    top: Option<String>,
}

impl Index {
    /// Of files by name; `aliases` are further names.
    pub(super) fn new<'n>(
        own: &str,
        names: impl Iterator<Item = (&'n str, Option<&'n str>)> + Clone,
    ) -> Self {
        let mut exact = HashMap::new();
        let mut folded = HashMap::new();
        for (place, (name, alias)) in names.clone().enumerate() {
            exact.insert(name.to_owned(), place);
            for name in std::iter::once(name).chain(alias) {
                let several = folded.entry(name.to_lowercase()).or_insert(Some(place));
                *several = several.filter(|other| *other == place);
            }
        }
        let mut tops = names.map(|(name, _)| name.split_once('/').map(|(top, _)| top));
        let first = tops.next().flatten();
        let top = first.filter(|first| tops.all(|top| top == Some(first)));
        Index {
            exact,
            folded,
            own: own.to_lowercase(),
            top: top.map(|top| format!("{top}/")),
        }
    }

    /// The place of the file that a table calls `name`: as it is listed; else with slashes for backslashes;
    /// else with or without the folder that all lie in; else in letters of another case, if that is clear.
    pub fn find(&self, name: &str) -> Option<usize> {
        if let Some(place) = self.exact.get(name) {
            return Some(*place);
        }
        let parts: Vec<&str> = name
            .split(['/', '\\'])
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            return None;
        }
        let slashed = parts.join("/");
        let own = parts
            .iter()
            .rposition(|part| part.to_lowercase() == self.own);
        let below = own.map(|own| parts[own + 1..].join("/"));
        let is_absolute = name.starts_with(['/', '\\']) || name.get(1..2) == Some(":");
        let plain = (!is_absolute).then_some(slashed);
        let within = self.top.as_ref().zip(plain.as_ref());
        let within = within.map(|(top, name)| format!("{top}{name}"));
        let candidates: Vec<String> = plain.into_iter().chain(within).chain(below).collect();
        let exact = candidates.iter().find_map(|name| self.exact.get(name));
        let folded = || {
            let mut names = candidates.iter().map(|name| name.to_lowercase());
            names.find_map(|name| self.folded.get(&name).copied().flatten())
        };
        exact.copied().or_else(folded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systems_leave_behind_is_hidden() {
        for name in [
            "._a.jpg",
            ".git",
            ".ipynb_checkpoints",
            "__MACOSX",
            "@eaDir",
            "thumbs.DB",
        ] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["a.jpg", "_a.jpg", "@home", "Thumbs.db.jpg"] {
            assert!(!is_hidden(name), "{name}");
        }
        assert_eq!(hidden_part(b"a/@eaDir/b/c.jpg"), Some(&b"a/@eaDir"[..]));
        assert_eq!(hidden_part(b"a/b.jpg"), None);
    }

    #[test]
    fn names_that_are_no_text_become_unique_text() {
        assert_eq!(as_text("Straße 100%.jpg".as_bytes()), "Straße 100%.jpg");
        assert_eq!(as_text(b"Stra\xdfe 100%.jpg"), "Stra%DFe 100%25.jpg");
        assert_eq!(as_latin1(b"Stra\xdfe").unwrap(), "Straße");
        assert_eq!(as_table_has_it("Stra%DFe 10%, %20%"), "Straße 10%, %20%");
        let mut names = [("a%DF", false), ("a%DF", true), ("b%DF", false)]
            .map(|(name, was_text)| (name.to_owned(), was_text));
        make_unique(&mut names);
        assert_eq!(names.map(|(name, _)| name), ["a%DF~", "a%DF", "b%DF"]);
    }

    #[test]
    fn no_name_leads_outside() {
        assert_eq!(inside(b"./a//b.jpg").unwrap(), b"a/b.jpg");
        assert_eq!(inside(b"/etc/passwd").unwrap(), b"etc/passwd");
        assert_eq!(inside(b"a/../../b"), None);
        assert_eq!(linked(b"a/b", b"../c.jpg").unwrap(), b"a/c.jpg");
        assert_eq!(linked(b"a", b"../../c.jpg"), None);
        assert_eq!(linked(b"a", b"/c.jpg"), None);
    }

    #[test]
    fn tables_may_name_files_in_many_ways() {
        let names = [
            "all/a.jpg",
            "all/sub/z.jpg",
            "all/sub/Z.jpg",
            "all/Stra%DFe.jpg",
        ];
        let aliases = [None, None, None, Some("all/Straße.jpg")];
        let index = Index::new("photos", names.into_iter().zip(aliases));
        for (name, place) in [
            ("all/a.jpg", Some(0)),
            ("a.jpg", Some(0)),
            ("./A.JPG", Some(0)),
            ("sub\\z.jpg", Some(1)),
            ("all\\sub\\Z.jpg", Some(2)),
            ("all/sub/z.JPG", None),
            ("photos/all/a.jpg", Some(0)),
            ("C:\\data\\photos\\all\\a.jpg", Some(0)),
            ("/all/a.jpg", None),
            ("other/a.jpg", None),
            ("photos/../photos/all/a.jpg", None),
            ("Straße.jpg", Some(3)),
            ("", None),
        ] {
            assert_eq!(index.find(name), place, "{name}");
        }
    }
}
