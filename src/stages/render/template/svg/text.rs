//! The text of an SVG as drawing programs and web pages have it: compressed, in UTF-16, with CSS variables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::sample::input::marked_utf16;

/// Variables of a file, and how deep one may name another.
const MOST_VARIABLES: usize = 1000;
const DEEPEST: usize = 8;

/// The most bytes that a text may grow to by its variables.
const MOST_BYTES: usize = 16 << 20;

/// The text in a file, which may be compressed with gzip (`.svgz`); no more than `most` bytes of it.
///
/// # Errors
/// If it is larger or damaged, or its encoding is not read.
pub(super) fn decoded(bytes: &[u8], most: u64) -> Result<Cow<'_, str>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return as_text(bytes);
    }
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes)
        .take(most + 1)
        .read_to_end(&mut unpacked);
    read.map_err(|e| format!("is compressed and cannot be unpacked: {e}"))?;
    if unpacked.len() as u64 > most {
        return Err(format!("unpacks to more than {} MiB", most >> 20));
    }
    Ok(as_text(&unpacked)?.into_owned().into())
}

fn as_text(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let Some(text) = marked_utf16(bytes) else {
        let text = std::str::from_utf8(bytes);
        return text
            .map(Cow::from)
            .map_err(|e| format!("is not a readable SVG: {e}"));
    };
    // The declaration names the encoding of the file, not of this text.
    Ok(match text.split_once("?>") {
        Some((head, rest)) if head.starts_with("<?xml") => rest.trim_start().to_owned(),
        _ => text,
    }
    .into())
}

/// The text with the values of its CSS variables (`--name: value`) in place of `var(--name)`; one without a value
/// becomes what is given after its name, and stays if nothing is. Which rule a variable is from makes no
/// difference: the last value counts.
pub(super) fn with_variables(text: &str) -> Cow<'_, str> {
    if !text.contains("var(--") {
        return text.into();
    }
    let variables = variables(text);
    let mut text = Cow::from(text);
    for _ in 0..DEEPEST {
        match substituted(&text, &variables) {
            Some(next) => text = next.into(),
            None => break,
        }
    }
    text
}

/// What every `--name: value` gives its name.
fn variables(text: &str) -> BTreeMap<&str, &str> {
    let mut variables = BTreeMap::new();
    for (place, _) in text.match_indices("--") {
        let after = &text[place + 2..];
        let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let value = after[end..].trim_start().strip_prefix(':');
        let Some(value) = value.filter(|_| end > 0 && variables.len() < MOST_VARIABLES) else {
            continue;
        };
        let value = value
            .split([';', '}', '"', '\'', '<', '>'])
            .next()
            .unwrap_or_default();
        variables.insert(&after[..end], value.trim());
    }
    variables
}

/// The text with each variable's value; `None` if nothing changes, or it grows too large.
fn substituted(text: &str, variables: &BTreeMap<&str, &str>) -> Option<String> {
    let (mut out, mut rest, mut changed) = (String::new(), text, false);
    while let Some(start) = rest.find("var(--") {
        let call = &rest[start..];
        // Innermost first: an inner call is replaced in this pass, the outer one in the next.
        let inner = call["var(".len()..]
            .find("var(--")
            .map(|at| at + "var(".len());
        let end = call.find(')')?;
        if inner.is_some_and(|inner| inner < end) {
            let inner = start + inner?;
            out += &rest[..inner];
            rest = &rest[inner..];
            continue;
        }
        let inside = &call["var(--".len()..end];
        let (name, other) = inside.split_once(',').unwrap_or((inside, ""));
        let value = variables.get(name.trim()).copied().unwrap_or(other.trim());
        out += &rest[..start];
        if value.is_empty() {
            out += &call[..=end];
        } else {
            out += value;
            changed = true;
        }
        rest = &rest[start + end + 1..];
        if out.len() > MOST_BYTES {
            return None;
        }
    }
    out += rest;
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn variables_have_their_values() {
        for (text, wanted) in [
            (
                "<style>:root{--main: #c00;}</style><path fill=\"var(--main)\"/>",
                "fill=\"#c00\"",
            ),
            (
                "<g style='--a:red'><path fill='var( --a)'/></g>",
                "var( --a)",
            ),
            ("<path fill='var(--none, blue)'/>", "fill='blue'"),
            ("<path fill='var(--none)'/>", "fill='var(--none)'"),
            (
                "<style>g{--a: var(--b); --b: lime}</style><path fill='var(--a)'/>",
                "fill='lime'",
            ),
            (
                "<style>g{--b: lime}</style><path fill='var(--none, var(--b))'/>",
                "fill='lime'",
            ),
        ] {
            let found = with_variables(text);
            assert!(found.contains(wanted), "{found}");
        }
    }

    #[test]
    fn variables_that_name_each_other_end() {
        let circle =
            "<style>g{--a: var(--b) var(--b); --b: var(--a) var(--a)}</style><g fill='var(--a)'/>";
        assert!(with_variables(circle).len() < MOST_BYTES * 2);
    }

    #[test]
    fn compressed_and_wide_texts_are_read() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><svg/>";
        let mut wide = vec![0xff, 0xfe];
        wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(decoded(&wide, 99).unwrap(), "<svg/>");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"<svg/>").unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(decoded(&packed, 99).unwrap(), "<svg/>");
        assert!(decoded(&packed, 3).unwrap_err().contains("unpacks to more"));
        assert!(decoded(&packed[..12], 99).is_err());
        assert!(decoded(b"\xff\xff", 99).is_err());
    }
}
