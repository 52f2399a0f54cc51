//! The points of a matrix side by side: settings, measurements and time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maud::{DOCTYPE, html};
use serde::Serialize;
use serde_json::Value;

use super::summary::{SCORES, find_tasks, score};
use super::{columns, duration};
use crate::artifact::Kind;
use crate::artifact::files::write_flushed;
use crate::pipeline::matrix::Setting;
use crate::pipeline::run::Outcome;
use crate::pipeline::spec::Spec;
use crate::{Error, Result};

/// All points that have run: the contents of `matrix.json`.
#[derive(Debug, Serialize)]
pub struct MatrixComparison {
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
    /// The recogniser's tables, by the stage that measured them.
    recognisers: BTreeMap<String, Value>,
    /// Number of images in its dataset.
    images: Option<u64>,
    /// Seconds that this run took, without cached stages.
    seconds: f64,
    /// Seconds that all its stages took when they were made.
    cost_seconds: f64,
}

impl MatrixComparison {
    pub fn new(pipeline: &str) -> Self {
        MatrixComparison {
            pipeline: pipeline.to_owned(),
            points: Vec::new(),
        }
    }

    pub fn add(&mut self, spec: &Spec, outcome: &Outcome) {
        let record = &outcome.record;
        let mut tasks = Vec::new();
        for (id, value) in &record.metrics {
            find_tasks(id, value, &mut tasks);
        }
        let datasets = spec
            .stages
            .iter()
            .filter(|stage| stage.kind.output == Kind::Dataset);
        let count = |id: &str| record.stages.iter().find(|s| s.id == id).map(|s| s.count);
        self.points.push(Point {
            settings: spec.point.clone(),
            run: Some(outcome.folder.clone()),
            error: None,
            recognisers: tasks
                .into_iter()
                .map(|(id, task)| (id, task.clone()))
                .collect(),
            images: datasets.filter_map(|stage| count(&stage.id)).next_back(),
            seconds: record.seconds,
            cost_seconds: record.stages.iter().map(|stage| stage.cost.seconds).sum(),
        });
    }

    pub fn add_failed(&mut self, spec: &Spec, error: &Error) {
        self.points.push(Point {
            settings: spec.point.clone(),
            run: None,
            error: Some(error.to_string()),
            recognisers: BTreeMap::new(),
            images: None,
            seconds: 0.0,
            cost_seconds: 0.0,
        });
    }

    /// The column heads, and one row per point.
    fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let settings = self.points.first().map_or(&[][..], |p| &p.settings);
        let mut heads: Vec<String> = settings.iter().map(|s| s.path.clone()).collect();
        let mut tasks: Vec<&String> = self
            .points
            .iter()
            .flat_map(|p| p.recognisers.keys())
            .collect();
        tasks.sort();
        tasks.dedup();
        for task in &tasks {
            let of = match tasks.len() {
                1 => String::new(),
                _ => format!("{task} "),
            };
            heads.extend(SCORES.map(|name| format!("{of}{}", name.replace('_', " "))));
            heads.push(format!("{of}gap closed"));
        }
        heads.extend(["images", "time of all stages", "this run"].map(String::from));
        let row = |point: &Point| {
            let mut row: Vec<String> = point.settings.iter().map(|s| plain(&s.value)).collect();
            if let Some(error) = &point.error {
                let line = error.lines().next().unwrap_or_default();
                row.push(format!("failed: {line}"));
                return row;
            }
            for task in &tasks {
                let task = point.recognisers.get(*task).unwrap_or(&Value::Null);
                row.extend(SCORES.map(|name| score(task, name)));
                let gap = task["gap_closed"].as_f64();
                row.push(gap.map_or("-".to_owned(), |gap| format!("{gap:.2}")));
            }
            row.push(point.images.map_or("-".to_owned(), |n| n.to_string()));
            row.push(duration(point.cost_seconds));
            row.push(duration(point.seconds));
            row
        };
        let rows = self.points.iter().map(row).collect();
        without_empty(heads, rows)
    }

    /// The table for the terminal.
    pub fn format_table(&self) -> String {
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
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        write_flushed(&folder.join("matrix.json"), &json)?;
        write_flushed(&folder.join("matrix.md"), &self.markdown())?;
        write_flushed(&folder.join("matrix.html"), &self.page())
    }
}

/// The table without columns that are empty in every row, such as the scores of a recogniser that the
/// pipeline does not train.
fn without_empty(heads: Vec<String>, rows: Vec<Vec<String>>) -> (Vec<String>, Vec<Vec<String>>) {
    let filled = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| cell != "-")
    };
    let filled: Vec<bool> = (0..heads.len()).map(filled).collect();
    let pick = |cells: Vec<String>| -> Vec<String> {
        let cells = cells.into_iter().zip(&filled);
        cells
            .filter_map(|(cell, filled)| filled.then_some(cell))
            .collect()
    };
    (pick(heads), rows.into_iter().map(pick).collect())
}

/// `train.steps = 200, seed = 1`.
pub fn format_settings(settings: &[Setting]) -> String {
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

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        let cells = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let rows = ["cut - 0.8 3", "fda - - 3", "cyclegan failed"].map(cells);
        let (heads, rows) = without_empty(cells("model source adapted images"), rows.into());
        // A failed point reports its error in the first column after the settings.
        assert_eq!(heads, cells("model source adapted images"));
        let (heads, rows) = without_empty(heads, rows[..2].to_vec());
        assert_eq!(heads, cells("model adapted images"));
        assert_eq!(rows, [cells("cut 0.8 3"), cells("fda - 3")]);
    }
}
