#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::Path;

use tch::Device;

use super::*;

/// What the flags are if none is given, but words and small.
pub fn options(format: Format, data: &Path) -> TextOptions {
    TextOptions {
        format,
        data: data.to_owned(),
        source: "en".to_owned(),
        target: "de".to_owned(),
        holdout: 0.1,
        test_share: 0.1,
        data_seed: 1,
        training_lines: None,
        vocabulary: Units::Word,
        vocabulary_size: 1000,
        vocabulary_file: None,
    }
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn numbered(count: usize) -> String {
    (0..count).map(|number| format!("the number {number} .\n")).collect()
}

fn read(batch: &Batch, vocabulary: &Vocabulary) -> (Vec<String>, Vec<String>) {
    let cells = |tensor: &Tensor| Vec::<Vec<i64>>::try_from(tensor.to_kind(tch::Kind::Int64)).unwrap();
    let word = |id: i64| if id == IGNORED { "-".to_owned() } else { vocabulary.text(&[id as u32]).unwrap() };
    let rows = |tensor| cells(tensor).into_iter().map(|row| row.into_iter().map(word).collect::<Vec<_>>().join(" "));
    (rows(&batch.inputs).collect(), rows(&batch.targets).collect())
}

use tch::Tensor;

fn refused(options: &TextOptions) -> String {
    format!("{:#}", Text::load(options, 8).err().unwrap())
}

#[test]
fn a_plain_text_is_cut_into_windows_and_each_token_is_predicted_once() {
    let folder = folder(&[("b.txt", "five six, seven\n\n"), ("a.txt", "one two three\nfour"), ("c.md", "not this")]);
    let options =
        TextOptions { holdout: 0.25, test_share: 0.25, data_seed: 3, ..options(Format::Plain, folder.path()) };
    let text = Text::load(&options, 3).unwrap();
    let all: Vec<usize> = (0..text.training.count()).collect();
    let batch = &text.training.batches(&[all], Device::Cpu)[0];
    let (inputs, targets) = read(batch, &text.vocabulary);
    // One of three lines each was held out.
    assert_eq!(inputs, ["five six ,", "seven <unk> <unk>"]);
    assert_eq!(targets, ["six , seven", "<eos> - -"]);
    assert_eq!(text.training.targets(), 4);
}

#[test]
fn penn_treebank_keeps_its_splits_its_unknown_words_and_what_stands_between_spaces() {
    let files = [
        ("ptb.train.txt", " it 's <unk> , N\n it 's N\n"),
        ("ptb.valid.txt", "it <unk>\n"),
        ("ptb.test.txt", "new 's"),
    ];
    let folder = folder(&files);
    let text = Text::load(&options(Format::Ptb, folder.path()), 8).unwrap();
    assert_eq!(text.vocabulary.size(), 3 + 4);
    let words =
        |examples: &Examples| read(&examples.batches(&[vec![0]], Device::Cpu)[0], &text.vocabulary).0[0].clone();
    assert_eq!(words(&text.training), "it 's <unk> , N <eos> it 's");
    assert_eq!([words(&text.validation), words(&text.test)], ["it <unk>", "<unk> 's"]);
}

#[test]
fn the_billion_words_are_read_as_published_and_as_prepared() {
    let (training, heldout) = (numbered(50), numbered(7));
    let shards = [
        ("x/training-monolingual.tokenized.shuffled/news.en-00001-of-00100", training.as_str()),
        ("x/training-monolingual.tokenized.shuffled/news.en-00002-of-00100", "the end\n"),
        ("x/heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-00050", heldout.as_str()),
    ];
    let published = folder(&shards.map(|(name, text)| (&name[2..], text)));
    let prepared = folder(&[("train.txt", &(training.clone() + "the end\n")), ("heldout.txt", &heldout)]);
    let archive = folder(&shards.map(|(name, text)| (name, text)));
    fs::rename(archive.path().join("x"), archive.path().join("1-billion-word-language-modeling-benchmark-r13output"))
        .unwrap();
    let counts = [&published, &prepared, &archive].map(|folder| {
        let text = Text::load(&options(Format::Lm1b, folder.path()), 8).unwrap();
        let counted = [&text.training, &text.validation, &text.test].map(Examples::targets);
        (counted, text.vocabulary.sum())
    });
    assert_eq!(counts[0].0[2], 7 * 5 - 1);
    assert!(counts.iter().all(|each| *each == counts[0]), "{counts:?}");
    fs::remove_dir_all(published.path().join("heldout-monolingual.tokenized.shuffled")).unwrap();
    assert!(refused(&options(Format::Lm1b, published.path())).contains("heldout-monolingual.tokenized.shuffled"));
}

#[test]
fn of_a_pair_the_translation_alone_counts_and_rows_are_as_long_as_the_longest() {
    let (english, german) = ("a house\n\nhello\nthe long long long long long way\n", "ein Haus\nleer\nhallo\nlang\n");
    let files = [("train.en", english), ("train.de", german), ("valid.en", "a house"), ("valid.de", "ein Haus")];
    let folder = folder(&[files.as_slice(), &[("test.en", "hello hello"), ("test.de", "ein Haus")]].concat());
    let text = Text::load(&options(Format::Parallel, folder.path()), 8).unwrap();
    assert_eq!(text.training.count(), 2, "one is empty, one too long");
    let (inputs, targets) = read(&text.training.batches(&[vec![1, 0]], Device::Cpu)[0], &text.vocabulary);
    assert_eq!(inputs, ["hello <sep> hallo <unk> <unk>", "a house <sep> ein Haus"]);
    assert_eq!(targets, ["- hallo <eos> - -", "- - ein Haus <eos>"]);
    let (inputs, _) = read(&text.training.batches(&[vec![1], vec![0]], Device::Cpu)[0], &text.vocabulary);
    assert_eq!(inputs, ["hello <sep> hallo"]);
    let short = Text::load(&options(Format::Parallel, folder.path()), 3).err().unwrap();
    assert!(format!("{short:#}").contains("all of its 1 pairs are longer than --context 3"), "{short:#}");
}

#[test]
fn parts_of_words_know_every_text_and_the_same_text_gives_the_same_ones() {
    let folder = folder(&[("text.txt", &numbered(300))]);
    let options =
        TextOptions { vocabulary: Units::Subword, vocabulary_size: 300, ..options(Format::Plain, folder.path()) };
    let load = || Text::load(&options, 8).unwrap().vocabulary;
    let vocabulary = load();
    assert_eq!(vocabulary.size(), 300);
    let strange = "the number Ünïcödé ☃";
    let tokens = vocabulary.tokens(&[strange]).unwrap().remove(0);
    assert_eq!(vocabulary.text(&tokens).unwrap().trim(), strange);
    assert!(vocabulary.tokens(&["the number"]).unwrap()[0].len() <= 2);
    assert_eq!(load().sum(), vocabulary.sum());
    let few = TextOptions { vocabulary_size: 100, ..options };
    assert!(refused(&few).contains("--vocabulary-size is 100, expected at least 259"));
}

#[test]
fn a_vocabulary_is_kept_in_its_file_and_that_of_something_else_is_refused() {
    let folder = folder(&[("text.txt", &numbered(300))]);
    let file = folder.path().join("kept/vocabulary.json");
    let options = TextOptions { vocabulary_file: Some(file.clone()), ..options(Format::Plain, folder.path()) };
    let load = |options: &TextOptions| Text::load(options, 8).unwrap().vocabulary.sum();
    let sum = load(&options);
    let bytes = fs::read(&file).unwrap();
    assert_eq!((load(&options), fs::read(&file).unwrap()), (sum, bytes.clone()));
    assert_eq!(load(&TextOptions { vocabulary_file: None, ..options.clone() }), sum);
    let said = refused(&TextOptions { vocabulary_size: 50, ..options.clone() });
    assert!(said.contains("vocabulary.json is of") && said.contains("vocabulary_size: 50"), "{said}");
    let said = refused(&TextOptions { vocabulary: Units::Subword, ..options.clone() });
    assert!(said.contains("vocabulary: Word") && said.contains("expected Origin { vocabulary: Subword"), "{said}");
    assert!(refused(&TextOptions { training_lines: Some(9), ..options.clone() }).contains("training_text"));
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(&options).contains("vocabulary.json is no vocabulary"));
}

