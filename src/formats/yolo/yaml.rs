//! The part of YAML that `data.yaml` files use: a mapping of scalars, lists and mappings, as blocks or in
//! brackets on one line. Anchors, tags, texts of several lines and deeper nesting are not read.

use std::path::Path;

use crate::Result;
use crate::formats::wrong;
use crate::sample::input;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Text(String),
    List(Vec<Yaml>),
    /// In the order of the file.
    Map(Vec<(String, Yaml)>),
}

/// The most bytes of a file: class names and folders.
const MOST: u64 = 16 << 20;

impl Yaml {
    /// The value of a key; `None` if there is none, or this is not a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Yaml> {
        self.pairs().iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    pub(super) fn pairs(&self) -> &[(String, Yaml)] {
        match self {
            Yaml::Map(pairs) => pairs,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list, or a text alone.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Yaml::Text(text) => vec![text],
            Yaml::List(items) => items.iter().filter_map(Yaml::text).collect(),
            Yaml::Map(_) => Vec::new(),
        }
    }

    /// Texts by number: a list, or a mapping whose keys are numbers.
    pub(super) fn numbered(&self) -> Vec<(usize, &Yaml)> {
        match self {
            Yaml::List(items) => items.iter().enumerate().collect(),
            other => {
                let numbered = other.pairs().iter();
                numbered
                    .filter_map(|(key, value)| Some((key.parse().ok()?, value)))
                    .collect()
            }
        }
    }
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read; the message names the line.
pub(super) fn read(path: &Path) -> Result<Yaml> {
    let bytes = input::read(path, MOST)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| wrong(path, e))?;
    parse(text).map_err(|(line, problem)| wrong(path, format!("line {line}: {problem}")))
}

/// A line with content: its number, indentation and text.
type Line<'a> = (usize, usize, &'a str);

fn parse(text: &str) -> Result<Yaml, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().map(|(number, line)| {
        let line = without_comment(line).trim_end();
        let content = line.trim_start();
        (number + 1, line.len() - content.len(), content)
    });
    let is_content = |(_, _, content): &Line| !content.is_empty() && !content.starts_with("---");
    let lines: Vec<Line> = lines.filter(is_content).collect();
    let mut rest = &lines[..];
    let value = block(&mut rest, 0)?;
    match rest.first() {
        Some((line, _, _)) => Err((*line, "is indented unlike the lines before it".to_owned())),
        None => Ok(value),
    }
}

/// The most levels of blocks.
const DEEPEST: usize = 4;

/// Takes the lines of a block, all with the indentation of the first.
fn block(lines: &mut &[Line], depth: usize) -> Result<Yaml, (usize, String)> {
    let Some(&(number, indent, first)) = lines.first() else {
        return Ok(Yaml::Map(Vec::new()));
    };
    if depth > DEEPEST {
        return Err((number, "is nested too deeply".to_owned()));
    }
    let (mut items, mut pairs) = (Vec::new(), Vec::new());
    let is_list = first == "-" || first.starts_with("- ");
    while let Some(&(number, own, content)) = lines.first() {
        if own != indent {
            break;
        }
        let fail = |problem: &str| (number, problem.to_owned());
        if is_list {
            let Some(item) = content.strip_prefix('-') else {
                break;
            };
            *lines = &lines[1..];
            items.push(inline(item.trim()).map_err(|e| fail(&e))?);
            continue;
        }
        let (key, value) = key_and_value(content).ok_or_else(|| fail("is not `key: value`"))?;
        *lines = &lines[1..];
        let follows = lines.first().filter(|(_, next, content)| {
            // A list may be as far to the left as its key.
            *next > indent || (*next == indent && content.starts_with("- "))
        });
        let value = match follows {
            Some(_) if value.is_empty() => block(lines, depth + 1)?,
            _ => inline(value).map_err(|e| fail(&e))?,
        };
        pairs.push((key, value));
    }
    Ok(match is_list {
        true => Yaml::List(items),
        false => Yaml::Map(pairs),
    })
}

/// Splits `key: value`, whose key may be in quotes.
fn key_and_value(content: &str) -> Option<(String, &str)> {
    let (key, rest) = scalar(content, &[':']).ok()?;
    let rest = rest.trim_start().strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| (key, rest.trim()))
}

