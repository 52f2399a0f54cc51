//! The program ffmpeg, <https://ffmpeg.org>, which reads and makes videos where it is installed.

use std::process::{Command, Stdio};

/// Its name, found as the system finds programs.
pub const FFMPEG: &str = "ffmpeg";

/// How to install it.
pub const INSTALL: &str =
    "install it (`apt install ffmpeg`, `brew install ffmpeg`, `winget install ffmpeg`)";

/// Whether it can be started.
pub fn is_installed() -> bool {
    let mut command = Command::new(FFMPEG);
    command.arg("-version").stdin(Stdio::null());
    let asked = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok()
}
