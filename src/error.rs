//! The crate's only error type: every message names its subject, the problem, and a remedy.

use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors, grouped by who has to act on them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the pipeline file is wrong. Exit code 2.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Usage {
        subject: String,
        problem: String,
        remedy: String,
    },

    /// Something at a known position in a pipeline file is wrong. Exit code 2.
    #[error("{}:{line}:{column}: {problem}\n  help: {remedy}", file.display())]
    Pipeline {
        file: PathBuf,
        line: usize,
        column: usize,
        problem: String,
        remedy: String,
    },

    /// A stage failed, or a file could not be used. Exit code 1.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Failed {
        subject: String,
        problem: String,
        remedy: String,
    },

    /// All stages finished, but the results do not meet the pipeline file's requirements. Exit code 3.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Unmet {
        subject: String,
        problem: String,
        remedy: String,
    },

    /// Ctrl-C. Exit code 130.
    #[error("interrupted; nothing was published, and the next run resumes from here")]
    Interrupted,
}

impl Error {
    /// A failure at run time; `subject` is a path or a stage.
    pub fn failed(
        subject: impl std::fmt::Display,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Self {
        Error::Failed {
            subject: subject.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// An error in the command line or the pipeline file.
    pub fn usage(
        subject: impl std::fmt::Display,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Self {
        Error::Usage {
            subject: subject.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// A failed file operation, with a remedy that fits the operating system's reason.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        let remedy = match source.kind() {
            NotFound => "check the path; relative paths start from the current folder",
            PermissionDenied | ReadOnlyFilesystem => {
                "check the permissions, or choose another folder with --outputs"
            }
            StorageFull | QuotaExceeded => {
                "free some space, or choose another disk with --outputs; published datasets are unchanged"
            }
            _ => "check the file and the disk that it is on",
        };
        Error::failed(path.display(), source, remedy)
    }

    /// A failed read or write of a Parquet file.
    pub fn parquet(path: &Path, source: parquet::errors::ParquetError) -> Self {
        use parquet::errors::ParquetError;
        match source {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(error) => Error::io(path, *error),
                Err(other) => Error::table(path, other),
            },
            other => Error::table(path, other),
        }
    }

    /// A Parquet file whose columns do not match the rows that it should contain.
    pub fn table(path: &Path, source: impl std::fmt::Display) -> Self {
        let remedy = "the file has other contents or is truncated; anything missing from \
                      outputs/cache is made again";
        Error::failed(path.display(), source, remedy)
    }

    /// The process's exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Failed { .. } => 1,
            Error::Usage { .. } | Error::Pipeline { .. } => 2,
            Error::Unmet { .. } => 3,
            Error::Interrupted => 130,
        }
    }
}
