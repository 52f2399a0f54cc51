//! The points of a matrix side by side: settings, measurements and time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maud::{DOCTYPE, html};
use serde::Serialize;
use serde_json::Value;

use super::{columns, duration};
use crate::artifact::Kind;
use crate::artifact::files::write_flushed;
use crate::pipeline::matrix::Setting;
use crate::pipeline::run::Outcome;
use crate::pipeline::spec::Spec;
use crate::report::format;
use crate::stage::exhibit::Figure;
use crate::{Error, Result};

/// All points that have run: the contents of `matrix.json`.
#[derive(Debug, Serialize)]
pub(super) struct MatrixComparison {
    pipeline: String,
    points: Vec<Point>,
}

/// One point of the grid.
#[derive(Debug, Serialize)]
struct Point {
    settings: Vec<Setting>,
    /// `outputs/runs/PIPELINE/RUN`; `None` if the point failed.
    run: Option<PathBuf>,
    error: Option<String>,
    /// What each stage measured, as in the run's `run.json`.
    metrics: BTreeMap<String, Value>,
    /// The figures that are compared, each with the id of its stage.
    #[serde(skip)]
    figures: Vec<(String, Figure)>,
    /// Images of its dataset.
    images: Option<u64>,
    /// Seconds that this run took, without cached stages.
    seconds: f64,
    /// Seconds that all its stages took when they were made.
    cost_seconds: f64,
}

impl MatrixComparison {
    pub(super) fn new(pipeline: &str) -> Self {
        MatrixComparison {
            pipeline: pipeline.to_owned(),
            points: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, spec: &Spec, outcome: &Outcome) {
        let record = &outcome.record;
        let datasets = spec
            .stages
            .iter()
            .filter(|stage| stage.kind.output == Kind::Dataset);
        let count = |id: &str| record.stages.iter().find(|s| s.id == id).map(|s| s.count);
        self.points.push(Point {
            settings: spec.point.clone(),
            run: Some(outcome.folder.clone()),
            error: None,
            metrics: record.metrics.clone(),
            figures: outcome
                .figures
                .iter()
                .filter(is_compared)
                .cloned()
                .collect(),
            images: datasets.filter_map(|stage| count(&stage.id)).next_back(),
            seconds: record.seconds,
            cost_seconds: record.stages.iter().map(|stage| stage.cost.seconds).sum(),
        });
    }

    pub(super) fn add_failed(&mut self, spec: &Spec, error: &Error) {
        self.points.push(Point {
            settings: spec.point.clone(),
            run: None,
            error: Some(error.to_string()),
            metrics: BTreeMap::new(),
            figures: Vec::new(),
            images: None,
            seconds: 0.0,
            cost_seconds: 0.0,
        });
    }

    /// The column heads, and one row per point.
    fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let settings = self.points.first().map_or(&[][..], |p| &p.settings);
        let mut heads: Vec<String> = settings.iter().map(|s| s.path.clone()).collect();
        let mut compared: Vec<(&str, &str)> = Vec::new();
        for (stage, figure) in self.points.iter().flat_map(|point| &point.figures) {
            let column = (stage.as_str(), figure.name.as_str());
            if !compared.contains(&column) {
                compared.push(column);
            }
        }
        for (stage, name) in &compared {
            let namesakes = compared.iter().filter(|(_, other)| other == name).count();
            let of = if namesakes > 1 {
                format!("{stage} ")
            } else {
                String::new()
            };
            heads.push(format!("{of}{}", name.replace('_', " ")));
        }
        heads.extend(["time of its stages", "this run"].map(String::from));
        let row = |point: &Point| {
            let mut row: Vec<String> = point.settings.iter().map(|s| plain(&s.value)).collect();
            if let Some(error) = &point.error {
                let line = error.lines().next().unwrap_or_default();
                row.push(format!("failed: {line}"));
                return row;
            }
            row.extend(compared.iter().map(|column| {
                let mut figures = point.figures.iter();
                let figure =
                    figures.find(|(stage, f)| (stage.as_str(), f.name.as_str()) == *column);
                figure.map_or("-".to_owned(), |(_, figure)| format::figure(figure))
            }));
            row.push(duration(point.cost_seconds));
            row.push(duration(point.seconds));
            row
        };
        (heads, self.points.iter().map(row).collect())
    }

