//! Starting other programs: announced before they run, named when they fail.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// The workspace's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two folders below the root")
}

/// The cargo that started us, in the workspace's folder.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    // What cargo tells the program that it runs is not meant for another cargo: ring's build script, and all that stands
    // on it, would be built anew whenever `cargo xtask` and a plain `cargo` take turns.
    for name in env::vars_os().map(|(name, _)| name) {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command with its output on the terminal.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    step(&shown(command));
    run_unannounced(command)
}

/// Runs a command whose line would say less than what has been said already.
pub fn run_unannounced(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and returns what it wrote to stdout; its stderr stays on the terminal.
pub fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let shown = shown(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}", output.status);
    }
    Ok(output.stdout)
}

/// Whether a command starts and succeeds; what it writes is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Says what is being done, on stderr like everything that is not a result.
pub fn step(text: &str) {
    eprintln!("xtask: {text}");
}

/// Where cargo puts what it builds: CARGO_TARGET_DIR and `build.target-dir` may move it.
pub fn target_directory(root: &Path) -> anyhow::Result<PathBuf> {
    let metadata = output(cargo(root).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).context("cannot read `cargo metadata`")?;
    let path = metadata["target_directory"].as_str().context("`cargo metadata` names no target_directory")?;
    Ok(PathBuf::from(path))
}

/// The command as one would type it, the program by its file name.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_its_status() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
    }

    #[test]
    fn a_command_that_does_not_exist_is_named() {
        let error = output(Command::new("/nowhere/tool").arg("-x")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `tool -x`");
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
        assert!(target_directory(root()).unwrap().is_absolute());
    }
}
