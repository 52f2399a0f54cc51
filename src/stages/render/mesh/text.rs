//! Texts as modelling programs write them: with any line end, in UTF-8 or UTF-16, lines continued by a backslash.

use std::borrow::Cow;

use crate::sample::input::marked_utf16;

/// A file's text as UTF-8, which need not be valid throughout.
///
/// # Errors
/// If it is in an encoding that is not read.
pub(super) fn decoded(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Err("is text in UTF-32; save it as UTF-8".into())
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Ok(marked_utf16(&bytes).unwrap_or_default().into_bytes())
        }
        [first, second, ..] if *first == 0 || *second == 0 => {
            Err("is not text, or text in UTF-16 without a mark; save it as UTF-8".into())
        }
        _ => Ok(bytes),
    }
}

/// The lines of a text, with the number of the first if several are one, joined by backslashes at their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let line = next(&mut rest)?;
        number += 1;
        let first = number;
        // The path in a comment may end in a backslash.
        let Some(open) = continued(line).filter(|_| !line.trim_ascii_start().starts_with(b"#"))
        else {
            return Some((first, String::from_utf8_lossy(line)));
        };
        let mut whole = open.to_vec();
        while let Some(line) = next(&mut rest) {
            number += 1;
            whole.push(b' ');
            whole.extend(continued(line).unwrap_or(line));
            if continued(line).is_none() {
                break;
            }
        }
        Some((first, String::from_utf8_lossy(&whole).into_owned().into()))
    })
}

/// Takes one line from the text; `\n`, `\r` and `\r\n` end it.
fn next<'a>(rest: &mut Option<&'a [u8]>) -> Option<&'a [u8]> {
    let text = (*rest)?;
    let end = text.iter().position(|&b| b == b'\n' || b == b'\r');
    *rest = end.map(|end| match &text[end..] {
        [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
        [] => &[],
    });
    Some(end.map_or(text, |end| &text[..end]))
}

/// The line without the backslash at its end, if it has one.
fn continued(line: &[u8]) -> Option<&[u8]> {
    line.trim_ascii_end().strip_suffix(b"\\")
}

/// The name that the rest of a line is, spaces and all; a comment begins with a lone `#`.
pub(super) fn name(rest: &str) -> &str {
    let rest = rest.trim();
    let comment = rest.find(" # ").or_else(|| rest.find("\t# "));
    comment.map_or(rest, |at| rest[..at].trim_end())
}

/// The first word of a line, and what follows.
pub(super) fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(|c: char| c.is_ascii_whitespace())
        .unwrap_or((line, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(usize, String)> {
        let text = decoded(bytes.to_vec()).unwrap();
        let lines = lines(&text).map(|(number, line)| (number, line.into_owned()));
        lines.filter(|(_, line)| !line.is_empty()).collect()
    }

    #[test]
    fn any_line_end_and_encoding_gives_the_same_lines() {
        let wanted = [(1, "v ä".to_owned()), (2, "f 1".to_owned())];
        let text = "v ä\nf 1\n";
        let utf16 = |order: fn(u16) -> [u8; 2]| {
            let units = ['\u{feff}'].into_iter().chain(text.chars());
            let units = units.map(|c| c as u16);
            units.flat_map(order).collect::<Vec<u8>>()
        };
        for bytes in [
            text.into(),
            text.replace('\n', "\r").into_bytes(),
            text.replace('\n', "\r\n").into_bytes(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ] {
            assert_eq!(read(&bytes), wanted);
        }
        for bytes in [&b"v\0 \0"[..], b"\xff\xfe\0\0v\0\0\0"] {
            assert!(
                decoded(bytes.to_vec())
                    .unwrap_err()
                    .contains("save it as UTF-8")
            );
        }
    }

    #[test]
    fn backslashes_join_lines_but_not_after_a_comment() {
        let lines = read(b"f 1 2 \\\r\n 3 \\ \n4\n# C:\\parts\\\nv 1\nf \\");
        let wanted = [
            (1, "f 1 2   3  4"),
            (4, "# C:\\parts\\"),
            (5, "v 1"),
            (6, "f "),
        ];
        let lines: Vec<(usize, &str)> = lines.iter().map(|(n, l)| (*n, l.as_str())).collect();
        assert_eq!(lines, wanted);
    }

    #[test]
    fn names_keep_their_spaces() {
        assert_eq!(name("  shiny red "), "shiny red");
        assert_eq!(name("Material #25"), "Material #25");
        assert_eq!(name("red # as in the catalogue"), "red");
        assert_eq!(split("usemtl\ta b"), ("usemtl", "a b"));
    }
}
