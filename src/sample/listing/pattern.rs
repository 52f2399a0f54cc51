//! Patterns of paths, such as `photos/**/*.jpg`; `**` stands for any folders.

use std::path::{Path, PathBuf};

/// Whether a path stands for others: there is nothing of this name, and it has a `*`, `?` or `[`.
pub fn is_pattern(path: &Path) -> bool {
    has_wildcard(path) && !path.exists()
}

fn has_wildcard(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The files and folders that a pattern stands for, sorted, at most `most`; without hidden ones and what systems
/// leave behind.
///
/// # Errors
/// If it is not a pattern, as text.
pub fn matching(pattern: &Path, most: usize) -> Result<Vec<PathBuf>, String> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let text = pattern.to_string_lossy();
    let found = glob::glob_with(&text, options).map_err(|e| format!("is not a pattern: {e}"))?;
    let left_behind = |path: &PathBuf| {
        path.iter()
            .any(|part| part == "__MACOSX" || part == "@eaDir")
    };
    let found = found.flatten().filter(|path| !left_behind(path));
    let mut found: Vec<PathBuf> = found.take(most).collect();
    found.sort();
    Ok(found)
}

/// The folder in which everything lies that a pattern stands for.
pub fn root(pattern: &Path) -> PathBuf {
    let above = pattern.ancestors().skip(1);
    let fixed = above.filter(|folder| !has_wildcard(folder));
    fixed.map(Path::to_path_buf).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a/1.png",
            "a/sub/2.png",
            "b/3.png",
            "b/.4.png",
            "@eaDir/5.png",
            "c[1].png",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let pattern = folder.path().join(pattern);
            assert!(is_pattern(&pattern), "{}", pattern.display());
            let found = matching(&pattern, 9).unwrap().into_iter();
            let inside = found.map(|path| path.strip_prefix(folder.path()).unwrap().to_path_buf());
            inside
                .map(|path| path.to_string_lossy().replace('\\', "/"))
                .collect()
        };
        assert_eq!(
            found("**/*.png"),
            ["a/1.png", "a/sub/2.png", "b/3.png", "c[1].png"]
        );
        assert_eq!(found("?"), ["a", "b"]);
        assert_eq!(found("none/*"), [""; 0]);
        // A name with brackets is itself.
        assert!(!is_pattern(&folder.path().join("c[1].png")));
        assert!(
            matching(Path::new("a[/*"), 9)
                .unwrap_err()
                .contains("not a pattern")
        );
        assert_eq!(root(Path::new("photos/*/day/*.png")), Path::new("photos"));
        assert_eq!(root(Path::new("*.png")), Path::new(""));
    }
}
