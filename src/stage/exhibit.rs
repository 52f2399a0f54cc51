//! What a stage shows of its result: figures, tables, curves, pictures. This is data alone: the
//! report draws it as a page, and the command line prints the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use image::RgbImage;

use crate::Result;
use crate::artifact::{Artifact, parts};
use crate::sample::image::encode_png;
use crate::sample::{Domain, Extent, Labels, Provenance, Sample};

/// What exhibits are made from.
pub struct Evidence<'a> {
    /// The stage's own artifact.
    pub artifact: &'a Artifact,
    /// The artifacts of its inputs that can be read, by role.
    pub inputs: BTreeMap<&'a str, &'a Artifact>,
}

/// Something to show, with its heading.
pub struct Exhibit {
    /// The part of the report where it is shown.
    pub section: Section,
    /// The heading; if it is empty, the stage's id is.
    pub title: String,
    /// A remark beside the heading.
    pub note: String,
    /// What is shown below the heading.
    pub content: Content,
}

/// A part of the report, which several stages may share: where it stands, and its title.
pub type Section = (Place, &'static str);

/// How soon a reader asks for an exhibit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the head of the page, which holds headline figures alone and has no title.
    Head,
    /// Before all else: what the run was for.
    Results,
    /// After the pictures: how the work went.
    Work,
    /// At the end: what explains the results.
    Details,
    /// In the section about the labels of real photos: a text that says what the stage read them for,
    /// which begins in the middle of the sentence.
    RealLabels,
}

/// The kinds of exhibits.
pub enum Content {
    /// One paragraph of plain text.
    Text(String),
    /// Values with their meaning; scores with a spread are drawn as bars.
    Figures {
        /// In the order of display.
        figures: Vec<Figure>,
        /// What guessing would score, 0..1, if the figures are scores.
        chance: Option<f64>,
    },
    /// A table; a long one is cut in the report.
    Table(Table),
    /// Charts side by side.
    Curves(Vec<Chart>),
    /// Histograms side by side.
    Histograms(Vec<Histogram>),
    /// Samples side by side, or with their labels drawn over them.
    Pictures(Sheet),
    /// Confusion matrices side by side.
    Confusions(Vec<Confusion>),
}

/// A value as it was measured; how it is written is up to whoever shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number of things.
    Count(u64),
    /// A share of a whole, 0..1; may be negative where it is one of a difference.
    Share(f64),
    /// A measurement without a unit of its own, e.g. a loss.
    Number(f64),
    /// Something that is not a number, shown as it is.
    Text(String),
}

/// A value that a reader of the results asks for.
#[derive(Debug, Clone)]
pub struct Figure {
    /// A word or two, e.g. `adapted`.
    pub name: String,
    /// What it tells, in a few words.
    pub about: String,
    /// The mean if there is a spread; NaN if it was not measured.
    pub value: Value,
    /// The single results, if the value is their mean.
    pub spread: Option<Spread>,
    /// What it was measured on, e.g. `n_test`, 308.
    pub counts: Vec<(&'static str, u64)>,
    /// The colour of its bar and of its mark in the legend.
    pub tone: Tone,
    /// The words that follow the value in the head of the page, if it belongs there.
    pub headline: Option<&'static str>,
    /// Whether the points of a matrix are compared by it, as they are by all that have a spread or a headline.
    pub compared: bool,
}

/// Single results and their standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// In the unit of the value; NaN if it is unknown, e.g. for a single result.
    pub std: f64,
    /// One for each repetition, e.g. for each seed.
    pub results: Vec<f64>,
}

/// What colour something is drawn in: exhibits of one tone belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// One of eight colours that differ well.
    Series(u8),
    /// For what went wrong.
    Bad,
}

