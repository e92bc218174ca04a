//! What the operator's processes use, as this machine's kernel counts it.

use std::fs;
use std::time::Duration;

/// Clock ticks of a second of processor time, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// What the operator that leads uses.
pub struct Usage {
    /// Of one core, while it was watched.
    pub share: f64,
    /// Resident memory, in MiB.
    pub mebibytes: u64,
}

struct Process {
    number: u32,
    ticks: u64,
    bytes: u64,
}

/// Watches for a while. The operator that stands by does nothing.
pub async fn watch(time: Duration) -> Usage {
    let before = operators();
    tokio::time::sleep(time).await;
    let usage = |now: &Process| {
        let earlier = before.iter().find(|process| process.number == now.number).map_or(now.ticks, |then| then.ticks);
        let share = (now.ticks - earlier) as f64 / TICKS / time.as_secs_f64();
        Usage { share, mebibytes: now.bytes >> 20 }
    };
    operators().iter().map(usage).max_by(|a, b| a.share.total_cmp(&b.share)).expect("an operator runs")
}

/// Every operator on this machine.
fn operators() -> Vec<Process> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter_map(operator).collect()
}

fn operator(number: u32) -> Option<Process> {
    let program = fs::read_link(format!("/proc/{number}/exe")).ok()?;
    program.ends_with("trainpilot-operator").then_some(())?;
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // Some fields are negative.
    let fields: Vec<i64> =
        stat.rsplit_once(") ")?.1.split(' ').skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    let pages: u64 = fs::read_to_string(format!("/proc/{number}/statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
    // User and system time are the 14th and 15th of all fields, of which three are taken off here.
    Some(Process { number, ticks: (fields[10] + fields[11]) as u64, bytes: pages * 4096 })
}
