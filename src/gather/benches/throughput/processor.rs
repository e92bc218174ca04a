//! Processor time, as Linux counts it.

/// Clock ticks of a second.
const TICKS: f64 = 100.0;

/// Seconds of processor time that a process has used; it is `self` or a number.
pub fn seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // User and system time are the 14th and 15th of all fields, of which two are taken off here.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}
