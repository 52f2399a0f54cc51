//! `verdicts.parquet`: one row for every sample that the gate judged, kept or not, without pictures.
//!
//! Columns `id`, `origin`, `source`, `class`, `reasons` (empty if the sample was kept), and one column of
//! 32-bit floats per criterion; null means it could not be judged. Where objects were spoiled, `objects` tells which.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use serde::Deserialize;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::table::{self, Table};
use crate::sample::Verdict;
use crate::{Error, Result};

/// The file's name in a gate's artifact.
pub const FILE: &str = "verdicts.parquet";

/// The columns that every verdict table has.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only defines the columns")]
struct Fixed {
    id: String,
    origin: String,
    source: String,
    class: Option<String>,
    reasons: Vec<String>,
}

/// Writes `verdicts` as one Parquet file.
///
/// # Errors
/// If the file cannot be written; the message names it.
pub fn write(path: &Path, verdicts: &[Verdict]) -> Result<()> {
    let fixed = Vec::<FieldRef>::from_type::<Fixed>(TracingOptions::default());
    let mut columns = fixed.map_err(|e| Error::table(path, e))?;
    let criteria: BTreeSet<&String> = verdicts.iter().flat_map(|v| v.scores.keys()).collect();
    let score = |name: &String| Arc::new(Field::new(name, DataType::Float32, true));
    if verdicts.iter().any(|verdict| verdict.objects.is_some()) {
        columns.push(Arc::new(Field::new("objects", DataType::LargeUtf8, true)));
    }
    columns.extend(criteria.into_iter().map(score));
    let mut table = Table::with_columns(path, columns)?;
    table.add(verdicts)?;
    table.finish()
}

/// Reads back what [`write()`] wrote.
///
/// # Errors
/// If the file is missing, truncated, or has other columns; the message names it.
pub fn read(path: &Path) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for batch in table::read_batches(path)? {
        let rows: serde_arrow::Result<Vec<Verdict>> = serde_arrow::from_record_batch(&batch);
        verdicts.extend(rows.map_err(|e| Error::table(path, e))?);
    }
    Ok(verdicts)
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
            objects: None,
            scores: scores.iter().map(|(n, v)| ((*n).into(), *v)).collect(),
        };
        let all = vec![
            verdict("a", &[], &[("edges", 0.5)]),
            verdict("b", &["label", "mask"], &[("label", 0.1), ("mask", 0.25)]),
        ];
        let spoiled = Verdict {
            objects: Some("2 four: edges".into()),
            ..all[0].clone()
        };
        let some = [all[1].clone(), spoiled];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        write(&path, &some).unwrap();
        assert_eq!(read(&path).unwrap(), some);
        write(&path, &all).unwrap();
        assert_eq!(read(&path).unwrap(), all);
        write(&path, &[]).unwrap();
        assert_eq!(read(&path).unwrap(), []);
    }
}
