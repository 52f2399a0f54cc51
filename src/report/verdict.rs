//! The verdict: what the stages found, each finding with its number, and what to do next. It stands first, and
//! is to be understood without the rest.

use maud::{Markup, html};

use crate::stage::finding::{Finding, Level, headline, next_steps};

/// The verdict; `None` where nothing was found.
pub(super) fn draw(findings: &[Finding]) -> Option<Markup> {
    let headline = headline(findings)?;
    let next = next_steps(findings);
    let worst = findings.iter().map(|finding| finding.level).max();
    Some(html! {
        p.conclusion.(worst.map_or("", class)) { (sentence(&headline)) }
        div.findings { @for finding in findings {
            div.finding.(class(finding.level)) {
                span.mark title=(finding.level.name()) { (mark(finding.level)) }
                strong { (finding.number) }
                div { b { (finding.about) } p { (with_code(&sentence(&finding.text))) } }
            }
        } }
        @if !next.is_empty() {
            h3 { "What to do next" }
            ol.next { @for step in next { li { (with_code(&sentence(step))) } } }
        }
    })
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Note => "note",
        Level::Warning => "bad",
    }
}

fn mark(level: Level) -> &'static str {
    match level {
        Level::Good => "✓",
        Level::Note => "–",
        Level::Warning => "!",
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// What stands between backticks as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (place, piece) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_with_their_numbers_and_the_next_steps() {
        let findings = [
            Finding::new(Level::Good, "sieve", "2 %", "it rejected <2> of 100"),
            Finding::new(Level::Warning, "adapter", "3 %", "it closed 3 %")
                .with_advice("raise `steps` of `train`"),
        ];
        let drawn = draw(&findings).unwrap().into_string();
        for shown in [
            "Not good enough yet: adapter.",
            "<strong>3 %</strong>",
            "It rejected &lt;2&gt; of 100.",
            "<li>Raise <code>steps</code> of <code>train</code>.</li>",
        ] {
            assert!(drawn.contains(shown), "{shown} is not in {drawn}");
        }
        let good = draw(&findings[..1]).unwrap().into_string();
        assert!(!good.contains("What to do next"), "{good}");
        assert!(draw(&[]).is_none());
    }
}
