//! Confusion matrices, each with its most frequent mistakes.

use maud::{Markup, html};

use crate::stage::exhibit::Confusion;

use super::format::{number, percent};
use super::table::{clamped, class};

/// A kind of mistake.
#[derive(Debug, PartialEq)]
struct Mistake<'a> {
    truth: &'a str,
    predicted: &'a str,
    count: f64,
    /// Of all that is `truth`.
    share: f64,
}

/// A matrix; its rows are true classes, the shade is the share of the row, the number the count.
pub(super) fn draw(confusion: &Confusion) -> Markup {
    let classes = &confusion.classes;
    let dense = classes.len() > 16;
    html! {
        figure {
            figcaption { span class={ "key " (class(confusion.tone)) } {} b { (confusion.name) } }
            div.scroll { table.matrix.dense[dense] {
                thead { tr {
                    th.corner { "true ╲ predicted" }
                    @for class in classes { th.column { span { (class) } } }
                } }
                tbody { @for (i, truth) in classes.iter().enumerate() { tr {
                    th { (truth) }
                    @let shares = shares(confusion, i);
                    @for (j, predicted) in classes.iter().enumerate() {
                        @let share = clamped(shares.get(j).copied().unwrap_or(0.0));
                        @let n = confusion.counts.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
                        td.right[i == j].strong[share > 0.55] style=(format!("--share:{share:.3}"))
                            title={ "true " (truth) ", predicted " (predicted) ": " (number(n)) " (" (percent(share)) ")" } {
                            @if !dense && n > 0.0 { (number(n)) }
                        }
                    }
                } } }
            } }
            (mistakes(confusion))
        }
    }
}

fn mistakes(confusion: &Confusion) -> Markup {
    let worst = most_confused(confusion, 4);
    html! {
        @if worst.is_empty() { p.soft { "No mistakes." } }
        @else {
            p.soft { "Most frequent mistakes (true → predicted)" }
            ol.mistakes { @for mistake in worst { li {
                (mistake.truth) " → " (mistake.predicted) " "
                span.soft { (percent(mistake.share)) " (" (number(mistake.count)) ")" }
            } } }
        }
    }
}

/// Row `truth` as shares of its sum; zeros if that is zero.
fn shares(confusion: &Confusion, truth: usize) -> Vec<f64> {
    let row = confusion.counts.get(truth).map_or(&[][..], Vec::as_slice);
    let sum: f64 = row.iter().sum();
    let share = |&n: &f64| if sum > 0.0 { n / sum } else { 0.0 };
    row.iter().map(share).collect()
}

/// The most frequent mistakes, by their share of the true class.
fn most_confused(confusion: &Confusion, top: usize) -> Vec<Mistake<'_>> {
    let classes = &confusion.classes;
    let mut found = Vec::new();
    for (i, truth) in classes.iter().enumerate() {
        for (j, share) in shares(confusion, i).into_iter().enumerate() {
            if let Some(predicted) = classes.get(j).filter(|_| i != j && share > 0.0) {
                found.push(Mistake {
                    truth,
                    predicted,
                    count: confusion.counts[i][j],
                    share,
                });
            }
        }
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found.truncate(top);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::exhibit::Tone;

    fn confusion(classes: &[&str], counts: Vec<Vec<f64>>) -> Confusion {
        Confusion {
            name: String::new(),
            tone: Tone::Bad,
            classes: classes.iter().map(|class| (*class).into()).collect(),
            counts,
        }
    }

    #[test]
    fn mistakes_are_sorted_by_share_and_ignore_the_diagonal() {
        let confusion = confusion(&["a", "b"], vec![vec![90.0, 10.0], vec![4.0, 4.0]]);
        let worst = most_confused(&confusion, 9);
        let names: Vec<_> = worst.iter().map(|c| (c.truth, c.predicted)).collect();
        assert_eq!(names, [("b", "a"), ("a", "b")]);
        assert_eq!((worst[0].count, worst[0].share), (4.0, 0.5));
    }

    #[test]
    fn a_ragged_matrix_does_not_panic() {
        let confusion = confusion(&["a", "b", "c"], vec![vec![0.0, 1.0, 2.0, 3.0], vec![]]);
        assert_eq!(most_confused(&confusion, 9).len(), 2);
        assert!(!draw(&confusion).into_string().contains("No mistakes"));
    }
}
