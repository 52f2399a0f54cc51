//! Bytes of a text to the text: UTF-8, UTF-16 of both byte orders, and Windows-1252 for the rest.

use crate::sample::input::{marked_utf16, utf16};

/// What the bytes 0x80..0xa0 stand for in Windows-1252; those that stand for nothing stay as they are in
/// Latin-1.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text that `bytes` are, and whether its encoding was guessed.
pub(super) fn decode(bytes: &[u8]) -> (String, bool) {
    if let Some(text) = marked_utf16(bytes) {
        return (text, false);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Plain letters in UTF-16 are a letter and a zero.
    let begin = &bytes[..bytes.len().min(64) & !1];
    let zeros = |offset: usize| {
        begin
            .iter()
            .skip(offset)
            .step_by(2)
            .filter(|&&byte| byte == 0)
            .count()
    };
    let most = begin.len() / 2;
    if most >= 2 && zeros(1) == most && zeros(0) == 0 {
        return (utf16(bytes, u16::from_le_bytes), false);
    }
    if most >= 2 && zeros(0) == most && zeros(1) == 0 {
        return (utf16(bytes, u16::from_be_bytes), false);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (windows_1252(bytes), true),
    }
}

fn windows_1252(bytes: &[u8]) -> String {
    let letter = |&byte: &u8| match byte {
        0x80..0xa0 => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    bytes.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_encoding_are_read() {
        let text = "file,größe\nStraße €5.jpg,1\n";
        let utf16: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            marked(b"\xef\xbb\xbf", text.as_bytes()),
            marked(b"\xff\xfe", &little),
            marked(b"\xfe\xff", &big),
        ] {
            assert_eq!(decode(&bytes), (text.to_owned(), false));
        }
        // Without a mark, the first letters tell.
        let plain = "file,x1,y1,x2,y2\nStraße.jpg,1,2,3,4\n";
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = plain.encode_utf16().flat_map(unit).collect();
            assert_eq!(decode(&bytes), (plain.to_owned(), false));
        }
        let latin = b"file,gr\xf6\xdfe\nStra\xdfe \x805.jpg,1\n";
        assert_eq!(decode(latin), (text.to_owned(), true));
    }
}
