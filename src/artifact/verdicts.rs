//! `verdicts.parquet`: a row for every sample that the gate judged, kept or not, without pictures.
//!
//! Columns `id`, `origin`, `source`, `class`, `reasons` (empty where it was kept), and one of 32-bit
//! floats for each criterion; null is what could not be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::*;

use super::parts::{read_frame, write_frame};
use crate::sample::Verdict;
use crate::{Error, Result};

/// The file's name in the gate's artifact.
pub const FILE: &str = "verdicts.parquet";

/// Writes `verdicts` as one Parquet file.
///
/// # Errors
/// Where the file cannot be written; the message names it.
pub fn write<'a>(path: &Path, verdicts: impl IntoIterator<Item = &'a Verdict>) -> Result<()> {
    let rows: Vec<&Verdict> = verdicts.into_iter().collect();
    let mut frame = to_frame(&rows).map_err(|e| Error::parquet(path, e))?;
    write_frame(path, &mut frame)
}

/// Reads back what [`write()`] wrote.
///
/// # Errors
/// Where the file is missing, cut off, or has other columns; the message names it.
pub fn read(path: &Path) -> Result<Vec<Verdict>> {
    let frame = read_frame(path)?;
    from_frame(&frame).map_err(|e| Error::parquet(path, e))
}

fn to_frame(rows: &[&Verdict]) -> PolarsResult<DataFrame> {
    let text = |name: &str, value: fn(&Verdict) -> Option<&str>| {
        let values = rows.iter().map(|row| value(row));
        StringChunked::from_iter_options(name.into(), values).into_column()
    };
    let mut reasons = ListStringChunkedBuilder::new("reasons".into(), rows.len(), rows.len());
    for row in rows {
        reasons.append_values_iter(row.reasons.iter().map(String::as_str));
    }
    let mut columns = vec![
        text("id", |v| Some(&v.id)),
        text("origin", |v| Some(&v.origin)),
        text("source", |v| Some(&v.source)),
        text("class", |v| v.class.as_deref()),
        reasons.finish().into_column(),
    ];
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.scores.keys()).collect();
    for name in names {
        let values = rows.iter().map(|row| row.scores.get(name).copied());
        columns.push(Float32Chunked::from_iter_options(name.as_str().into(), values).into_column());
    }
    DataFrame::new(rows.len(), columns)
}

fn from_frame(frame: &DataFrame) -> PolarsResult<Vec<Verdict>> {
    let text = |name: &str| frame.column(name)?.str();
    let (id, origin, source, class) = (
        text("id")?,
        text("origin")?,
        text("source")?,
        text("class")?,
    );
    let reasons = frame.column("reasons")?.list()?;
    let scores: Vec<(&str, &Float32Chunked)> = frame
        .columns()
        .iter()
        .filter_map(|column| Some((column.name().as_str(), column.f32().ok()?)))
        .collect();
    let owned = |column: &StringChunked, row| column.get(row).unwrap_or_default().to_owned();
    let verdict = |row: usize| -> PolarsResult<Verdict> {
        let failed = reasons.get_as_series(row).unwrap_or_default();
        Ok(Verdict {
            id: owned(id, row),
            origin: owned(origin, row),
            source: owned(source, row),
            class: class.get(row).map(str::to_owned),
            reasons: if failed.is_empty() {
                Vec::new()
            } else {
                failed.str()?.iter().flatten().map(str::to_owned).collect()
            },
            scores: scores
                .iter()
                .filter_map(|(name, column)| Some(((*name).to_owned(), column.get(row)?)))
                .collect::<BTreeMap<_, _>>(),
        })
    };
    (0..frame.height()).map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_round_trip() {
        let verdict = |id: &str, reasons: &[&str], scores: &[(&str, f32)]| Verdict {
            id: id.into(),
            origin: "render-000001".into(),
            source: "die.gltf".into(),
            class: (id != "b").then(|| "one".into()),
            reasons: reasons.iter().map(|r| (*r).into()).collect(),
            scores: scores.iter().map(|(n, v)| ((*n).into(), *v)).collect(),
        };
        let all = vec![
            verdict("a", &[], &[("edges", 0.5)]),
            verdict("b", &["label", "mask"], &[("label", 0.1), ("mask", 0.25)]),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        write(&path, &all).unwrap();
        assert_eq!(read(&path).unwrap(), all);
        write(&path, []).unwrap();
        assert_eq!(read(&path).unwrap(), []);
    }
}
