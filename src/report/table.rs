//! Tables, with bars in their cells.

use maud::{Markup, html};

use crate::stage::exhibit::{Cell, Table, Tone};

use super::format::{count, value};

/// Rows shown at most.
const ROWS: usize = 60;

/// A table; a row is headed by its first cell.
pub(super) fn draw(table: &Table) -> Markup {
    let cells = || table.rows.iter().flatten();
    let bars = cells().any(|cell| matches!(cell, Cell::Bar { .. }));
    let first = table.rows.first();
    let is_value =
        |column: usize| first.is_some_and(|row| matches!(row.get(column), Some(Cell::Value(_))));
    html! {
        div.scroll { table.bars[bars] {
            thead { tr { @for (i, column) in table.columns.iter().enumerate() {
                th.n[is_value(i)] { (column.name) }
            } } }
            tbody { @for row in table.rows.iter().take(ROWS) { tr {
                @for (i, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                    @match cell {
                        Cell::Text(text) if i == 0 => th { (text) },
                        Cell::Text(text) => td.soft { (text) },
                        Cell::Value(of) => td.n { (value(of)) },
                        Cell::Bar { share, value: of } => td { (bar(*share, column.tone, &value(of))) },
                    }
                }
            } } }
        } }
        @if table.rows.len() > ROWS {
            p.soft { "and " (count((table.rows.len() - ROWS) as u64)) " more" }
        }
    }
}

/// A bar of `share` of its track, with a text beside it.
fn bar(share: f64, tone: Tone, text: &str) -> Markup {
    html! {
        div.cell {
            div.track { div class={ "fill " (class(tone)) } style=(format!("width:{:.1}%", 100.0 * clamped(share))) {} }
            span { (text) }
        }
    }
}

/// A share that can be drawn, 0..1.
pub(super) fn clamped(share: f64) -> f64 {
    match share.is_nan() {
        true => 0.0,
        false => share.clamp(0.0, 1.0),
    }
}

/// The class of a colour in the style sheet.
pub(super) fn class(tone: Tone) -> String {
    match tone {
        Tone::Series(number) => format!("k{}", number % 8),
        Tone::Bad => "lost".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::exhibit::{Column, Value};

    #[test]
    fn bars_of_what_is_not_a_share_are_finite() {
        for share in [f64::NAN, f64::INFINITY, -1.0, 7.0] {
            let table = Table {
                columns: Column::plain(&["class", "accuracy"]),
                rows: vec![vec![Cell::text("<one>"), Cell::share(share)]],
            };
            let drawn = draw(&table).into_string();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            assert!(drawn.contains("&lt;one&gt;"));
        }
    }

    #[test]
    fn long_tables_end_with_how_much_is_missing() {
        let rows = (0..72).map(|n| vec![Cell::text("row"), Cell::Value(Value::Count(n))]);
        let table = Table {
            columns: Column::plain(&["", "count"]),
            rows: rows.collect(),
        };
        assert!(draw(&table).into_string().contains("and 12 more"));
    }
}
