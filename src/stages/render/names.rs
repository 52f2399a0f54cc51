//! Names of classes: each becomes a folder of the dataset, on every system that it is copied to.

use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a class name; file systems take about 255, and image names go into the same path.
const LONGEST: usize = 200;

/// Names that Windows keeps for devices, whatever their ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A class and the file that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub class: String,
    pub source: String,
}

/// Checks that every class can name a folder, and that no two are one folder where case is ignored.
///
/// # Errors
/// The first class that cannot, with its file and `remedy`.
pub(super) fn check(named: &[Named], remedy: &str) -> Result<(), String> {
    let mut folders: BTreeMap<String, &Named> = BTreeMap::new();
    for one in named {
        let Named { class, source } = one;
        if let Some(fault) = fault(class) {
            return Err(format!(
                "{source}: the class {class:?} {fault}, so it cannot name a folder; {remedy}"
            ));
        }
        let known = folders.entry(class.to_lowercase()).or_insert(one);
        if known.class != *class {
            return Err(format!(
                "the classes `{}` ({}) and `{class}` ({source}) differ in case alone, so they are one \
                 folder on Windows and macOS; {remedy}",
                known.class, known.source
            ));
        }
    }
    Ok(())
}

/// What keeps a class from naming a folder anywhere.
fn fault(class: &str) -> Option<&'static str> {
    match class {
        "" => Some("is empty"),
        _ if class.starts_with('.') => Some("begins with a dot"),
        _ if class.ends_with(['.', ' ']) => Some("ends with a dot or a space"),
        _ if class.contains(['/', '\\']) => Some("holds a slash"),
        _ if class.chars().any(char::is_control) => Some("holds a line break or control character"),
        _ if class.len() > LONGEST => Some("is longer than 200 bytes"),
        _ => None,
    }
}

/// What keeps classes that pass [`check`] from being folders on Windows; `None` if nothing does.
pub(super) fn warning(named: &[Named]) -> Option<String> {
    let device = |class: &str| {
        let stem = class.split('.').next().unwrap_or_default();
        DEVICES.contains(&stem.to_lowercase().as_str())
    };
    let odd = |class: &str| device(class) || class.contains(['<', '>', ':', '"', '|', '?', '*']);
    let odd = named
        .iter()
        .map(|one| one.class.as_str())
        .filter(|class| odd(class));
    let odd: BTreeSet<&str> = odd.collect();
    let list: Vec<String> = odd.iter().map(|class| format!("`{class}`")).collect();
    (!list.is_empty())
        .then(|| format!("no folder on Windows can have the name {}", list.join(", ")))
}

/// Checks that the `classes` that a pipeline lists are those that the files have.
///
/// # Errors
/// If one is listed twice, or is in only one of the two.
pub(super) fn check_list(classes: &[String], named: &[Named]) -> Result<(), String> {
    let known: BTreeSet<&str> = named.iter().map(|one| one.class.as_str()).collect();
    let joined = |classes: &mut dyn Iterator<Item = &str>| {
        let quoted: Vec<String> = classes.take(8).map(|class| format!("`{class}`")).collect();
        quoted.join(", ")
    };
    for (place, class) in classes.iter().enumerate() {
        if classes[..place].contains(class) {
            return Err(format!("`classes` lists `{class}` twice"));
        }
        if !known.contains(class.as_str()) {
            return Err(format!(
                "`classes` lists `{class}`, which no file is of; there are {}",
                joined(&mut known.iter().copied())
            ));
        }
    }
    let mut missing = known
        .iter()
        .copied()
        .filter(|known| !classes.iter().any(|c| c == known));
    let missing = joined(&mut missing);
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "`classes` leaves out {missing}; list every class, or none"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(classes: &[&str]) -> Vec<Named> {
        let one = |class: &&str| Named {
            class: (*class).to_owned(),
            source: format!("set/{class}.svg"),
        };
        classes.iter().map(one).collect()
    }

    #[test]
    fn names_that_cannot_be_folders_are_refused_with_their_file() {
        let long = "x".repeat(201);
        for class in [
            "", ".5", "..", "yes/no", "a\\b", "CR\r", "ends.", "ends ", &long,
        ] {
            let problem = check(&named(&["fine", class]), "rename it").unwrap_err();
            assert!(
                problem.contains("cannot name a folder; rename it"),
                "{problem}"
            );
            assert!(
                problem.starts_with(&format!("set/{class}.svg: ")),
                "{problem}"
            );
        }
        let fine = [
            "a b", "é", "写真", "50%", "o'clock", "-x", "#1", "v.1", "train",
        ];
        assert_eq!(check(&named(&fine), ""), Ok(()));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_refused() {
        let problem = check(&named(&["Stop", "yield", "stop"]), "rename one").unwrap_err();
        assert!(
            problem.contains("`Stop` (set/Stop.svg) and `stop` (set/stop.svg)"),
            "{problem}"
        );
        assert_eq!(check(&named(&["stop", "stop"]), ""), Ok(()));
    }

    #[test]
    fn names_that_only_windows_refuses_are_said() {
        let said = warning(&named(&["cup", "aux", "q\"uote", "Com1.x"])).unwrap();
        assert!(said.ends_with("`Com1.x`, `aux`, `q\"uote`"), "{said}");
        assert_eq!(warning(&named(&["cup", "auxiliary"])), None);
    }

    #[test]
    fn a_list_of_classes_is_all_of_them_and_each_once() {
        let owned = |classes: &[&str]| classes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let check = |listed: &[&str]| check_list(&owned(listed), &named(&["cup", "mug"]));
        assert_eq!(check(&["mug", "cup"]), Ok(()));
        for (listed, part) in [
            (&["mug", "cup", "mug"][..], "`mug` twice"),
            (
                &["mug", "cpu"],
                "`cpu`, which no file is of; there are `cup`, `mug`",
            ),
            (&["mug"], "leaves out `cup`"),
        ] {
            let problem = check(listed).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
