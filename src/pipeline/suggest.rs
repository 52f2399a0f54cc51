//! "Did you mean": the known name nearest to an unknown one.

/// The candidate most similar to `name`, if any is similar enough to be a typo.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (closeness(name, candidate), candidate))
        .filter(|(closeness, _)| *closeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Similarity: 1 for equal names, 0 for names with nothing in common.
fn closeness(name: &str, candidate: &str) -> f64 {
    let (name, candidate) = (name.to_lowercase(), candidate.to_lowercase());
    let edits = strsim::normalized_damerau_levenshtein(&name, &candidate);
    let within = name.len() > 2 && (candidate.starts_with(&name) || name.starts_with(&candidate));
    if within { edits.max(0.7) } else { edits }
}

/// A remedy for an unknown name: the nearest known one, and the list of all.
pub fn remedy(name: &str, what: &str, known: &[&str]) -> String {
    let all = match known {
        [] => format!("{what}: none"),
        _ => format!("{what}: {}", known.join(", ")),
    };
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["copies", "rotate", "blur"];
        assert_eq!(nearest("copeis", known), Some("copies"));
        assert_eq!(nearest("rot", known), Some("rotate"));
        assert_eq!(nearest("temperature", known), None);
    }
}
