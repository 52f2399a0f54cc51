//! `verismo diff`: what changed from one dataset to another, as text, JSON and a picture.

mod changes;
mod metrics;
mod sheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::dataset::Dataset;
use super::{columns, print_line};
use crate::artifact::DATASET_TABLE;
use crate::pipeline::publish::versions;
use crate::pipeline::records::folders;
use crate::pipeline::suggest;
use crate::{Error, Result};
use changes::{Change, ChangeKind, KINDS};

const EXAMPLES: &str = "\
Examples:
  verismo diff dice                          the newest version compared with the one before it
  verismo diff dice/0123456789ab dice/latest
  verismo diff outputs/datasets/dice/latest outputs/cache/emit-0123456789abcdef

In the picture, each pair shows before and after. Frames: green = added image, red = removed,
blue = different pixels, yellow = different labels.";

/// Arguments of `diff`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Diff {
    /// The dataset before: a folder, NAME/VERSION, NAME for its `latest`, or VERSION.
    before: String,

    /// The dataset after. If omitted, BEFORE is compared with the version before it.
    after: Option<String>,

    /// Where to write the picture [default: `NAME-VERSION-diff.png` in the current folder]. With --json it is
    /// only drawn if this is given.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,

    /// The folder that contains the cache, runs and datasets.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    outputs: PathBuf,

    /// Print one JSON object that lists the files of all changed images.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn execute(self) -> Result<()> {
        let (before, after) = self.folders()?;
        let (before, after) = (Dataset::open(&before)?, Dataset::open(&after)?);
        let changes = changes::between(&before, &after);
        let metrics = metrics::changes(&before.folder, &after.folder);
        if self.json {
            if self.sheet.is_some() {
                self.draw(&before, &after, &changes.list)?;
            }
            print_line(as_json(&before, &after, &changes, &metrics));
            return Ok(());
        }
        print_line(format!(
            "before {}, {} images\nafter  {}, {} images\n",
            before.folder.display(),
            before.len(),
            after.folder.display(),
            after.len()
        ));
        print_line(format_images(&before, &after, &changes));
        let tables = [
            ("class", "images per class"),
            ("split", "images per split"),
            ("domain", "images per domain"),
        ];
        for (column, title) in tables {
            let counts = balance(&before, &after, column);
            if column == "class" || counts.values().any(|[a, b]| a != b) {
                print_line(format!("\n{title}:\n{}", format_balance(&counts)));
            }
        }
        match &metrics {
            None => {
                print_line("\nmetrics: no records of the runs that made these datasets were found");
            }
            Some(metrics) => print_line(format!("\n{}", metrics::format_changes(metrics))),
        }
        if let Some(sheet) = self.draw(&before, &after, &changes.list)? {
            print_line(format!("\npicture: {}", sheet.display()));
        }
        Ok(())
    }

    fn folders(&self) -> Result<(PathBuf, PathBuf)> {
        let first = find(&self.outputs, &self.before)?;
        match &self.after {
            Some(after) => Ok((first, find(&self.outputs, after)?)),
            None => Ok((version_before(&first)?, first)),
        }
    }

    /// Writes the picture, if there is anything to draw.
    fn draw(&self, before: &Dataset, after: &Dataset, list: &[Change]) -> Result<Option<PathBuf>> {
        let Some(png) = sheet::png(before, after, list)? else {
            return Ok(None);
        };
        let usual = || {
            let version = after.folder.file_name().unwrap_or_default();
            let name = after.folder.parent().and_then(Path::file_name);
            PathBuf::from(format!(
                "{}-{}-diff.png",
                name.unwrap_or_default().to_string_lossy(),
                version.to_string_lossy()
            ))
        };
        let path = self.sheet.clone().unwrap_or_else(usual);
        std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
        Ok(Some(path))
    }
}

