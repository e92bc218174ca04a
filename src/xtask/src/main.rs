//! The project's chores, as `cargo xtask VERB`.
//! Owns the set-up of libtorch, sample data and peers, generated files, the checks, the demo and the benchmarks.
//! Must not know the other crates: it calls them through cargo, so that it builds in seconds and without libtorch.
//! Start reading at `Verb`; each has a module of its name.

mod bench;
mod check;
mod cluster;
mod command;
mod demo;
mod e2e;
mod generate;
mod images;
mod programs;
mod setup;
mod study;

use std::{
    env,
    ffi::OsString,
    path::{self, Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Chores of the trainpilot workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Get libtorch, the sample data and what the tests compare with, unless they are there already
    ///
    /// Downloads libtorch 2.13.0 (CPU) out of PyPI's wheels, two small data sets and pyarrow, each checked against a
    /// pinned SHA-256, into ${XDG_CACHE_HOME:-~/.cache}/trainpilot, and links them as third_party/libtorch,
    /// third_party/data and third_party/python. Takes half a minute and 0.7 GB once, milliseconds afterwards. If LIBTORCH
    /// is set in the shell, that libtorch (2.13.0) is used and none is downloaded. Needs a C++ compiler and python3 with
    /// pip; pyarrow, which only tests and benchmarks use, is for CPython 3.11 to 3.14.
    Setup,
    /// Set up, build the programs, then run every test that needs no cluster
    ///
    /// The programs come first because some tests start them all. Arguments are passed on to `cargo test --workspace`:
    /// `cargo xtask test --release -- gae` runs the tests whose name contains "gae", optimised. All tests are run, also
    /// after one has failed.
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Set up, build in release, run the digits experiments, report and compare them
    ///
    /// Runs examples/digits-{constant,linear,ppo,simple}.yaml into runs/NAME. A run that was interrupted goes on where it was;
    /// a finished one is only shown. On two cores about ten minutes the first time, most of them compiling.
    Demo(demo::Demo),
    /// Write the generated files anew
    ///
    /// They are committed, so that they can be read and reviewed without building anything.
    Generate {
        /// Write nothing; name the files that are out of date and exit with 1 if there are any
        #[arg(long)]
        check: bool,
    },
    /// Check format, lints, generated files and dependencies
    ///
    /// `cargo deny` is asked only if it is installed (`cargo install --locked cargo-deny`). Runs all checks, also after
    /// one has failed, and names the failed ones at the end. Needs `cargo xtask setup`.
    Check,
    /// Set up, build in release, run the experiments of examples/studies and print the README's tables
    ///
    /// Each runs into runs/studies/NAME; what is finished is not run again. All of them take about forty minutes on two
    /// cores. Means are of the final evaluation's test split, with their standard error over the repetitions.
    Study(study::Study),
    /// Set up, build in release and run the talk's forecasting experiment
    ///
    /// A forecaster in symbols is trained on a thousand synthetic accuracy curves that converge to 1 at varying rates, and
    /// generates as many. Prints histograms of the rates found in both, and last one line of JSON with the
    /// Kolmogorov–Smirnov distance of the two (ksDistance) and that between two halves of the real ones (ksFloor).
    Forecasting {
        /// File for a picture of both histograms and of some curves, in SVG
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
    },
    /// Set up, make images, start a cluster and run the suite that needs one (as root)
    E2e(e2e::EndToEnd),
    /// Start, load, look at or stop a real Kubernetes for tests
    Cluster(cluster::Cluster),
    /// Set up, build in release and make container images, with buildah, podman or docker
    Images(images::Images),
    /// Set up, build in release and measure, beside a peer where there is one
    ///
    /// Prints what each benchmark prints. Without a name, all are run, also after one has failed.
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match run(command::root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path) -> anyhow::Result<()> {
    match Arguments::parse_from(with_dashes_kept(env::args_os())).verb {
        Verb::Setup => setup::for_tests(root),
        Verb::Test { arguments } => test(root, &arguments),
        Verb::Demo(demo) => demo.run(root),
        Verb::Generate { check } => generate::run(root, check),
        Verb::Check => check::run(root),
        Verb::Study(study) => study.run(root),
        Verb::Forecasting { picture } => forecasting(root, picture.as_deref()),
        Verb::E2e(suite) => suite.run(root),
        Verb::Cluster(cluster) => cluster.run(root),
        Verb::Images(images) => images.run(root).map(drop),
        Verb::Bench(bench) => bench.run(root),
    }
}

/// The suite that needs a cluster.
const CLUSTER_TESTS: &str = "trainpilot-tests-cluster";

fn test(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    setup::for_tests(root)?;
    // Cargo builds a test the programs of its own package only, and some tests start those of all packages.
    command::run(command::cargo(root).args(["build", "--workspace", "--bins"]).args(profile(arguments)))?;
    command::run(
        command::cargo(root)
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(["--exclude", CLUSTER_TESTS])
            .args(arguments),
    )
}

fn forecasting(root: &Path, picture: Option<&Path>) -> anyhow::Result<()> {
    setup::for_tests(root)?;
    let arguments = ["run", "--release", "--package", "trainpilot-learn", "--example", "forecasting", "--"];
    let picture = picture.map(path::absolute).transpose()?;
    command::run(command::cargo(root).args(arguments).args(picture))
}

/// The words that choose a profile: the programs have to lie beside the tests that start them.
fn profile(arguments: &[String]) -> Vec<&str> {
    let mut words = arguments.iter().map(String::as_str).take_while(|word| *word != "--");
    let mut chosen = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--release" | "-r" => chosen.push(word),
            "--profile" => chosen.extend([word].into_iter().chain(words.next())),
            _ if word.starts_with("--profile=") => chosen.push(word),
            _ => {}
        }
    }
    chosen
}

/// clap drops the dashes of `test -- --nocapture`, which cargo needs: doubled, one of them reaches it.
fn with_dashes_kept(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.collect::<Vec<_>>();
    if words.get(1).is_some_and(|verb| verb == "test") && words.get(2).is_some_and(|word| word == "--") {
        words.insert(2, "--".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn arguments_of_test_are_passed_on_untouched() {
        for line in ["", "--release -p trainpilot-wire", "-- --nocapture", "--lib -- gae --exact", "--help-me"] {
            let words = ["xtask", "test"].into_iter().chain(line.split_whitespace()).map(OsString::from);
            let parsed = Arguments::try_parse_from(with_dashes_kept(words));
            let Ok(Arguments { verb: Verb::Test { arguments } }) = parsed else { panic!("{line} does not parse") };
            assert_eq!(arguments.join(" "), line);
        }
    }

    #[test]
    fn the_programs_are_built_in_the_profile_of_the_tests() {
        for (line, chosen) in [
            ("", ""),
            ("--release -p trainpilot-wire", "--release"),
            ("--lib -r", "-r"),
            ("--profile dev gae", "--profile dev"),
            ("--profile=dev", "--profile=dev"),
            ("gae -- --release", ""),
        ] {
            let words = line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(profile(&words).join(" "), chosen, "{line}");
        }
    }
}