    /// The table for the terminal.
    pub(super) fn format_table(&self) -> String {
        let (heads, rows) = self.table();
        columns(&[vec![heads], rows].concat())
    }

    fn markdown(&self) -> String {
        let (heads, rows) = self.table();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = vec!["---".to_owned(); heads.len()];
        let body: String = rows.iter().map(|row| line(row)).collect();
        format!(
            "# {}\n\n{}{}{body}",
            self.pipeline,
            line(&heads),
            line(&rule)
        )
    }

    /// A self-contained page; each row links to the report of its run.
    fn page(&self) -> String {
        let (heads, rows) = self.table();
        let style = "body{font:16px/1.5 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}\
                     th,td{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:left}";
        let report = |point: &Point| {
            let run = point.run.as_ref()?.file_name()?.to_string_lossy();
            Some(format!("{run}/report.html"))
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { (self.pipeline) " matrix" } style { (style) } }
                body {
                    h1 { (self.pipeline) }
                    table {
                        tr { @for head in &heads { th { (head) } } th { "report" } }
                        @for (row, point) in rows.iter().zip(&self.points) {
                            tr {
                                @for cell in row { td { (cell) } }
                                td { @if let Some(link) = report(point) { a href=(link) { "report" } } }
                            }
                        }
                    }
                }
            }
        };
        page.into_string()
    }

    /// Writes `matrix.json`, `matrix.md` and `matrix.html`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        write_flushed(&folder.join("matrix.json"), &json)?;
        write_flushed(&folder.join("matrix.md"), &self.markdown())?;
        write_flushed(&folder.join("matrix.html"), &self.page())
    }
}

/// Whether points are compared by a figure: by what belongs in the head of a report, by means, and by what
/// asks for it.
fn is_compared((_, figure): &&(String, Figure)) -> bool {
    figure.headline.is_some() || figure.spread.is_some() || figure.compared
}

/// `train.steps = 200, seed = 1`.
pub(super) fn format_settings(settings: &[Setting]) -> String {
    let one = |setting: &Setting| format!("{} = {}", setting.path, plain(&setting.value));
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::exhibit::{Spread, Value as Measured};

    #[test]
    fn means_headlines_and_what_asks_for_it_are_compared() {
        let plain = || Figure::new("kept", Measured::Count(1), "");
        let headline = Figure {
            headline: Some("kept"),
            ..plain()
        };
        let mean = Figure {
            spread: Some(Spread {
                std: 0.1,
                results: vec![0.5],
            }),
            ..plain()
        };
        let compared = [plain(), plain().compared(), headline, mean];
        let compared = compared.map(|figure| is_compared(&&("gate".to_owned(), figure)));
        assert_eq!(compared, [false, true, true, true]);
    }

    #[test]
    fn figures_of_any_point_are_columns_named_by_their_stage_if_they_must() {
        let figure = |stage: &str, name: &str, n| {
            (stage.to_owned(), Figure::new(name, Measured::Count(n), ""))
        };
        let point = |figures: Vec<(String, Figure)>, error: Option<&str>| Point {
            settings: Vec::new(),
            run: None,
            error: error.map(str::to_owned),
            metrics: BTreeMap::new(),
            figures,
            images: None,
            seconds: 1.0,
            cost_seconds: 2.0,
        };
        let mut comparison = MatrixComparison::new("sweep");
        comparison.points = vec![
            point(
                vec![figure("emit", "images", 3), figure("old", "source_only", 1)],
                None,
            ),
            point(vec![figure("new", "source_only", 2)], None),
            point(Vec::new(), Some("too large\nmake it smaller")),
        ];
        let (heads, rows) = comparison.table();
        let times = ["time of its stages", "this run"];
        assert_eq!(heads[..3], ["images", "old source only", "new source only"]);
        assert_eq!(heads[3..], times);
        assert_eq!(rows[0][..3], ["3", "1", "-"]);
        assert_eq!(rows[1][..3], ["-", "-", "2"]);
        assert_eq!(rows[2], ["failed: too large"]);
    }
}
