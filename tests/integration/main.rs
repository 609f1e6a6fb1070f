//! Runs the real binary on real captures.
fn main() {}
