//! Frames of videos, through the program ffmpeg where it is installed.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::stage::ffmpeg::{self, FFMPEG, INSTALL};
use crate::stage::{Context, Misfit};
use crate::{Error, Result};

const MISSING: &str = "videos are read through ffmpeg, which is not installed";

/// What to do without it.
fn remedy() -> String {
    format!("{INSTALL}, or give a folder of frames as `path`")
}

/// The most frames of one video, so that a slip of the pen fills no disk.
const MOST_FRAMES: usize = 20_000;
/// The most pixels of a frame.
const MOST_PIXELS: &str = "178000000";

/// # Errors
/// If ffmpeg is not installed, with how to install it.
pub(super) fn check(video: &Path) -> Result<(), Misfit> {
    if ffmpeg::is_installed() {
        return Ok(());
    }
    let problem = format!("`path` is a video, and {MISSING}: {}", video.display());
    Err(Misfit::new(problem, remedy()).of_file(video))
}

/// Writes `fps` frames of each second of a video into the folder `to`, as JPEGs `000001.jpg` and so on.
///
/// # Errors
/// If ffmpeg is not installed or cannot read the video, if there are too many frames, or on an interrupt.
pub(super) fn frames(context: &Context, video: &Path, fps: f64, to: &Path) -> Result<()> {
    let failed = |e| Error::io(to, e);
    std::fs::create_dir_all(to).map_err(failed)?;
    let mut told = tempfile::tempfile_in(context.out).map_err(failed)?;
    let input = std::path::absolute(video).map_err(|e| Error::io(video, e))?;
    let mut child = Command::new(FFMPEG)
        // A video that is a list of others could name any file or address.
        .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
        .args(["-protocol_whitelist", "file", "-max_pixels", MOST_PIXELS])
        .arg("-i")
        .arg(format!("file:{}", input.display()))
        .args(["-map", "0:v:0", "-vf", &format!("fps={fps}")])
        .args(["-frames:v", &(MOST_FRAMES + 1).to_string()])
        .args(["-q:v", "2", "-f", "image2", "%06d.jpg"])
        .current_dir(to)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(told.try_clone().map_err(failed)?)
        .spawn()
        .map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::failed(video.display(), MISSING, remedy()),
            _ => Error::failed(FFMPEG, e, remedy()),
        })?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if let Err(interrupt) = context.check_interrupt() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupt);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let count = std::fs::read_dir(to).map_err(failed)?.count();
    let remedy = "check that ffmpeg plays it, or give a folder of frames as `path`";
    if !status.success() || count == 0 {
        let problem = match what_it_said(&mut told) {
            text if text.is_empty() => "holds no frame".to_owned(),
            text => format!("ffmpeg cannot read it: {text}"),
        };
        return Err(Error::failed(video.display(), problem, remedy));
    }
    if count > MOST_FRAMES {
        let problem = format!("gives more than {MOST_FRAMES} frames");
        return Err(Error::failed(
            video.display(),
            problem,
            "lower `fps`, or cut the video",
        ));
    }
    Ok(())
}

/// The end of the last lines of its messages.
fn what_it_said(told: &mut File) -> String {
    const LONGEST: usize = 400;
    let mut text = Vec::new();
    // Without its words the error is as clear as it can be.
    let _ = told
        .rewind()
        .and_then(|()| told.take(1 << 20).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = text.ceil_char_boundary(text.len().saturating_sub(LONGEST));
    text[start..].to_owned()
}
