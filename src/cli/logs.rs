//! Logs on stderr, above the progress bars, as set by `-v`, `-vv` or `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::progress::AboveBars;
use crate::{Error, Result};

/// Starts logging, if requested. `RUST_LOG` overrides `verbose`, the number of `-v` flags.
///
/// # Errors
/// If `RUST_LOG` is not a list of `TARGET=LEVEL`.
pub(super) fn begin(verbose: u8) -> Result<()> {
    let levels = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    let levels = levels.unwrap_or_else(|| match verbose {
        0 => "off".to_owned(),
        1 => "verismo=debug".to_owned(),
        _ => "verismo=trace".to_owned(),
    });
    let filter: Targets = levels.parse().map_err(|e| {
        let remedy = "give e.g. RUST_LOG=debug or RUST_LOG=verismo::pipeline=trace,warn";
        Error::usage(format!("RUST_LOG={levels}"), e, remedy)
    })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(colours)
        .with_writer(|| AboveBars);
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    Ok(())
}
