//! Training steps per second, beside the same model, batch and optimizer in eager PyTorch (`peer.py`), on one thread.
//!
//! `PEER_PYTHON` names a Python that has torch; without one only our own figures are printed. Rounds of the two alternate, and
//! without dropout both have to come to the same losses. What is measured is time on the processor, which on a machine with
//! nothing else to do is the time that passes. Linux only.
#![allow(missing_docs, clippy::unwrap_used)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};
use tasks::classification::{Measured, Sgd};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use torch_tasks::checkpoint::{Named, write};
use torch_tasks::images::{Data, Split};
use torch_tasks::language_model::{self as lm, Hyperparameters, LanguageModelTraining, Transformer};
use torch_tasks::text::{Text, TextOptions};
use torch_tasks::wide_resnet::{self as wrn, WideResNet, WideResNetTraining};

const ROUNDS: usize = 7;
const LEARNING_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 1e-2;

fn main() {
    tch::set_num_threads(1);
    let python = python_with_torch();
    println!("{:<44} {:>9} {:>9} {:>7}   ratios", "ms of a training step", "ours", "PyTorch", "ratio");
    for dropout in [0.0, 0.1] {
        let size = lm::Size { layers: 3, width: 128, heads: 4, feed_forward: 512, context: 64, tied: false };
        transformer(python.as_deref(), size, dropout);
    }
    for (depth, width) in [(10, 1), (16, 2)] {
        wide_resnet(python.as_deref(), wrn::Size { depth, width });
    }
    println!("median of {ROUNDS} pairs of rounds that alternate; a ratio above 1 means that ours takes less time");
}

/// A text of which one batch is all there is to train on.
fn transformer(python: Option<&str>, size: lm::Size, dropout: f64) {
    const BATCH: usize = 32;
    let folder = tempfile::tempdir().unwrap();
    let length = size.context as usize;
    let line =
        |number: usize| (1..length).map(|word| format!("w{}", number * length + word)).collect::<Vec<_>>().join(" ");
    // Two lines each are held out for validation and test.
    fs::write(folder.path().join("text.txt"), (0..BATCH + 4).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let flags = ["", "--vocabulary", "word", "--data", folder.path().to_str().unwrap()];
    let text = Text::load(&Flags::<TextOptions>::parse_from(flags).options, length).unwrap();
    assert_eq!(text.training.count(), BATCH);
    let network = Transformer::new(size, text.vocabulary.size(), 1, Device::Cpu, Kind::Float).unwrap();
    let options = lm::TrainingOptions {
        steps_per_env_step: 1,
        batch_size: BATCH as u32,
        evaluation_batches: None,
        optimizer: lm::Choice::Adamw,
        dropouts: lm::Grouping::Grouped,
    };
    let batch = text.training.batches(&[(0..BATCH).collect()], Device::Cpu).remove(0);
    let file = folder.path().join("start.safetensors");
    keep(&file, &network.weights, [("inputs", &batch.inputs), ("targets", &batch.targets)].as_slice());
    let work = json!({
        "task": "language-model", "file": file, "vocabulary": text.vocabulary.size(), "layers": size.layers,
        "width": size.width, "heads": size.heads, "feedForward": size.feed_forward, "context": size.context,
        "dropout": dropout, "learningRate": LEARNING_RATE, "weightDecay": WEIGHT_DECAY,
    });
    let start = Hyperparameters { learning_rate: LEARNING_RATE, weight_decay: WEIGHT_DECAY, dropout };
    let mut training = LanguageModelTraining::new(&text, network, size, &options, start, 1).unwrap();
    let name = format!("Transformer 3 × 128, {BATCH} × {length}, dropout {dropout}");
    compare(&name, python, &work, 5, dropout == 0.0, |steps| training.train(steps));
}

/// Flags that stand alone.
#[derive(Parser)]
struct Flags<T: clap::Args> {
    #[command(flatten)]
    options: T,
}

/// Images of which one batch is all there is to train on.
fn wide_resnet(python: Option<&str>, size: wrn::Size) {
    const BATCH: i64 = 64;
    let place = Tensor::arange(BATCH * 28 * 28, (Kind::Float, Device::Cpu)).view([BATCH, 1, 28, 28]);
    let images = ((place.square() * 0.37).sin() * 127.0 + 128.0).to_kind(Kind::Uint8);
    let labels = Tensor::arange(BATCH, (Kind::Int64, Device::Cpu)).remainder(10);
    let split = || Split { images: images.copy(), labels: labels.copy() };
    let number = |value: f64| Tensor::from_slice(&[value as f32]).view([1, 1, 1, 1]);
    let (mean, deviation) = (number(128.0), number(90.0));
    let data = Data { training: split(), validation: split(), test: split(), mean, deviation };
    let network = WideResNet::new(size, 1, 1, Device::Cpu, Kind::Float).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("start.safetensors");
    let more = [("inputs", &images), ("targets", &labels), ("mean", &data.mean), ("deviation", &data.deviation)];
    keep(&file, &network.weights, &more);
    let work = json!({
        "task": "wide-resnet", "file": file, "depth": size.depth, "width": size.width, "channels": 1,
        "learningRate": LEARNING_RATE, "weightDecay": WEIGHT_DECAY,
    });
    let options = wrn::TrainingOptions {
        steps_per_env_step: 1,
        batch_size: BATCH as u32,
        evaluation_batches: None,
        no_augmentation: true,
    };
    let start = Sgd { learning_rate: LEARNING_RATE, momentum: 0.9, weight_decay: WEIGHT_DECAY };
    let mut training = WideResNetTraining::new(&data, network, &options, start, 1).unwrap();
    let name = format!("WRN-{}-{}, {BATCH} images of 28 × 28", size.depth, size.width);
    compare(&name, python, &work, if size.width > 1 { 2 } else { 10 }, true, |steps| training.train(steps));
}

fn keep(file: &Path, weights: &VarStore, more: &[(&str, &Tensor)]) {
    let more = more.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.copy()));
    write(file, &weights.variables().into_iter().chain(more).collect::<Named>()).unwrap();
}

