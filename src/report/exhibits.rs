//! One exhibit as HTML: its heading, and its content drawn by the file of its kind.

use maud::{Markup, html};

use crate::stage::exhibit::{Content, Exhibit};

use super::{charts, figures, histogram, matrix, pictures, table};

/// An exhibit of the stage with this id.
pub(super) fn draw(stage: &str, exhibit: &Exhibit) -> Markup {
    let title = match exhibit.title.as_str() {
        "" => stage,
        title => title,
    };
    html! {
        h3 { (title) @if !exhibit.note.is_empty() { small { " " (exhibit.note) } } }
        @match &exhibit.content {
            Content::Text(text) => p.soft { (text) },
            Content::Figures { figures, chance } => (figures::draw(title, figures, *chance)),
            Content::Table(table) => (table::draw(table)),
            Content::Curves(charts) => div.charts { @for chart in charts { (charts::draw(chart)) } },
            Content::Histograms(histograms) => div.charts {
                @for histogram in histograms { (histogram::draw(histogram)) }
            },
            Content::Pictures(sheet) => (pictures::sheet(sheet)),
            Content::Confusions(confusions) => div.matrices {
                @for confusion in confusions { (matrix::draw(confusion)) }
            },
        }
    }
}
