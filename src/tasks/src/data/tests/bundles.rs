//! Files that are copied and looked at.

use super::*;

/// Two images of 2 × 2 pixels and their labels, as IDX.
const IMAGES: [u8; 24] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
const LABELS: [u8; 10] = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];

static IDX: [Part; 2] = [
    Part {
        name: "images.gz",
        shape: Shape::Idx {
            dimensions: &[2, 2, 2],
            sha256: Some("d9be9456d266bf9e63081900c291ea5e559931f10a7f6ff1eb55901d3f6239eb"),
        },
    },
    Part { name: "labels.gz", shape: Shape::Idx { dimensions: &[2], sha256: None } },
];

static CIFAR: [Part; 2] = [
    Part { name: "data_batch_1.bin", shape: Shape::Cifar { images: 2 } },
    Part { name: "test_batch.bin", shape: Shape::Cifar { images: 1 } },
];

static TEXTS: [Part; 1] = [Part { name: "ptb.test.txt", shape: Shape::Text { lines: Some(2) } }];

fn idx(images: &[u8]) -> Result<TempDir, String> {
    let from = folder(&[("images.gz", images), ("labels.gz", &packed(&LABELS))]);
    prepared(set(Name::FashionMnist), Some(place(from.path())), None, |source, target| {
        bundle::prepare(&IDX, source, target)
    })
    .map_err(|sentence| sentence.replace(&from.path().display().to_string(), "FOLDER"))
}

#[test]
fn idx_files_are_copied_as_they_are() {
    let images = packed(&IMAGES);
    let made = idx(&images).unwrap();
    assert_eq!(fs::read(made.path().join("to/images.gz")).unwrap(), images);
    assert_eq!(fs::read(made.path().join("to/labels.gz")).unwrap(), packed(&LABELS));
}

#[test]
fn idx_files_that_are_not_what_they_should_be_are_refused() {
    let mut other = IMAGES;
    other[23] = 9;
    let sentence = idx(&packed(&other)).unwrap_err();
    assert!(sentence.starts_with("FOLDER/images.gz unpacked has the SHA-256 "), "{sentence}");
    assert!(sentence.ends_with(&format!(", expected {}", Sum::of(&IMAGES[..]).unwrap())), "{sentence}");
    other[3] = 1;
    let sentence = idx(&packed(&other)).unwrap_err();
    assert!(sentence.starts_with("FOLDER/images.gz begins with [00, 00, 08, 01, 00"), "{sentence}");
    assert!(sentence.ends_with("bytes of dimensions [2, 2, 2] in IDX"), "{sentence}");
    let short = idx(&packed(&IMAGES[..23])).unwrap_err();
    assert_eq!(short, "FOLDER/images.gz has 23 bytes unpacked, expected 24");
    let long = idx(&packed(&[&IMAGES[..], &[0; 100]].concat())).unwrap_err();
    assert_eq!(long, "FOLDER/images.gz has 25 or more bytes unpacked, expected 24");
    assert!(idx(&packed(b"")).unwrap_err().starts_with("FOLDER/images.gz begins with []"));
}

#[test]
fn gzip_that_is_cut_short_or_is_none_is_said_to_be_so() {
    let whole = packed(&IMAGES);
    for cut in [5, 15, whole.len() - 1] {
        let sentence = idx(&whole[..cut]).unwrap_err();
        assert!(sentence.starts_with("cannot unpack FOLDER/images.gz: "), "{sentence}");
    }
    assert!(idx(b"<html>404</html>").unwrap_err().starts_with("cannot unpack FOLDER/images.gz: invalid gzip header"));
}

fn image(label: u8) -> Vec<u8> {
    [&[label][..], &[7; 3072]].concat()
}

fn cifar(from: &Path, sha256: Option<&str>) -> Result<TempDir, String> {
    let anything = Set { published: None, ..set(Name::Cifar10) };
    prepared(anything, Some(place(from)), sha256, |source, target| bundle::prepare(&CIFAR, source, target))
}

#[test]
fn an_archive_gives_its_parts_wherever_in_it_they_are() {
    let (train, test) = ([image(0), image(9)].concat(), image(3));
    let files: [(&str, &[u8]); 3] =
        [("x/readme.html", b"x"), ("x/data_batch_1.bin", &train), ("x/y/test_batch.bin", &test)];
    let from = folder(&[("all.tar.gz", &archive(&files)), ("less.tgz", &archive(&files[..2]))]);
    let (all, less) = (from.path().join("all.tar.gz"), from.path().join("less.tgz"));
    let made = cifar(&all, None).unwrap();
    assert_eq!(fs::read(made.path().join("to/data_batch_1.bin")).unwrap(), train);
    assert_eq!(fs::read(made.path().join("to/test_batch.bin")).unwrap(), test);
    let sum = Sum::of(&archive(&files)[..]).unwrap();
    let sums = super::made(&made, "SHA256SUMS");
    assert!(sums.starts_with(&format!("# cifar10, made from {}, sha256 {sum}\n", all.display())), "{sums}");

    let sentence = cifar(&less, None).unwrap_err();
    assert_eq!(sentence, format!("there is no test_batch.bin in {}", less.display()));
    let twice = folder(&[("a.tgz", &archive(&[files[1], files[1], files[2]]))]);
    assert!(
        cifar(&twice.path().join("a.tgz"), None).unwrap_err().starts_with("there is a second x/data_batch_1.bin in")
    );
}