#[test]
fn what_is_no_text_is_told_of_with_the_file() {
    let folder = folder(&[("readme.md", "words")]);
    let plain = options(Format::Plain, folder.path());
    assert!(
        refused(&TextOptions { data: folder.path().join("none"), ..plain.clone() }).contains("none: it is not there")
    );
    assert!(refused(&plain).contains("there is no .txt file"));
    assert!(refused(&options(Format::Ptb, folder.path())).contains("ptb.train.txt"));
    assert!(refused(&options(Format::Lm1b, folder.path())).contains("training-monolingual.tokenized.shuffled"));
    assert!(refused(&options(Format::Parallel, folder.path())).contains("there is no train.en"));
    let file = folder.path().join("text.txt");
    for (bytes, sentence) in [
        (b"\n \n".as_slice(), "text.txt has no words"),
        (b"good \xff", "text.txt is no UTF-8 text from byte 5 on"),
        (b"good\0", "text.txt is no text: it has a zero byte"),
        (b"word", "--test-share 0.1 of 1 lines leaves 0 and 1"),
        (b"word\nword", "--holdout 0.1 of 1 lines leaves 0 and 1"),
    ] {
        fs::write(&file, bytes).unwrap();
        let said = refused(&plain);
        assert!(said.contains(sentence), "{said}");
    }
    fs::write(&file, numbered(100)).unwrap();
    assert!(
        refused(&TextOptions { holdout: 0.0, ..plain.clone() }).contains("--holdout 0 of 90 lines leaves 90 and 0")
    );
    assert!(refused(&TextOptions { training_lines: Some(0), ..plain }).contains("--training-lines is 0"));
    for (name, text) in [("train.en", "a\nb\n"), ("train.de", "a\nb\nc\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let said = refused(&options(Format::Parallel, folder.path()));
    assert!(said.contains("train.en has 2 lines, but") && said.contains("train.de has 3"), "{said}");
    fs::remove_file(folder.path().join("train.de")).unwrap();
    assert!(refused(&options(Format::Parallel, folder.path())).contains("cannot read"));
}

#[test]
fn a_text_of_one_word_is_a_text() {
    let folder = folder(&[("text.txt", "word\nword\nword\n")]);
    let text = Text::load(&options(Format::Plain, folder.path()), 8).unwrap();
    assert_eq!((text.vocabulary.size(), text.training.targets()), (4, 1));
}

#[test]
fn rows_are_spread_evenly() {
    let folder = folder(&[("text.txt", &numbered(300))]);
    let text = Text::load(&options(Format::Plain, folder.path()), 8).unwrap();
    let count = text.training.count();
    assert_eq!(text.training.spread(3), [0, count / 3, 2 * count / 3]);
    assert_eq!(text.training.spread(count + 5).len(), count);
}
