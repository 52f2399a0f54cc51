//! A temporary folder with pipelines and photos, in which tests run the program.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A user's folder.
pub struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// An empty folder.
    pub fn new() -> Self {
        Project {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and creates the folders above it.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Writes `count` small PNG photos below `folder`.
    pub fn photos(mut self, folder: &str, count: u8) -> Self {
        for i in 0..count {
            let pixels = image::RgbImage::from_fn(24, 20, |x, y| {
                image::Rgb([i.wrapping_mul(40), 60 + 4 * x as u8, 200 - 5 * y as u8])
            });
            let png = verismo::sample::image::encode_png(&pixels).unwrap();
            self = self.file(&format!("{folder}/{i:03}.png"), png);
        }
        self
    }

    /// `verismo` with these arguments, started in the folder.
    pub fn verismo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("verismo").unwrap();
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// A file as JSON.
    pub fn json(&self, name: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Names in a folder, sorted, without the cache's lock file; empty if there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".lock")
        .collect();
    names.sort();
    names
}
