//! `rejected.parquet`: the samples that the gate rejected, and why.
//!
//! Columns as in the gate's own [`verdicts`]: `id`, `origin`, `source`, `class`, `reasons` and one score per
//! criterion. It refers to no picture in the dataset, and image loaders do not read it.

use crate::Result;
use crate::artifact::verdicts;
use crate::stage::{Context, Event};

/// The file's name.
pub const FILE: &str = "rejected.parquet";

/// Lists the samples that the input `gate` rejected and returns their number; `None` without that input.
///
/// `gated` is the number of images that passed a gate; if there are any, but the input is missing, a warning
/// says so.
///
/// # Errors
/// If the gate's verdicts cannot be read, or the list cannot be written.
pub(super) fn write(context: &Context, gated: u64) -> Result<Option<u64>> {
    let Some(gate) = context.inputs.get("gate") else {
        if gated > 0 {
            context.emit(Event::Warning {
                text: format!(
                    "the samples passed a gate, but {FILE} is not written: add `gate` to the `from` \
                     of `{}`",
                    context.id
                ),
            });
        }
        return Ok(None);
    };
    let mut rejected = verdicts::read(&gate.folder.join(verdicts::FILE))?;
    rejected.retain(|verdict| !verdict.is_kept());
    verdicts::write(&context.out.join(FILE), &rejected)?;
    Ok(Some(rejected.len() as u64))
}
