//! The crate's only error type: every message names its subject, the problem, and a remedy.

use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors, grouped by who has to act on them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the pipeline file is wrong. Exit code 2.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Usage {
        /// The option, stage or file that the message is about.
        subject: String,
        /// What is wrong with it, without a full stop.
        problem: String,
        /// What to do about it, shown after `help:`.
        remedy: String,
    },

    /// Something at a known position in a pipeline file is wrong. Exit code 2.
    #[error("{}:{line}:{column}: {problem}\n  help: {remedy}", file.display())]
    Pipeline {
        /// The pipeline file, or one that it extends.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong at this position, without a full stop.
        problem: String,
        /// What to write instead, shown after `help:`.
        remedy: String,
    },

    /// A stage failed, or a file could not be used. Exit code 1.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Failed {
        /// The stage, file or device that failed.
        subject: String,
        /// What went wrong, often in the words of the operating system.
        problem: String,
        /// What to do about it, shown after `help:`.
        remedy: String,
    },

    /// All stages finished, but the results do not meet the pipeline file's requirements. Exit code 3.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Unmet {
        /// The pipeline whose requirements are not met.
        subject: String,
        /// The requirements that failed, with the values measured.
        problem: String,
        /// Where to look or what to change, shown after `help:`.
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
            subject: shortened(subject),
            problem: shortened(problem),
            remedy: shortened(remedy),
        }
    }

    /// An error in the command line or the pipeline file.
    pub fn usage(
        subject: impl std::fmt::Display,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Self {
        Error::Usage {
            subject: shortened(subject),
            problem: shortened(problem),
            remedy: shortened(remedy),
        }
    }

    /// A failed file operation, with a remedy that fits the operating system's reason.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{
            NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let remedy = match source.kind() {
            NotFound => "check the path; relative paths start from the current folder",
            PermissionDenied | ReadOnlyFilesystem => {
                "check the permissions, or choose another folder with --outputs"
            }
            StorageFull | QuotaExceeded => "free some space, or choose another disk with --outputs",
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
        Error::failed(path.display(), source, DAMAGED_TABLE)
    }

    /// The message with its remedy, for what is itself a problem with a remedy.
    pub fn in_one_line(&self) -> String {
        self.to_string().replace("\n  help: ", "; ")
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

/// What to do about a Parquet file that cannot be read.
pub(crate) const DAMAGED_TABLE: &str = "the file has other contents or is truncated; anything \
                                        missing from outputs/cache is made again";

/// At most the first [`LONGEST`] bytes of a text: some errors quote a whole field of a file.
fn shortened(text: impl std::fmt::Display) -> String {
    let mut text = text.to_string();
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// The most bytes of each part of a message.
const LONGEST: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_quote_a_whole_file_are_cut() {
        let error = Error::failed("ä".repeat(10_000_000), "is too long", "shorten it");
        let text = error.to_string();
        assert!(
            text.len() < 5000 && text.contains("…: is too long"),
            "{text}"
        );
    }
}
