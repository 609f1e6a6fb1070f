//! What a live capture has to do with the machine that it runs on. Beside the engine the only place with threads.

#[cfg_attr(not(test), expect(dead_code, reason = "live capture is to use it"))]
pub(super) mod metrics;
