//! JSON as programs in Python write it.

/// Parses JSON. Python also writes numbers that JSON does not have, `NaN` and `Infinity`; they are read as null.
///
/// # Errors
/// If it is not JSON, or does not have the type.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|error| match without_nan(text) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    })
}

/// The text with null in the place of numbers that are none; `None` if there are none outside of strings.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    let (mut changed, mut rest) = (Vec::new(), text);
    let (mut in_string, mut found) = (false, false);
    while let Some(&byte) = rest.first() {
        let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
        let word = words.into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = word.filter(|_| !in_string) {
            changed.extend(b"null");
            rest = &rest[word.len()..];
            found = true;
            continue;
        }
        let is_escape = in_string && byte == b'\\';
        in_string ^= byte == b'"';
        let (taken, after) = rest.split_at(rest.len().min(1 + usize::from(is_escape)));
        changed.extend(taken);
        rest = after;
    }
    found.then_some(changed)
}
