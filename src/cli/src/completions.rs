//! `trainpilot completions`: what a shell needs to complete the program's arguments.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::output;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Shell whose completions to print; source them, or put them where it looks for them
    shell: Shell,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut text = Vec::new();
        generate(self.shell, &mut crate::Arguments::command(), "trainpilot", &mut text);
        output::print(&String::from_utf8(text)?)
    }
}