/// The folder of a dataset given by path, `NAME/VERSION`, `NAME` or `VERSION`; links are resolved.
fn find(outputs: &Path, name: &str) -> Result<PathBuf> {
    let shelves = outputs.join("datasets");
    let versions = |shelf: &PathBuf| shelf.join(name);
    let mut places = vec![
        PathBuf::from(name),
        shelves.join(name),
        shelves.join(name).join("latest"),
    ];
    places.extend(folders(&shelves).iter().map(versions));
    let found = places
        .iter()
        .find(|place| place.join(DATASET_TABLE).exists());
    if let Some(found) = found {
        return found.canonicalize().map_err(|e| Error::io(found, e));
    }
    let mut known = Vec::new();
    for shelf in folders(&shelves) {
        let name = shelf.file_name().unwrap_or_default().to_string_lossy();
        for version in folders(&shelf) {
            let version = version.file_name().unwrap_or_default().to_string_lossy();
            known.push(format!("{name}/{version}"));
        }
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(Error::usage(
        name,
        "is not a dataset: neither a folder with a manifest.parquet nor a known version",
        suggest::remedy(name, "datasets", &known),
    ))
}

/// The version of the same dataset made before this one.
fn version_before(folder: &Path) -> Result<PathBuf> {
    let mut versions = folder.parent().map(versions).unwrap_or_default();
    versions.sort();
    let place = versions.iter().position(|(_, path)| path == folder);
    let before = place.and_then(|place| place.checked_sub(1));
    match before {
        Some(before) => Ok(versions.swap_remove(before).1),
        None => Err(Error::usage(
            folder.display(),
            "there is no version before this one",
            "give two datasets: verismo diff BEFORE AFTER",
        )),
    }
}

/// The number of images before and after, for each value of a column.
fn balance(before: &Dataset, after: &Dataset, column: &str) -> BTreeMap<String, [u64; 2]> {
    let mut counts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (side, dataset) in [before, after].into_iter().enumerate() {
        for value in (0..dataset.len()).filter_map(|row| dataset.text(column, row)) {
            counts.entry(value).or_default()[side] += 1;
        }
    }
    counts
}

fn format_balance(counts: &BTreeMap<String, [u64; 2]>) -> String {
    const SHOWN: usize = 50;
    let row = |(value, [before, after]): (&String, &[u64; 2])| {
        let change = match *after as i64 - *before as i64 {
            0 => String::new(),
            change => format!("{change:+}"),
        };
        vec![
            value.clone(),
            before.to_string(),
            "->".into(),
            after.to_string(),
            change,
        ]
    };
    let mut rows: Vec<Vec<String>> = counts.iter().map(row).collect();
    // Changed rows first, if not all can be shown.
    if rows.len() > SHOWN {
        rows.sort_by_key(|row| row[4].is_empty());
        let more = format!("and {} more", rows.len() - SHOWN);
        rows.truncate(SHOWN);
        rows.push(vec![more]);
    }
    columns(&rows)
}

/// How many images changed, and some of their file names.
fn format_images(before: &Dataset, after: &Dataset, changes: &changes::Changes) -> String {
    const NAMED: usize = 3;
    let mut rows = vec![vec!["unchanged".to_owned(), changes.unchanged.to_string()]];
    for kind in KINDS {
        let files = files(before, after, &changes.list, kind);
        if files.is_empty() {
            continue;
        }
        let mut named = files[..files.len().min(NAMED)].join(", ");
        if files.len() > NAMED {
            named.push_str(", …");
        }
        rows.push(vec![kind.name().to_owned(), files.len().to_string(), named]);
    }
    format!("images:\n{}", columns(&rows))
}

/// The files of the images with this kind of change, as named after the change if they still exist.
fn files(before: &Dataset, after: &Dataset, list: &[Change], kind: ChangeKind) -> Vec<String> {
    let of_kind = list.iter().filter(|change| change.kind == kind);
    let file = |change: &Change| match (change.after, change.before) {
        (Some(row), _) => after.text("file", row),
        (None, Some(row)) => before.text("file", row),
        (None, None) => None,
    };
    of_kind.filter_map(file).collect()
}

fn as_json(
    before: &Dataset,
    after: &Dataset,
    changes: &changes::Changes,
    metrics: &Option<metrics::Metrics>,
) -> serde_json::Value {
    let sides = |[before, after]: &[u64; 2]| json!({ "before": before, "after": after });
    let classes: BTreeMap<String, _> = balance(before, after, "class")
        .iter()
        .map(|(class, counts)| (class.clone(), sides(counts)))
        .collect();
    let images: BTreeMap<&str, Vec<String>> = KINDS
        .into_iter()
        .map(|kind| (kind.name(), files(before, after, &changes.list, kind)))
        .collect();
    let metrics: Option<BTreeMap<_, _>> = metrics.as_ref().map(|metrics| {
        let sides =
            |[before, after]: &[Option<f64>; 2]| json!({ "before": before, "after": after });
        metrics
            .iter()
            .map(|(path, both)| (path, sides(both)))
            .collect()
    });
    json!({
        "before": before.folder, "after": after.folder, "unchanged": changes.unchanged,
        "images": images, "classes": classes, "metrics": metrics,
    })
}