#[test]
fn a_file_is_not_used_unless_its_sum_is_the_expected_one() {
    let from = folder(&[("all.tgz", &archive(&[("data_batch_1.bin", &image(0))]))]);
    let path = from.path().join("all.tgz");
    let (expected, found) = (Sum::of(&b"x"[..]).unwrap(), Sum::of(&fs::read(&path).unwrap()[..]).unwrap());
    let sentence = cifar(&path, Some(&expected.to_string())).unwrap_err();
    assert_eq!(sentence, format!("{} has the SHA-256 {found}, expected {expected}", path.display()));
    let prepare = |source: &mut Source, target: &mut Target| bundle::prepare(&CIFAR10, source, target);
    let sentence = prepared(set(Name::Cifar10), Some(place(&path)), None, prepare).unwrap_err();
    assert!(sentence.ends_with("which is the published one (--sha256 can say another)"), "{sentence}");
    let sentence = cifar(from.path(), Some(&expected.to_string())).unwrap_err();
    assert_eq!(sentence, "--sha256 is for one file, and cifar10 is made from several: compare SHA256SUMS instead");
}

#[test]
fn batches_of_the_wrong_size_or_with_impossible_labels_are_refused() {
    let with = |train: &[u8]| {
        let from = folder(&[("data_batch_1.bin", train), ("test_batch.bin", &image(1))]);
        let made = cifar(from.path(), None);
        made.map_err(|sentence| sentence.replace(&from.path().display().to_string(), "FOLDER"))
    };
    with(&[image(1), image(2)].concat()).unwrap();
    assert_eq!(with(&image(1)).unwrap_err(), "FOLDER/data_batch_1.bin has 3073 bytes, expected 6146");
    assert_eq!(
        with(&[image(1), image(10)].concat()).unwrap_err(),
        "the label of image 1 in FOLDER/data_batch_1.bin is 10, expected less than 10"
    );
}

fn text(data: &[u8]) -> Result<TempDir, String> {
    let from = folder(&[("ptb.test.txt", data)]);
    prepared(set(Name::Ptb), Some(place(from.path())), None, |source, target| bundle::prepare(&TEXTS, source, target))
        .map_err(|sentence| sentence.replace(&from.path().display().to_string(), "FOLDER"))
}

#[test]
fn texts_have_the_lines_that_they_should_and_no_other_bytes() {
    assert_eq!(made(&text(b" a b \n c d").unwrap(), "ptb.test.txt"), " a b \n c d");
    assert_eq!(text(b"a\n").unwrap_err(), "FOLDER/ptb.test.txt has 1 lines, expected 2");
    assert_eq!(text(b"").unwrap_err(), "FOLDER/ptb.test.txt is empty");
    assert_eq!(text(b"a\n\xff\n").unwrap_err(), "line 2 of FOLDER/ptb.test.txt is not text in UTF-8");
    assert_eq!(text(b"a\0\nb\n").unwrap_err(), "line 1 of FOLDER/ptb.test.txt is not text in UTF-8");
}

#[test]
fn sources_that_are_not_there_or_not_enough_are_named() {
    let with = |path: &Path| {
        let prepare = |source: &mut Source, target: &mut Target| bundle::prepare(&TEXTS, source, target);
        prepared(set(Name::Ptb), Some(place(path)), None, prepare).unwrap_err()
    };
    assert_eq!(with(Path::new("/no/where")), "cannot read /no/where: No such file or directory (os error 2)");
    let from = folder(&[("a.txt", b"")]);
    assert_eq!(with(from.path()), format!("there is no ptb.test.txt in {}", from.path().display()));
    let file = from.path().join("a.txt");
    assert_eq!(
        with(&file),
        format!(
            "ptb is made from ptb.test.txt and others, and {} is one file: give their folder, or a .tar.gz of them",
            file.display()
        )
    );
}

#[test]
fn translations_are_as_many_as_there_are_sentences() {
    let with = |german: &[u8]| {
        let from = folder(&[PAIRS[0], ("train.de", german)]);
        prepared(set(Name::WmtEnde), Some(place(from.path())), None, |s, t| bundle::aligned(&WMT, s, t))
    };
    with(PAIRS[1].1).unwrap();
    assert_eq!(with(b"Ein Haus.\n").unwrap_err(), "train.en has 2 lines, train.de has 1 lines, expected as many");
}

#[test]
fn shards_become_one_text_to_train_on_and_one_that_is_held_out() {
    let shards: [(&str, &[u8]); 4] = [
        ("r13/training/news.en-00001-of-00100", b"one\n"),
        ("r13/heldout/news.en.heldout-00000-of-00050", b"none\n"),
        ("r13/training/news.en-00002-of-00100", b"two\n"),
        ("r13/README", b"x"),
    ];
    let from = folder(&[("a.tar.gz", &archive(&shards)), ("b.tar.gz", &archive(&shards[..1]))]);
    let with = |file| {
        let anything = Set { published: None, ..set(Name::Lm1b) };
        let path = from.path().join(file);
        prepared(anything, Some(place(&path)), None, |source, target| billion::prepare(source, target, [2, 1]))
    };
    let texts = with("a.tar.gz").unwrap();
    assert_eq!(
        (made(&texts, "train.txt"), made(&texts, "heldout.txt")),
        ("one\ntwo\n".to_owned(), "none\n".to_owned())
    );
    let sentence = with("b.tar.gz").unwrap_err();
    assert!(sentence.ends_with("has 1 shards to train on and 0 held out, expected 2 and 1"), "{sentence}");
}
