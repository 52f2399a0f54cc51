//! `verismo convert`: writes a dataset in another format, and says what could not be carried over.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::run::{check_interrupt, stop_on_ctrl_c};
use super::{columns, duration, print_line};
use crate::formats::convert::{Conversion, Converted};
use crate::formats::{self, FORMATS, Findings, Format, FormatName};
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo convert coco/ yolo/ --to yolo
  verismo convert outputs/datasets/dice/latest dice-voc --to voc
  verismo convert annotations.json shards/ --to webdataset --strict

The formats are those of `verismo list formats`. Pictures or objects that are wrong are left out, counted
and listed; `--strict` stops at the first. Nothing is left behind if the conversion fails.";

/// Arguments of `convert`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Convert {
    /// The dataset: a folder, or its file of labels.
    dataset: PathBuf,

    /// The folder to write; it must not exist.
    out: PathBuf,

    /// The format to write.
    #[arg(long, value_name = "FORMAT", value_parser = written)]
    to: FormatName,

    /// The format of the dataset [default: of those that fit, the one with the most that the new one holds].
    #[arg(long, value_name = "FORMAT", value_parser = named)]
    from: Option<FormatName>,

    /// Stop at the first picture or object that is wrong.
    #[arg(long)]
    strict: bool,

    /// Share pictures with the dataset by hard links where that is possible, instead of copying them.
    #[arg(long)]
    link: bool,
}

/// A format that is written, by its name.
fn written(name: &str) -> Result<FormatName, String> {
    let format = named(name)?;
    match format.entry().write {
        Some(_) => Ok(format),
        None => Err(format!(
            "`{name}` is only read; the formats that are written are {}",
            Format::written()
        )),
    }
}

/// A format by its name.
pub(super) fn named(name: &str) -> Result<FormatName, String> {
    FormatName::find(name).ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        format!(
            "there is no format `{name}`; the formats are {}",
            known.join(", ")
        )
    })
}

impl Convert {
    pub(super) fn execute(self) -> Result<()> {
        stop_on_ctrl_c()?;
        let begun = Instant::now();
        let read_as = self.format()?;
        let conversion = Conversion {
            from: &self.dataset,
            read_as,
            to: &self.out,
            write_as: self.to.entry(),
            strict: self.strict,
            link: self.link,
        };
        let bar = Bar::new();
        let converted = conversion.run(&mut |done, of| bar.tell(done, of))?;
        bar.end();
        tell_findings(&converted.findings);
        print(&converted);
        print_line(format!(
            "{} pictures from {} to {} in {}: {}",
            converted.pictures,
            read_as.name,
            self.to.entry().name,
            duration(begun.elapsed().as_secs_f64()),
            self.out.display()
        ));
        Ok(())
    }

    /// The format to read.
    fn format(&self) -> Result<&'static Format> {
        let dataset = &self.dataset;
        std::fs::metadata(dataset).map_err(|e| Error::io(dataset, e))?;
        let Some(name) = self.from else {
            return formats::detect_for(dataset, self.to.entry().holds);
        };
        let format = name.entry();
        if (format.detect)(dataset) {
            return Ok(format);
        }
        let found = formats::detect(dataset).map(|format| format.name);
        Err(Error::usage(
            dataset.display(),
            format!("is not of the format `{}`: {}", format.name, format.about),
            match found {
                Ok(found) => format!("it looks like `{found}`: leave `--from` out"),
                Err(_) => "give the folder that holds these files".to_owned(),
            },
        ))
    }
}

fn print(converted: &Converted) {
    if converted.lost.is_empty() {
        return;
    }
    let row = |(kind, count): (&&str, &u64)| vec![count.to_string(), (*kind).to_owned()];
    let rows: Vec<Vec<String>> = converted.lost.iter().map(row).collect();
    print_line(format!("the format has no place for:\n{}", columns(&rows)));
}

/// Lists what was wrong and left out.
pub(super) fn tell_findings(findings: &Findings) {
    const SHOWN: usize = 20;
    if findings.flawed == 0 {
        return;
    }
    print_line(format!(
        "{} times something was wrong and was left out:",
        findings.flawed
    ));
    for flaw in findings.flaws.iter().take(SHOWN) {
        print_line(format!("  {} {}", flaw.place, flaw.problem));
    }
    if findings.flawed > SHOWN as u64 {
        print_line(format!("  and {} more", findings.flawed - SHOWN as u64));
    }
}

/// A bar of pictures on a terminal; nothing elsewhere.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.set_style(style("{spinner} {pos} pictures read"));
        Bar(bar)
    }

    /// Shows the count; an error after Ctrl-C.
    pub(super) fn tell(&self, done: u64, of: Option<u64>) -> Result<()> {
        if let Some(of) = of
            && self.0.length() != Some(of)
        {
            self.0.set_style(style(
                "{bar:30.cyan/dim} {percent:>3}% {eta} left  {pos}/{len} pictures",
            ));
            self.0.set_length(of);
        }
        self.0.set_position(done);
        check_interrupt()
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
