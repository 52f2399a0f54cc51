//! What formats in XML share: documents read within limits, their elements' texts and numbers, and escaping.

use std::path::Path;
use std::str::FromStr;

use roxmltree::{Document, Node, ParsingOptions};

use super::wrong;
use crate::Result;
use crate::sample::input::{self, MOST_BYTES};

/// The most elements, attributes and texts of a document.
const MOST_NODES: u32 = 1 << 24;

/// The text of a file.
///
/// # Errors
/// If it cannot be read, or is not UTF-8.
pub(super) fn text(path: &Path) -> Result<String> {
    String::from_utf8(input::read(path, MOST_BYTES)?).map_err(|e| wrong(path, e))
}

/// Parses the text of a file. Definitions of entities are refused.
///
/// # Errors
/// If it is not XML; the message names the file, line and column.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    input::guarded(path.display(), "check that the file is complete", || {
        Document::parse_with_options(text, options).map_err(|e| wrong(path, e))
    })
}

/// The first child with this name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The text in the first child with this name, without spaces around it.
pub(super) fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim)
}

/// The number in the first child with this name.
///
/// # Errors
/// If there is none.
pub(super) fn number_of<T: FromStr>(node: Node, name: &str) -> Result<T, String> {
    let text = text_of(node, name).ok_or_else(|| format!("lacks <{name}>"))?;
    let number = text.parse();
    number.map_err(|_| format!("has `{text}` as <{name}>, which is not a number"))
}

/// The number in an attribute.
///
/// # Errors
/// If there is none.
pub(super) fn attribute<T: FromStr>(node: Node, name: &str) -> Result<T, String> {
    let text = node.attribute(name);
    let text = text.ok_or_else(|| format!("lacks the attribute `{name}`"))?;
    let number = text.parse();
    number.map_err(|_| format!("has `{text}` as `{name}`, which is not a number"))
}

/// A text for an element or attribute. Characters that XML does not have become spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' => escaped += "&#9;",
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
