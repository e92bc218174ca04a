//! Real data for tests and examples, `trainpilot-tasks data NAME`: found or downloaded, checked, brought into one form.
//!
//! Owns where data come from and what they look like afterwards. Must not know what is trained on them.
//! Start at [`Options::run`]; each data set is one row of [`Name::set`], each form one module.

mod billion;
mod bundle;
mod gcide;
mod idx;
mod kjv;
mod lzw;
mod mo;
mod pairs;
mod source;
mod sum;
mod target;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::bundle::{Part, Shape};
use self::source::{Package, Place, Set, Source};
use self::sum::Sum;
use self::target::Target;

/// What to prepare, from what, and where to.
#[derive(Args)]
pub struct Options {
    /// Data set
    #[arg(value_enum)]
    name: Name,
    /// Folder, file or http(s) URL that it is made from [default: the installed Debian package]
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Folder to put it in [default: third_party/data/NAME]
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// What the SHA-256 of the one file that it is made from must be
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sum>,
}

/// A data set that can be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Fashion-MNIST: 60,000 and 10,000 images of clothes, from the package dataset-fashion-mnist
    FashionMnist,
    /// The King James Bible, a verse a line, from the package bible-kjv-text
    Kjv,
    /// Webster's dictionary of 1913 and what was added to it, an entry a line, from the package dict-gcide
    Gcide,
    /// English sentences of programs and their German translations, from the catalogues of installed packages
    EnDe,
    /// CIFAR-10 in its binary form, from cifar-10-binary.tar.gz or its six files
    Cifar10,
    /// The Penn Treebank as language models read it, from ptb.{train,valid,test}.txt or an archive of them
    Ptb,
    /// The One Billion Word benchmark, from its archive
    Lm1b,
    /// Sentence pairs of WMT, from train.en and train.de
    WmtEnde,
}

impl Options {
    /// Prepares the data set, unless it is there already.
    pub fn run(self) -> Result<()> {
        let name = self.name.text();
        let folder = self.to.clone().unwrap_or_else(|| Path::new("third_party/data").join(&name));
        let before = target::read(&folder, &name);
        if let Some(before) = before.filter(|before| before.serves(self.from.as_ref(), self.sha256.as_ref())) {
            println!("{}: already there, made from {}", folder.display(), before.origin);
            print!("{}", before.sums);
            return Ok(());
        }
        let mut target = Target::open(&folder)?;
        let mut source = Source::open(self.name.set(), self.from, self.sha256, &folder)?;
        self.name.prepare(&mut source, &mut target)?;
        let sums = target.finish(&name, &source.origin())?;
        println!("{}: made from {}", folder.display(), source.origin());
        print!("{sums}");
        Ok(())
    }
}

const GIGABYTE: u64 = 1_000_000_000;

impl Name {
    /// As the command line has it.
    fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn prepare(self, source: &mut Source, target: &mut Target) -> Result<()> {
        match self {
            Self::FashionMnist => bundle::prepare(&idx::FASHION_MNIST, source, target),
            Self::Kjv => kjv::prepare(source, target),
            Self::Gcide => gcide::prepare(source, target),
            Self::EnDe => pairs::prepare(source, target),
            Self::Cifar10 => bundle::prepare(&CIFAR10, source, target),
            Self::Ptb => bundle::prepare(&PTB, source, target),
            Self::Lm1b => billion::prepare(source, target, billion::SHARDS),
            Self::WmtEnde => bundle::aligned(&WMT, source, target),
        }
    }

    /// Where it comes from, and how much that may be.
    fn set(self) -> Set {
        let none = Set { name: self.text(), package: None, published: None, limit: GIGABYTE };
        let package = |name, folder| Set { package: Some(Package { name, folder }), ..none.clone() };
        match self {
            Self::FashionMnist => package("dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist"),
            Self::Kjv => package("bible-kjv-text", "/usr/lib"),
            Self::Gcide => package("dict-gcide", "/usr/share/dictd"),
            // Its packages are many, and looked for by `pairs`.
            Self::EnDe => package(pairs::PACKAGES[0], "/usr/share/locale/de/LC_MESSAGES"),
            Self::Ptb => none,
            Self::Cifar10 => {
                Set { published: Some("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"), ..none }
            }
            Self::Lm1b => Set {
                published: Some("01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e"),
                limit: 2 * GIGABYTE,
                ..none
            },
            Self::WmtEnde => Set { limit: 4 * GIGABYTE, ..none },
        }
    }
}

const CIFAR10: [Part; 6] = [
    Part { name: "data_batch_1.bin", shape: Shape::Cifar { images: 10_000 } },
    Part { name: "data_batch_2.bin", shape: Shape::Cifar { images: 10_000 } },
    Part { name: "data_batch_3.bin", shape: Shape::Cifar { images: 10_000 } },
    Part { name: "data_batch_4.bin", shape: Shape::Cifar { images: 10_000 } },
    Part { name: "data_batch_5.bin", shape: Shape::Cifar { images: 10_000 } },
    Part { name: "test_batch.bin", shape: Shape::Cifar { images: 10_000 } },
];

/// Mikolov's: the numbers of lines are those of the literature.
const PTB: [Part; 3] = [
    Part { name: "ptb.train.txt", shape: Shape::Text { lines: Some(42_068) } },
    Part { name: "ptb.valid.txt", shape: Shape::Text { lines: Some(3_370) } },
    Part { name: "ptb.test.txt", shape: Shape::Text { lines: Some(3_761) } },
];

const WMT: [Part; 2] = [
    Part { name: "train.en", shape: Shape::Text { lines: None } },
    Part { name: "train.de", shape: Shape::Text { lines: None } },
];

#[cfg(test)]
mod tests;
