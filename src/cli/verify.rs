//! `verismo verify`: checks a dataset, and shows what is doubtful in a table and on a sheet of pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::convert::Bar;
use super::inspect::sheet::{CELL, CELLS, Sheet};
use super::run::stop_on_ctrl_c;
use super::{columns, print_line};
use crate::formats::verify::{Doubt, Report, verify};
use crate::report::format::plural;
use crate::sample::image as picture;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo verify outputs/datasets/dice/latest
  verismo verify coco/annotations/instances_val.json --sheet doubts.png

Checked are files and checksums (SHA256SUMS), sizes, boxes against masks, keypoints against boxes and
poses, classes, what several formats of a dataset say of one picture, splits (same render, same track,
pictures that look the same), and the balance of classes. What is doubtful may still be right.

Exit codes: 0 nothing is doubtful, 1 something is.";

/// Arguments of `verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// The dataset: a folder, or its file of labels.
    dataset: PathBuf,

    /// Where to write the sheet of doubtful pictures [default: `NAME-doubts.png` in the current folder].
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,

    /// Print one JSON object instead: `formats`, `pictures`, `objects`, `counts`, `doubts`, `balance`.
    #[arg(long)]
    json: bool,
}

/// Doubts in the table.
const SHOWN: usize = 40;

impl Verify {
    pub(super) fn execute(self) -> Result<()> {
        stop_on_ctrl_c()?;
        std::fs::metadata(&self.dataset).map_err(|e| Error::io(&self.dataset, e))?;
        let bar = Bar::new();
        let report = verify(&self.dataset, &mut |done, of| bar.tell(done, of))?;
        bar.end();
        let sheet = match report.doubts.is_empty() {
            true => None,
            false => self.draw(&report)?,
        };
        match self.json {
            true => print_line(json(&report)),
            false => print(&report, &self.dataset),
        }
        if let Some(sheet) = sheet.filter(|_| !self.json) {
            print_line(format!("\ndoubtful pictures: {}", sheet.display()));
        }
        match report.counts.values().sum::<u64>() {
            0 => Ok(()),
            doubts => Err(Error::failed(
                self.dataset.display(),
                plural(doubts, "doubt"),
                "look at them; what is right can stay",
            )),
        }
    }

    /// Writes the sheet; `None` if no doubt has a picture. Every kind of doubt gets its share of the cells.
    fn draw(&self, report: &Report) -> Result<Option<PathBuf>> {
        let share = CELLS.div_ceil(report.counts.len().max(1));
        let mut sheet = Sheet::new(CELL);
        for kind in report.counts.keys() {
            let own = report.doubts.iter().filter(|doubt| doubt.kind == *kind);
            let drawable = own.filter_map(|doubt| doubt.picture.as_ref());
            let drawn = drawable.filter_map(|(file, boxes)| {
                let pixels = picture::read_rgb(file).ok()?;
                Some((pixels, boxes))
            });
            for (pixels, boxes) in drawn.take(share) {
                sheet.add(&pixels, Some((*kind).to_owned()), boxes.clone());
            }
        }
        if sheet.is_empty() {
            return Ok(None);
        }
        let path = self.sheet.clone().unwrap_or_else(|| {
            let real = std::fs::canonicalize(&self.dataset).unwrap_or_default();
            let stem = real.file_stem().unwrap_or_default().to_string_lossy();
            PathBuf::from(format!("{stem}-doubts.png"))
        });
        let png = picture::encode_png(&sheet.draw())?;
        std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
        Ok(Some(path))
    }
}

fn print(report: &Report, dataset: &Path) {
    print_line(format!(
        "{} ({}): {} pictures, {} objects",
        dataset.display(),
        report.formats.join(", "),
        report.pictures,
        report.objects
    ));
    print_balance(report);
    for remark in &report.remarks {
        print_line(format!("remark: {remark}"));
    }
    if report.counts.is_empty() {
        print_line("nothing is doubtful");
        return;
    }
    let count = |(kind, count): (&&str, &u64)| vec![(*kind).to_owned(), count.to_string()];
    let counts: Vec<Vec<String>> = report.counts.iter().map(count).collect();
    print_line(format!("\ndoubts:\n{}\n", columns(&counts)));
    let row = |doubt: &Doubt| {
        let place = doubt.place.strip_prefix(&*dataset.to_string_lossy());
        let place = place.unwrap_or(&doubt.place).trim_start_matches('/');
        [doubt.kind, place, &doubt.problem]
            .map(str::to_owned)
            .to_vec()
    };
    let rows: Vec<Vec<String>> = report.doubts.iter().take(SHOWN).map(row).collect();
    print_line(columns(&rows));
    let all: u64 = report.counts.values().sum();
    if all > rows.len() as u64 {
        print_line(format!("  and {} more", all - rows.len() as u64));
    }
}

/// Pictures by class and split.
fn print_balance(report: &Report) {
    const CLASSES: usize = 30;
    let splits: Vec<&String> = report.balance.keys().collect();
    let classes = report.balance.values().flat_map(BTreeMap::keys);
    let classes: BTreeSet<&String> = classes.collect();
    let head = std::iter::once(String::new()).chain(splits.iter().map(|s| (*s).clone()));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for class in classes.iter().take(CLASSES) {
        let count = |split: &&String| {
            let count = report.balance[*split].get(*class);
            count.map_or("–".to_owned(), u64::to_string)
        };
        let row = std::iter::once((*class).clone()).chain(splits.iter().map(count));
        rows.push(row.collect());
    }
    print_line(columns(&rows));
    if classes.len() > CLASSES {
        print_line(format!("  and {} more classes", classes.len() - CLASSES));
    }
}

fn json(report: &Report) -> serde_json::Value {
    let doubt = |doubt: &Doubt| serde_json::json!({ "kind": doubt.kind, "place": doubt.place, "problem": doubt.problem });
    serde_json::json!({
        "formats": report.formats,
        "pictures": report.pictures,
        "objects": report.objects,
        "counts": report.counts,
        "doubts": report.doubts.iter().map(doubt).collect::<Vec<_>>(),
        "balance": report.balance,
        "remarks": report.remarks,
    })
}
