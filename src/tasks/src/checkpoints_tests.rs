#![allow(clippy::unwrap_used)]

use anyhow::bail;

use super::*;

fn write(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
    move |folder| Ok(fs::write(folder.join("state"), text)?)
}

fn text(checkpoints: &Checkpoints, step: u32) -> Result<String> {
    let mut text = String::new();
    checkpoints.restore(step, |folder| {
        text = fs::read_to_string(folder.join("state"))?;
        Ok(())
    })?;
    Ok(text)
}

#[test]
fn the_last_two_are_kept_and_can_be_read_back() {
    let root = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(root.path(), "a-1");
    assert_eq!(checkpoints.steps(), [0; 0]);
    for (step, text) in [(7, "seven"), (8, "eight"), (9, "nine"), (9, "nine again")] {
        checkpoints.save(step, write(text)).unwrap();
    }
    assert_eq!(checkpoints.steps(), [8, 9]);
    assert_eq!((text(&checkpoints, 8).unwrap(), text(&checkpoints, 9).unwrap()), ("eight".into(), "nine again".into()));
    assert_eq!(Checkpoints::new(root.path(), "a-2").steps(), [0; 0], "another training has none");
    checkpoints.clear();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    checkpoints.clear();
}

#[test]
fn what_could_not_be_written_leaves_those_before_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(root.path(), "a");
    checkpoints.save(3, write("three")).unwrap();
    let failed = checkpoints.save(4, |folder| {
        fs::write(folder.join("state"), "fo")?;
        bail!("No space left on device")
    });
    let sentence = format!("{:#}", failed.unwrap_err());
    assert!(sentence.contains("no checkpoint of env step 4") && sentence.ends_with("No space left on device"));
    assert_eq!(checkpoints.steps(), [3]);
    assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
}

#[test]
fn one_that_was_cut_off_does_not_count_and_one_that_is_unreadable_goes() {
    let root = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(root.path(), "a");
    checkpoints.save(3, write("three")).unwrap();
    checkpoints.save(4, write("four")).unwrap();
    fs::create_dir(root.path().join("a/00000005.partial")).unwrap();
    assert_eq!(checkpoints.steps(), [3, 4]);
    fs::remove_file(root.path().join("a/step-00000004/state")).unwrap();
    let sentence = format!("{:#}", text(&checkpoints, 4).unwrap_err());
    assert!(sentence.contains("step-00000004 can't be used"), "{sentence}");
    assert_eq!(checkpoints.steps(), [3], "the next attempt takes the one before");
}
