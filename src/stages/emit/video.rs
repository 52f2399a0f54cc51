//! The clips of a dataset as MP4s, `videos/SPLIT/ID.mp4`, each named after its first frame. They are made by ffmpeg,
//! which is a program of its own: <https://ffmpeg.org>.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Emit;
use crate::formats::ImageEntry;
use crate::sample::Extent;
use crate::stage::Misfit;
use crate::stage::ffmpeg::{self, FFMPEG, INSTALL};
use crate::{Error, Result};

/// What to do without it.
fn remedy() -> String {
    format!("{INSTALL}, or leave `video_fps` out")
}

impl Emit {
    /// # Errors
    /// If a video cannot have so many frames a second.
    pub(super) fn check_video(&self) -> Result<(), String> {
        match self.video_fps {
            Some(rate) if !(0.1..=240.0).contains(&rate) => {
                Err("`video_fps` must be between 0.1 and 240 frames a second".into())
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If videos are to be made and ffmpeg is not installed.
    pub(super) fn check_ffmpeg(&self) -> Result<(), Misfit> {
        if self.video_fps.is_none() || ffmpeg::is_installed() {
            return Ok(());
        }
        let problem = "`video_fps` makes videos with ffmpeg, which is not installed";
        Err(Misfit::new(problem, remedy()))
    }
}

/// Makes the videos of a dataset, frame by frame.
pub(super) struct Videos<'a> {
    out: &'a Path,
    /// Frames a second; `None` makes nothing.
    rate: Option<f64>,
    open: Option<Video>,
    /// Videos begun so far.
    pub begun: u64,
}

/// A video that is being written.
struct Video {
    clip: String,
    split: String,
    extent: Extent,
    path: PathBuf,
    encoder: Child,
}

impl<'a> Videos<'a> {
    pub(super) fn new(out: &'a Path, rate: Option<f64>) -> Self {
        Videos {
            out,
            rate,
            open: None,
            begun: 0,
        }
    }

    /// Adds an image, if it is a frame of a clip: to the same video as the last one, if that is of the same clip.
    ///
    /// # Errors
    /// If the picture cannot be decoded or ffmpeg fails.
    pub(super) fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let sample = entry.sample;
        let (Some(rate), Some(clip)) = (self.rate, sample.clip()) else {
            return Ok(());
        };
        let follows = |video: &Video| {
            video.clip == clip && video.split == entry.split && video.extent == sample.extent
        };
        if !self.open.as_ref().is_some_and(follows) {
            self.finish()?;
            let folder = self.out.join("videos").join(entry.split);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
            let path = folder.join(format!("{}.mp4", sample.id));
            self.begun += 1;
            self.open = Some(Video {
                clip: clip.to_owned(),
                split: entry.split.to_owned(),
                extent: sample.extent,
                encoder: encoder(&path, sample.extent, rate)?,
                path,
            });
        }
        let pixels = sample.pixels()?;
        let video = self.open.as_mut();
        let input = video.and_then(|video| video.encoder.stdin.as_mut());
        match input.map(|input| input.write_all(pixels.as_raw())) {
            // Why it reads no more, it says at its end.
            Some(Err(_)) => self.finish(),
            _ => Ok(()),
        }
    }

    /// Ends the video that is being written.
    ///
    /// # Errors
    /// If ffmpeg fails; with what it says.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Some(Video { path, encoder, .. }) = self.open.take() else {
            return Ok(());
        };
        // This also closes its input.
        let output = encoder
            .wait_with_output()
            .map_err(|e| Error::io(&path, e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = format!("ffmpeg could not make the video: {}", said.trim());
        Err(Error::failed(path.display(), problem, remedy()))
    }
}

impl Drop for Videos<'_> {
    /// After an error elsewhere, no process is left behind.
    fn drop(&mut self) {
        if let Some(video) = &mut self.open {
            let _ = video.encoder.kill();
            let _ = video.encoder.wait();
        }
    }
}

/// Starts ffmpeg, which reads the frames' pixels from its standard input. Players want even sides, and the file is
/// to hold neither date nor version, so that equal frames give equal bytes.
fn encoder(path: &Path, extent: Extent, rate: f64) -> Result<Child> {
    let size = format!("{}x{}", extent.width, extent.height);
    let rate = rate.to_string();
    let mut command = Command::new(FFMPEG);
    command
        .args([
            "-loglevel",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
        ])
        .args(["-video_size", &size, "-framerate", &rate, "-i", "-"])
        .args([
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt",
            "yuv420p",
        ])
        .args([
            "-threads",
            "1",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
        ])
        .args(["-movflags", "+faststart", "-f", "mp4"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = command.spawn();
    started.map_err(|e| Error::failed(FFMPEG, format!("cannot be started: {e}"), remedy()))
}
