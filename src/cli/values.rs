//! Settings and summaries as people read them: aligned `key = value` lines, as in a pipeline file.

use serde_json::Value;

use crate::pipeline::key::format_value;

/// Characters of a value that are shown.
const LONGEST: usize = 96;

/// One line for each value of a table, with dotted keys; the equals signs stand below each other.
pub(super) fn lines(table: &Value) -> Vec<String> {
    let mut rows = Vec::new();
    collect("", table, &mut rows);
    let width = rows
        .iter()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    rows.into_iter()
        .map(|(key, value)| format!("{key:width$} = {value}"))
        .collect()
}

fn collect(above: &str, table: &Value, rows: &mut Vec<(String, String)>) {
    for (key, value) in table.as_object().into_iter().flatten() {
        let key = format!("{above}{key}");
        match value {
            Value::Null => {}
            Value::Object(inner) if !inner.is_empty() => collect(&format!("{key}."), value, rows),
            other => rows.push((key, shortened(&format_value(other)))),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_aligned_and_numbers_are_short() {
        let settings = json!({
            "count": 3,
            "mesh": { "lens": { "noise": [0.42_f32, 1.0] }, "scale": 0.1, "none": null },
            "looks": ["x".repeat(200)],
            "tables": [{ "class": "cup", "weight": 2.0 }],
        });
        let lines = lines(&settings);
        assert_eq!(lines[0], "count           = 3");
        let text = lines.join("\n");
        assert!(text.contains("mesh.lens.noise = [0.42, 1.0]"), "{text}");
        assert!(text.contains("mesh.scale      = 0.1"), "{text}");
        assert!(
            text.contains(r#"= [{ class = "cup", weight = 2.0 }]"#),
            "{text}"
        );
        assert!(text.contains("x…") && !text.contains("none"), "{text}");
    }
}
