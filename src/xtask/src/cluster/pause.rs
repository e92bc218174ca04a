//! The container that holds a pod's network: it does nothing until it is told to end.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::command::run_unannounced;
use crate::images::Builder;

/// Its name.
pub const IMAGE: &str = "localhost/pause:1";

const SOURCE: &str = "#include <signal.h>\n#include <unistd.h>\n\
                      static void end(int number) { (void)number; _exit(0); }\n\
                      int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }\n";

/// Builds it and writes it into a file.
pub fn make(path: &Path) -> anyhow::Result<()> {
    let folder = path.with_extension("build");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("pause.c"), SOURCE)?;
    fs::write(folder.join("Containerfile"), "FROM scratch\nCOPY pause /pause\nENTRYPOINT [\"/pause\"]\n")?;
    let compile = ["-static", "-O2", "-o", "pause", "pause.c"];
    run_unannounced(Command::new("cc").current_dir(&folder).args(compile).stderr(Stdio::null()))?;
    let builder = Builder::find()?;
    builder.build(&folder.join("Containerfile"), &folder, IMAGE, "")?;
    builder.save(IMAGE, path)
}
