//! `verismo completions` and `verismo man`: what shells and `man` show of the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::print_line;
use crate::{Error, Result};

const COMPLETIONS: &str = "\
Examples:
  verismo completions bash > ~/.local/share/bash-completion/completions/verismo
  verismo completions zsh > ~/.zfunc/_verismo          with fpath+=~/.zfunc before compinit in ~/.zshrc
  verismo completions fish > ~/.config/fish/completions/verismo.fish
  verismo completions powershell >> $PROFILE";

/// Arguments of `completions`.
#[derive(Args)]
#[command(after_help = COMPLETIONS)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self, mut command: Command) -> Result<()> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "verismo", &mut script);
        print_line(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}

const MAN: &str = "\
Examples:
  verismo man | man -l -                               reads it at once
  verismo man ~/.local/share/man/man1                  a page for each command: man verismo-run";

/// Arguments of `man`.
#[derive(Args)]
#[command(after_help = MAN)]
pub(super) struct Man {
    /// The folder to write all pages to [default: print the first].
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn execute(self, command: Command) -> Result<()> {
        let Some(folder) = self.folder else {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|e| Error::io(Path::new("stdout"), e))?;
            print_line(String::from_utf8_lossy(&page).trim_end());
            return Ok(());
        };
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        clap_mangen::generate_to(command, &folder).map_err(|e| Error::io(&folder, e))?;
        print_line(format!("wrote the pages to {}", folder.display()));
        Ok(())
    }
}