/// The first cell of each row is its heading.
pub struct Table {
    /// One for each cell of a row.
    pub columns: Vec<Column>,
    /// From top to bottom, each with as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column of a [`Table`].
pub struct Column {
    /// Shown in the first line of the table; may be empty.
    pub name: String,
    /// The colour of its bars.
    pub tone: Tone,
}

/// What stands in one place of a [`Table`].
pub enum Cell {
    /// Plain text; a heading in the first column.
    Text(String),
    /// A value, aligned to the right.
    Value(Value),
    /// A bar of `share` (0..1) of the column's width, and the value that it stands for.
    Bar {
        /// Drawn as 0 or 1 if it lies outside, and as 0 if it is NaN.
        share: f64,
        /// Written beside the bar.
        value: Value,
    },
}

/// Curves over common steps.
pub struct Chart {
    /// Shown above the chart: what its curves have in common.
    pub title: String,
    /// What the steps are, below the chart, and what the values are, beside it.
    pub axes: [String; 2],
    /// At most eight differ in colour.
    pub curves: Vec<Curve>,
}

/// One line of a [`Chart`].
pub struct Curve {
    /// Its text in the legend, e.g. the name of a loss.
    pub name: String,
    /// Steps and values; a value that is not a number is a gap.
    pub points: Vec<(f64, f64)>,
}

/// Scores of what passed a limit and of what failed it.
pub struct Histogram {
    /// What the scores measure, e.g. the name of a criterion.
    pub name: String,
    /// Scores within the limit; those that are not finite are not drawn.
    pub passed: Vec<f64>,
    /// Scores beyond the limit; those that are not finite are not drawn.
    pub failed: Vec<f64>,
    /// In the unit of the scores; no line is drawn if it is not finite.
    pub limit: f64,
}

/// A contact sheet.
pub struct Sheet {
    /// What the pictures of each column are, e.g. the id of the stage that made them.
    pub columns: Vec<String>,
    /// In the order of display.
    pub rows: Vec<Row>,
    /// Whether the labels of each sample are drawn over it.
    pub labels: bool,
}

/// Pictures that belong together.
pub struct Row {
    /// One a column; `None` if it is not at hand.
    pub pictures: Vec<Option<Sample>>,
    /// Shown below the pictures, e.g. the class.
    pub caption: String,
    /// What is wrong with it; empty if nothing is.
    pub fault: String,
    /// More about it, in lines.
    pub details: String,
}

/// How often each true class was read as each class.
pub struct Confusion {
    /// What was judged, e.g. `adapted`.
    pub name: String,
    /// The colour of its mark.
    pub tone: Tone,
    /// Names of the classes, in the order of `counts`.
    pub classes: Vec<String>,
    /// Rows are true classes, columns predicted ones, in the order of `classes`.
    pub counts: Vec<Vec<f64>>,
}

/// A picture to show that is no result of the stage: picture `index` of them, of this class; its transform tells `what`
/// it is.
///
/// # Errors
/// If it cannot be encoded.
pub fn made_up(index: u64, class: &str, what: &str, picture: &RgbImage) -> Result<Sample> {
    let id = format!("{what}-{index:06}");
    let (width, height) = picture.dimensions();
    Ok(Sample {
        image: encode_png(picture)?,
        extent: Extent::new(width, height),
        labels: Labels {
            class: Some(class.to_owned()),
            ..Labels::default()
        },
        provenance: Provenance {
            domain: Domain::Generated,
            source: String::new(),
            origin: id.clone(),
            parent: None,
            seed: String::new(),
            checkpoint: None,
            transforms: vec![what.to_owned()],
            split: None,
            gate: None,
        },
        id,
        index,
    })
}

/// The exhibits of a stage of which the report shows the summary alone.
///
/// # Errors
/// None.
pub fn nothing(_: &Evidence) -> Result<Vec<Exhibit>> {
    Ok(Vec::new())
}

impl Evidence<'_> {
    /// What the stage measured.
    pub fn summary(&self) -> &serde_json::Value {
        &self.artifact.manifest.summary
    }

    /// The input of this role, if it can be read.
    pub fn input(&self, role: &str) -> Option<&Artifact> {
        self.inputs.get(role).copied()
    }
}