/// Times both in turn. The first round warms them up.
fn compare(
    name: &str,
    python: Option<&str>,
    work: &Value,
    steps: u32,
    same: bool,
    mut ours: impl FnMut(u32) -> Measured,
) {
    let mut peer = python.map(|python| Peer::start(python, work));
    let mut pairs = Vec::new();
    for round in 0..=ROUNDS {
        let before = processor_seconds();
        let measured = ours(steps);
        let seconds = processor_seconds() - before;
        let theirs = peer.as_mut().map(|peer| peer.train(steps));
        if let Some(theirs) = theirs.as_ref().filter(|_| same) {
            let apart = (measured.loss - theirs.loss).abs().max((measured.accuracy - theirs.accuracy).abs());
            assert!(apart < 0.02, "the peer learns something else: {theirs:?}, ours {measured:?}");
        }
        if round > 0 {
            pairs.push((seconds, theirs.map_or(f64::NAN, |theirs| theirs.seconds)));
        }
    }
    let milliseconds = |seconds: f64| seconds / f64::from(steps) * 1e3;
    let (ours, theirs) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
    let mut ratios: Vec<f64> = pairs.iter().map(|(ours, theirs)| theirs / ours).collect();
    ratios.sort_by(f64::total_cmp);
    print!("{name:<44} {:>9.1}", milliseconds(ours));
    match peer {
        Some(_) => {
            let [least, middle, most] = [ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]];
            println!(" {:>9.1} {middle:>7.2}   {least:.2} to {most:.2}", milliseconds(theirs));
        }
        None => println!(" {:>9}", "not here"),
    }
}

/// PyTorch, in a process of its own.
struct Peer {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

#[derive(Debug, Deserialize)]
struct Told {
    /// On the processor.
    seconds: f64,
    loss: f64,
    accuracy: f64,
}

impl Peer {
    fn start(python: &str, work: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.py");
        let mut command = Command::new(python);
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        writeln!(to, "{work}").unwrap();
        Self { child, to: Some(to), from }
    }

    fn train(&mut self, steps: u32) -> Told {
        writeln!(self.to.as_mut().unwrap(), "{steps}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the peer failed")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// A Python that has torch, if there is one.
fn python_with_torch() -> Option<String> {
    let python = env::var("PEER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let status = Command::new(&python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

/// What this process has had of the processor so far, to a hundredth of a second.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap().split_whitespace();
    after_name.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
