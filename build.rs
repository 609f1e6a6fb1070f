//! Sets `cfg(live)` where live capture is asked for and the system has it, and says what is missing where libpcap is:
//! the linker's own words for it come last, in some hundred lines.

use std::env;
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBPCAP_LIBDIR");
    println!("cargo::rustc-check-cfg=cfg(live)");
    let asked_for = env::var_os("CARGO_FEATURE_LIVE").is_some();
    if !asked_for || env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    println!("cargo::rustc-cfg=live");
    if libpcap_is_missing() {
        for line in [
            "libpcap is not there to link with. Install its development files",
            "(Debian, Ubuntu: libpcap-dev; Fedora, openSUSE: libpcap-devel; Arch: libpcap),",
            "set LIBPCAP_LIBDIR to where it is, or leave live capture out:",
            "cargo build --release --no-default-features --features cli",
        ] {
            println!("cargo::error={line}");
        }
    }
}

/// Whether the C compiler, which Rust links with too, finds no libpcap. Where it cannot be asked, or makes programs for
/// another machine, nothing is known.
fn libpcap_is_missing() -> bool {
    if env::var_os("HOST") != env::var_os("TARGET") {
        return false;
    }
    let Some(out) = env::var_os("OUT_DIR") else { return false };
    let links = |libraries: &[&str]| {
        let mut cc = Command::new("cc");
        if let Some(directory) = env::var_os("LIBPCAP_LIBDIR") {
            cc.arg("-L").arg(directory);
        }
        let linked = cc.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(std::path::Path::new(&out).join("linked"));
        linked.args(libraries).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    links(&[]) && !links(&["-lpcap"])
}