impl Exhibit {
    /// Without a remark; an empty `title` stands for the stage's id.
    pub fn new(section: Section, title: impl Into<String>, content: Content) -> Self {
        Exhibit {
            section,
            title: title.into(),
            note: String::new(),
            content,
        }
    }

    /// The same with a remark beside its heading.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Figure {
    /// A single value in the first colour, without spread, counts or headline.
    pub fn new(name: impl Into<String>, value: Value, about: impl Into<String>) -> Self {
        Figure {
            name: name.into(),
            about: about.into(),
            value,
            spread: None,
            counts: Vec::new(),
            tone: Tone::Series(0),
            headline: None,
            compared: false,
        }
    }

    /// The same, by which the points of a matrix are compared.
    pub fn compared(self) -> Self {
        Figure {
            compared: true,
            ..self
        }
    }
}

/// A figure of a summary: its name, where it stands there (a JSON pointer), what it tells, and its kind.
pub type Wanted = (&'static str, &'static str, &'static str, fn(f64) -> Value);

/// Those of the wanted figures that a summary has.
pub fn figures(summary: &serde_json::Value, wanted: &[Wanted]) -> Vec<Figure> {
    let figure = |(name, path, about, value): &Wanted| {
        let found = summary.pointer(path)?.as_f64()?;
        Some(Figure::new(*name, value(found), *about))
    };
    wanted.iter().filter_map(figure).collect()
}

impl Column {
    /// A column whose bars have the colour `tone`.
    pub fn new(name: impl Into<String>, tone: Tone) -> Self {
        Column {
            name: name.into(),
            tone,
        }
    }

    /// Columns without bars.
    pub fn plain(names: &[&str]) -> Vec<Self> {
        let plain = |name: &&str| Column::new(*name, Tone::Series(0));
        names.iter().map(plain).collect()
    }
}

impl Cell {
    /// A cell of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into())
    }

    /// A cell with a whole number.
    pub fn count(count: usize) -> Self {
        Cell::Value(Value::Count(count as u64))
    }

    /// A bar of a share, 0..1.
    pub fn share(share: f64) -> Self {
        Cell::Bar {
            share,
            value: Value::Share(share),
        }
    }
}

/// About `wanted` samples of different origins that are `fit` to be shown, evenly over their classes,
/// each with the place of its part in `paths`. More parts are read until there are enough.
///
/// # Errors
/// If a part cannot be read.
pub fn examples(
    paths: impl IntoIterator<Item = PathBuf>,
    wanted: usize,
    classes: usize,
    fit: impl Fn(&Sample) -> bool,
) -> Result<Vec<(usize, Sample)>> {
    let mut by_class: BTreeMap<Option<String>, Vec<(usize, Sample)>> = BTreeMap::new();
    let mut origins = BTreeSet::new();
    for (number, path) in paths.into_iter().enumerate() {
        for sample in parts::read_part(&path)?.into_iter().filter(&fit) {
            if origins.insert(sample.provenance.origin.clone()) {
                let alike = by_class.entry(sample.labels.class.clone()).or_default();
                alike.push((number, sample));
            }
        }
        if origins.len() >= wanted && by_class.len() >= classes {
            break;
        }
    }
    // One of each class in turn, and at least one of each unless there are very many.
    let mut queues: Vec<_> = by_class.into_values().map(Vec::into_iter).collect();
    let mut chosen = Vec::new();
    while chosen.len() < wanted.max(queues.len().min(2 * wanted)) {
        let round: Vec<_> = queues.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        chosen.extend(round);
    }
    chosen.truncate(2 * wanted);
    Ok(chosen)
}

/// The one of `samples` that `child` was made from, or else one of the same origin.
pub fn ancestor<'s>(samples: &'s [Sample], child: &Sample) -> Option<&'s Sample> {
    let parent = child.provenance.parent.as_deref();
    let exact = samples.iter().find(|s| Some(s.id.as_str()) == parent);
    let origin = &child.provenance.origin;
    exact.or_else(|| samples.iter().find(|s| &s.provenance.origin == origin))
}
