//! One run of a pipeline at a time, and one maker of a result: the second waits, and reports for whom.
//!
//! The operating system holds the lock and releases it when the process ends, for whatever reason.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The process that holds a lock.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    pub pid: u32,
    pub host: String,
    /// When it took the lock, e.g. `2026-11-22 00:45:12 UTC`.
    pub since: String,
}

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// What a lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read a result, together with others.
    Read,
    /// To make or remove a result, alone.
    Make,
}

impl Lock {
    /// Locks runs of `pipeline` below `outputs`. While another process holds the lock, calls `notify` once
    /// and waits; an error from `check` ends the wait.
    ///
    /// # Errors
    /// The error of `check`, or if the file cannot be written.
    pub(super) fn wait(
        outputs: &Path,
        pipeline: &str,
        notify: impl Fn(&str),
        check: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let path = outputs.join("locks").join(pipeline);
        let notify =
            |holder: &str| notify(&format!("waiting for another run of this pipeline{holder}"));
        acquire(&path, Purpose::Make, notify, check)
    }

    /// Locks one result of the cache below `outputs`. Waits as [`Lock::wait`] does.
    ///
    /// # Errors
    /// The error of `check`, or if the file cannot be written.
    pub(super) fn of_result(
        outputs: &Path,
        name: &str,
        purpose: Purpose,
        notify: impl Fn(&str),
        check: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let path = outputs.join(RESULTS).join(name);
        let notify = |holder: &str| {
            notify(&match purpose {
                // Whoever reads it has not signed.
                Purpose::Make => {
                    "waiting for another run that makes or reads the same result".into()
                }
                Purpose::Read => {
                    format!("waiting for another run that makes an input again{holder}")
                }
            });
        };
        acquire(&path, purpose, notify, check)
    }
}

/// The folder below `outputs` with a lock file for every result that was made or read; no pipeline can have
/// this name.
pub(super) const RESULTS: &str = "locks/results~";

fn acquire(
    path: &Path,
    purpose: Purpose,
    notify: impl Fn(&str),
    check: impl Fn() -> Result<()>,
) -> Result<Lock> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let open = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let mut file = open.map_err(|e| Error::io(path, e))?;
    let try_lock = |file: &File| match purpose {
        Purpose::Read => file.try_lock_shared(),
        Purpose::Make => file.try_lock(),
    };
    let mut notified = false;
    // A file system without locks must not prevent a run.
    while let Err(TryLockError::WouldBlock) = try_lock(&file) {
        if !notified {
            notify(&holder(path));
            notified = true;
        }
        check()?;
        sleep(Duration::from_millis(100));
    }
    if purpose == Purpose::Make {
        sign(&mut file).map_err(|e| Error::io(path, e))?;
    }
    Ok(Lock { _file: file })
}

/// Who holds a lock, to append to a message; empty if that is not known.
fn holder(path: &Path) -> String {
    let holder = fs::read_to_string(path)
        .ok()
        .and_then(|text| serde_json::from_str::<Holder>(&text).ok());
    holder.map_or(String::new(), |Holder { pid, host, since }| {
        format!(": process {pid} on {host}, since {since}")
    })
}

/// Writes which process holds the lock.
fn sign(file: &mut File) -> std::io::Result<()> {
    let now = chrono::Utc::now();
    let holder = Holder {
        pid: std::process::id(),
        host: host(),
        since: now.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(&holder)?.as_bytes())
}

/// This machine's name.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map_or("an unknown machine".to_owned(), |name| {
        name.trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn the_second_says_for_whom_it_waits_and_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let silent = |_: &str| panic!("nobody to wait for");
        let first = Lock::wait(folder.path(), "p", silent, || Ok(())).unwrap();
        Lock::wait(folder.path(), "other", silent, || Ok(())).unwrap();
        let messages = RefCell::new(Vec::new());
        let notify = |text: &str| messages.borrow_mut().push(text.to_owned());
        let stopped = Lock::wait(folder.path(), "p", notify, || Err(Error::Interrupted));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        let pid = format!("process {} on ", std::process::id());
        assert!(messages.borrow()[0].contains(&pid), "{messages:?}");
        drop(first);
        Lock::wait(folder.path(), "p", silent, || Ok(())).unwrap();
    }
}
