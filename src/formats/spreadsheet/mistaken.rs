//! Files that are given by mistake for a CSV: they are named, and never printed.

use crate::sample::content::{Content, HEAD};

/// What makes a CSV of boxes or classes.
const TABLE: &str =
    "give a CSV with a header and one row per box or photo, such as `file,x1,y1,x2,y2,class`";

/// What a file is instead of a CSV, and what to do; `None` if it may be one.
pub(super) fn recognise(bytes: &[u8], text: &str) -> Option<(String, &'static str)> {
    let content = Content::of(&bytes[..bytes.len().min(HEAD)]);
    let found = |noun: &str| Some((format!("is {noun}, not a CSV"), TABLE));
    let begin = text.trim_start();
    if begin.starts_with('<')
        && begin
            .chars()
            .take(2000)
            .collect::<String>()
            .contains("<annotation")
    {
        return found("XML with the boxes of one photo (Pascal VOC)");
    }
    match content {
        Content::Empty => return Some(("is empty".into(), TABLE)),
        Content::Zip | Content::Other("an old Office file") => {
            let noun = "a zip or a workbook of Excel or LibreOffice, not a CSV";
            return Some((format!("is {noun}"), "save the sheet as CSV"));
        }
        Content::Other(_)
        | Content::Picture(_)
        | Content::OtherPicture(_)
        | Content::Tar
        | Content::Gzip => return found(&content.noun()),
        Content::Text | Content::Unknown => {}
    }
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    let is_high = |c: char| matches!(c, '\u{80}'..'\u{a0}');
    if text
        .chars()
        .take(100_000)
        .any(|c| is_control(c) && !is_high(c))
    {
        return found("a binary file");
    }
    if begin.starts_with('<') {
        return found("XML");
    }
    if begin.starts_with('{') || begin.starts_with('[') {
        let is_coco = text.contains("\"annotations\"") && text.contains("\"images\"");
        return found(if is_coco {
            "a COCO file (JSON)"
        } else {
            "a JSON file"
        });
    }
    if is_yolo_list(begin) {
        return found("a list of the boxes of one photo (YOLO)");
    }
    if is_yolo_settings(begin) {
        return found("a settings file of YOLO (YAML)");
    }
    None
}

/// Lines of a class number and at least four shares of width and height.
fn is_yolo_list(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(5)
        .peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            let mut fields = line.split_ascii_whitespace();
            let is_class = fields
                .next()
                .is_some_and(|class| class.parse::<u32>().is_ok());
            let shares: Vec<Option<f64>> = fields.map(|field| field.parse().ok()).collect();
            let is_share = |share: &Option<f64>| share.is_some_and(|s| (0.0..=1.0).contains(&s));
            is_class && shares.len() >= 4 && shares.iter().all(is_share)
        })
}

/// Lines such as `names: [cat, dog]`, and none with a comma before its colon.
fn is_yolo_settings(text: &str) -> bool {
    let keys = ["names", "nc", "train", "val", "path"];
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .take(30);
    let known = lines.filter_map(|line| line.split_once(':'));
    known.filter(|(key, _)| keys.contains(&key.trim())).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_given_by_mistake_are_named() {
        let coco = r#"{"info": {}, "images": [{"id": 1}], "annotations": []}"#;
        for (bytes, noun) in [
            (coco.as_bytes(), "is a COCO file (JSON), not a CSV"),
            (b"[1, 2]", "is a JSON file"),
            (b"0 0.5 0.5 0.2 0.3\n2 0.1 0.2 0.3 0.4\n", "(YOLO)"),
            (
                b"path: ../data\ntrain: images/train\nnc: 2\nnames: ['a', 'b']\n",
                "(YAML)",
            ),
            (b"<annotation><folder>x</folder></annotation>", "Pascal VOC"),
            (b"<?xml version=\"1.0\"?><a/>", "is an XML file"),
            (b"<!DOCTYPE html><html></html>", "is an HTML page"),
            (b"PK\x03\x04 and more", "workbook of Excel"),
            (b"PAR1 and more", "a Parquet file"),
            (b"\xff\xd8\xff\xe0", "a JPEG picture"),
            (b"\x01\x02\x03\x04", "a binary file"),
            (b"", "is empty"),
        ] {
            let text = String::from_utf8_lossy(bytes);
            let (problem, _) = recognise(bytes, &text).unwrap();
            assert!(problem.contains(noun), "{problem}");
        }
        for text in [
            "file,x1\na.jpg,3\n",
            "train: a,b\n1,2\n",
            "a\n0\n",
            "0,1,2,3,4\n",
        ] {
            assert_eq!(recognise(text.as_bytes(), text), None, "{text}");
        }
    }
}