/// A value on one line.
fn inline(text: &str) -> Result<Yaml, String> {
    let (open, close) = match text.as_bytes().first() {
        Some(b'[') => ('[', ']'),
        Some(b'{') => ('{', '}'),
        _ => {
            let (value, rest) = scalar(text, &[])?;
            return match rest.trim().is_empty() {
                true => Ok(Yaml::Text(value)),
                false => Err(format!("has `{rest}` after a text in quotes")),
            };
        }
    };
    let (mut items, mut pairs) = (Vec::new(), Vec::new());
    let mut rest = text[1..].trim_start();
    while !rest.starts_with(close) {
        if rest.is_empty() {
            return Err(format!("lacks the `{close}` after `{open}`"));
        }
        if rest.starts_with(['[', '{']) {
            return Err("has brackets in brackets".to_owned());
        }
        let (first, after) = scalar(rest, &[',', ':', close])?;
        rest = after.trim_start();
        match rest.strip_prefix(':') {
            Some(after) => {
                let (value, after) = scalar(after.trim_start(), &[',', close])?;
                pairs.push((first, Yaml::Text(value)));
                rest = after.trim_start();
            }
            None => items.push(Yaml::Text(first)),
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(close) => {}
            None => return Err(format!("lacks the `{close}` after `{open}`")),
        }
    }
    Ok(match open {
        '{' => Yaml::Map(pairs),
        _ => Yaml::List(items),
    })
}

/// Takes a text, in quotes or up to one of `ends`, and returns the rest.
fn scalar<'a>(text: &'a str, ends: &[char]) -> Result<(String, &'a str), String> {
    match text.chars().next() {
        Some('"') => {
            let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
            let value = stream.next();
            let length = stream.byte_offset();
            match value {
                Some(Ok(value)) => Ok((value, &text[length..])),
                _ => Err("has a text in quotes that does not end".to_owned()),
            }
        }
        Some('\'') => {
            let mut value = String::new();
            let mut rest = &text[1..];
            loop {
                let quote = rest.find('\'');
                let quote = quote.ok_or("has a text in quotes that does not end")?;
                value += &rest[..quote];
                rest = &rest[quote + 1..];
                match rest.strip_prefix('\'') {
                    Some(after) => {
                        value.push('\'');
                        rest = after;
                    }
                    None => return Ok((value, rest)),
                }
            }
        }
        _ => {
            let end = text.find(ends).unwrap_or(text.len());
            Ok((text[..end].trim().to_owned(), &text[end..]))
        }
    }
}

/// The line before ` #`, unless that is in quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return &line[..at],
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (Some(open), _) if open == c && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::mutations::assert_survived;

    const DATA: &str = "\
# Ultralytics
path: ../datasets/coco8 # dataset root
train: images/train
val:   # two folders
- images/val
- 'images/it''s'

names:
  0: person
  1: \"a \\\"b\\\" # c\"
  7: it's
kpt_shape: [17, 3]
flow: {a: 1, 'b c': 2}
";

    #[test]
    fn files_as_people_write_them_are_read() {
        let yaml = parse(DATA).unwrap();
        assert_eq!(yaml.get("path").unwrap().text(), Some("../datasets/coco8"));
        assert_eq!(
            yaml.get("val").unwrap().texts(),
            ["images/val", "images/it's"]
        );
        let names = yaml.get("names").unwrap().numbered();
        let names: Vec<_> = names
            .into_iter()
            .map(|(i, v)| (i, v.text().unwrap()))
            .collect();
        assert_eq!(names, [(0, "person"), (1, "a \"b\" # c"), (7, "it's")]);
        assert_eq!(yaml.get("kpt_shape").unwrap().texts(), ["17", "3"]);
        let flow = yaml.get("flow").unwrap().pairs();
        assert_eq!(flow[1], ("b c".to_owned(), Yaml::Text("2".to_owned())));
        let names = parse("names: ['a', b c, \"d, e\"]\nnc: 3\n").unwrap();
        assert_eq!(names.get("names").unwrap().texts(), ["a", "b c", "d, e"]);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (text, line) in [("a: 1\nb\n", 2), ("a: [1, 2\n", 1), ("a: 1\n   b: 2\n", 2)] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }

    #[test]
    fn mutated_files_are_read_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.yaml");
        assert_survived(
            "data.yaml",
            DATA.as_bytes(),
            |_| {},
            |bytes| {
                std::fs::write(&path, bytes).unwrap();
                read(&path)
            },
        );
    }
}
