//! What the parser will make of a template's XML: copies of copies that double at each level, entities that
//! stand for each other, and lists whose parts it compares with each other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use resvg::usvg::roxmltree::{Document, Node as Element, ParsingOptions};

use super::DEEPEST;

/// Bytes of XML, with everything that refers to something counted as its copy.
const MOST_COPIES: usize = 256 << 20;

/// The parser compares all attributes of an element with each other.
const MOST_ATTRIBUTES: usize = 1000;

/// What remains of [`MOST_COPIES`] for a file and the SVGs within it.
pub(super) struct Allowance(AtomicUsize);

impl Default for Allowance {
    fn default() -> Self {
        Allowance(AtomicUsize::new(MOST_COPIES))
    }
}

/// Parses the XML of a template.
///
/// # Errors
/// If it is broken, nested too deeply, or too much with all its copies.
pub(super) fn parse<'t>(text: &'t str, allowance: &Allowance) -> Result<Document<'t>, String> {
    let left = allowance.0.load(Ordering::Relaxed);
    let options = ParsingOptions {
        allow_dtd: true,
        nodes_limit: 1_000_000,
        ..ParsingOptions::default()
    };
    if expanded(text) > left {
        return Err("its entities stand for too much text; write it out".into());
    }
    if text
        .split('<')
        .any(|tag| tag.matches('=').count() > MOST_ATTRIBUTES)
    {
        return Err(format!(
            "an element has more than {MOST_ATTRIBUTES} attributes"
        ));
    }
    let document = Document::parse_with_options(text, options)
        .map_err(|e| format!("is not a readable SVG: {e}"))?;
    let weight = copies(&document, left)?;
    allowance.0.store(left - weight, Ordering::Relaxed);
    Ok(document)
}

/// The most that entities can add to the text: each reference leads to at most 255 others.
fn expanded(text: &str) -> usize {
    const ENTITY: &str = "<!ENTITY";
    const MOST: usize = 1000;
    let value = |(start, _): (usize, &str)| {
        let rest = &text[start..];
        let quote = rest.find(['"', '\''])?;
        let (quote, value) = (&rest[quote..=quote], &rest[quote + 1..]);
        value.find(quote)
    };
    let entities = text.match_indices(ENTITY);
    if entities.clone().nth(MOST).is_some() {
        return usize::MAX;
    }
    let longest = entities.filter_map(value).max().unwrap_or(0);
    text.matches('&').count().saturating_mul(256 * longest)
}

/// The size of the drawing, with what it uses counted as often as it is used.
fn copies(document: &Document, most: usize) -> Result<usize, String> {
    let mut named: HashMap<&str, Vec<Element>> = HashMap::new();
    for element in document.descendants() {
        if let Some(name) = element.attribute("id") {
            named.entry(name).or_default().push(element);
        }
    }
    let styles = Styles::of(document);
    let mut weight = squared(styles.declarations);
    let mut waiting = vec![(document.root_element(), 0, 1)];
    while let Some((element, depth, times)) = waiting.pop() {
        if depth > DEEPEST {
            return Err(format!(
                "is nested more than {DEEPEST} deep, or refers to itself"
            ));
        }
        let inside = element.children().filter(Element::is_element);
        let used = references(element, &styles);
        let used = used.iter().filter_map(|name| named.get(name)).flatten();
        for next in inside.chain(used.copied()) {
            let times = times * repeats(element, next);
            let own = weight_of(next, &styles).saturating_mul(times);
            weight = weight.saturating_add(own);
            if weight > most {
                return Err(format!(
                    "is too complex: with all its copies it takes more than {} MiB",
                    MOST_COPIES >> 20
                ));
            }
            waiting.push((next, depth + 1, times));
        }
    }
    Ok(weight)
}

/// Bytes of an element and its attributes, and more where the parser compares each of its parts with all
/// others.
fn weight_of(element: Element, styles: &Styles) -> usize {
    let attributes = element.attributes().map(|attribute| {
        let value = attribute.value();
        let declarations = match attribute.name() {
            "style" => value.matches(';').count(),
            _ => 0,
        };
        32 + value.len() + squared(declarations)
    });
    let parts = match element.tag_name().name() {
        "filter" | "linearGradient" | "radialGradient" => element.children().count(),
        _ => 0,
    };
    64 + 4 * styles.declarations + attributes.sum::<usize>() + squared(parts)
}

fn squared(parts: usize) -> usize {
    parts.saturating_mul(parts) / 8
}

/// How often `element` shows `next`: a marker at each point.
fn repeats(element: Element, next: Element) -> usize {
    let points = element.attribute("d").or(element.attribute("points"));
    match next.tag_name().name() {
        "marker" => 1 + points.map_or(0, str::len) / 2,
        _ => 1,
    }
}

/// The names of what an element shows: its own references, and those it inherits if it is a shape.
fn references<'a>(element: Element<'a, 'a>, styles: &Styles<'a>) -> Vec<&'a str> {
    let mut found = Vec::new();
    if matches!(element.tag_name().name(), "use" | "pattern" | "feImage") {
        let links = element.attributes().filter(|a| a.name() == "href");
        found.extend(links.filter_map(|a| a.value().trim().strip_prefix('#')));
    }
    let is_shape = !element.children().any(|child| child.is_element());
    if is_shape {
        found.extend(&styles.of_all);
    }
    for ancestor in element
        .ancestors()
        .take(if is_shape { usize::MAX } else { 1 })
    {
        for attribute in ancestor.attributes() {
            let name = attribute.name();
            let is_inherited = matches!(name, "fill" | "stroke" | "style" | "class");
            if ancestor != element && !is_inherited && !name.starts_with("marker") {
                continue;
            }
            found.extend(urls(attribute.value()));
            if name == "class" {
                let classes = attribute.value().split_ascii_whitespace();
                let rules = classes.filter_map(|class| styles.of_class.get(class));
                found.extend(rules.flatten());
            }
        }
    }
    found
}

/// The names in `url(#NAME)`.
fn urls(text: &str) -> impl Iterator<Item = &str> {
    text.split("url(").skip(1).filter_map(|rest| {
        let name = rest
            .trim_start_matches([' ', '"', '\''])
            .strip_prefix('#')?;
        name.split([')', '"', '\'', ' ']).next()
    })
}

/// The references in style sheets.
#[derive(Default)]
struct Styles<'a> {
    declarations: usize,
    of_class: HashMap<&'a str, Vec<&'a str>>,
    /// By selectors other than a class.
    of_all: Vec<&'a str>,
}

impl<'a> Styles<'a> {
    fn of(document: &'a Document) -> Self {
        let mut styles = Styles::default();
        let elements = document.descendants();
        let sheets = elements.filter(|element| element.tag_name().name() == "style");
        let texts = sheets.flat_map(|sheet| sheet.children().filter_map(|child| child.text()));
        for rule in texts.flat_map(|text| text.split('}')) {
            styles.declarations += 1 + rule.matches(';').count();
            let (selectors, body) = rule.split_once('{').unwrap_or(("", rule));
            let names: Vec<&str> = urls(body).collect();
            if names.is_empty() {
                continue;
            }
            for selector in selectors.split(',') {
                let class = selector.trim().strip_prefix('.');
                let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
                match class.filter(|class| class.chars().all(plain)) {
                    Some(class) => styles.of_class.entry(class).or_default().extend(&names),
                    None => styles.of_all.extend(&names),
                }
            }
        }
        styles
    }
}
