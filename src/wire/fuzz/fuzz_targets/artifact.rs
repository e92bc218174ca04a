//! Whatever a learner publishes: no panic, and what is believed can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::artifact::{read, write};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, tensors)) = read(bytes) {
        let again = write(&header, &tensors).expect("what was read can be written");
        assert_eq!(read(&again).expect("what was written can be read"), (header, tensors));
    }
});
