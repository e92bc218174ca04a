//! What the operator costs on a real node, and with thousands of pretended pods beside it: `cargo xtask bench cluster`.
#![allow(clippy::unwrap_used)]

mod crowd;
mod latencies;
mod node;
mod processes;
mod restart;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    node::start().await;
    node::writes().await;
    node::costs().await;
    crowd::measure().await;
}
