//! `verismo new`: writes a commented pipeline file as a starting point.

use std::path::Path;

use clap::Args;

use super::print_line;
use crate::artifact::files::{FOLDER_NAME, is_folder_name, write_flushed};
use crate::{Error, Result};

/// Arguments of `new`.
#[derive(Args)]
#[command(after_help = "Example:\n  verismo new screws      writes pipelines/screws.toml")]
pub(super) struct New {
    /// The name of the pipeline and its dataset.
    name: String,
}

const TEMPLATE: &str = include_str!("new.toml");

impl New {
    pub(super) fn execute(self) -> Result<()> {
        let name = self.name.trim_end_matches(".toml");
        if !is_folder_name(name) {
            return Err(Error::usage(
                format!("`{name}`"),
                "is not a valid pipeline name",
                FOLDER_NAME,
            ));
        }
        let folder = Path::new("pipelines");
        let path = folder.join(format!("{name}.toml"));
        if path.exists() {
            return Err(Error::usage(
                path.display(),
                "already exists, and was left unchanged",
                "choose another name",
            ));
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        write_flushed(&path, &TEMPLATE.replace("NAME", name))?;
        print_line(format!(
            "wrote {0}\n  next: set the paths of your model and photos, then run `verismo plan {0}`",
            path.display()
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::spec::Spec;
    use crate::stages::STAGES;

    #[test]
    fn the_template_is_a_pipeline_named_as_asked() {
        let text = TEMPLATE.replace("NAME", "screws");
        let spec = Spec::parse(Path::new("screws.toml"), &text, &[], STAGES);
        let spec = spec.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(spec.name, "screws");
        assert_eq!(spec.stages.last().unwrap().id, "emit");
    }
}
