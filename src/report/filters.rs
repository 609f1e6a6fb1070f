//! Display filters for Wireshark: the frames of a finding, and the whole of its session.

use std::fmt::Write as _;

use crate::record::{End, Finding, Frame, ServerEnd};

/// These frames of one capture and no other: `frame.number == 8`, `frame.number in {8, 10}`.
pub(crate) fn frames(frames: &[Frame]) -> String {
    let numbers: Vec<String> = frames.iter().map(|frame| frame.frame.to_string()).collect();
    match numbers.as_slice() {
        [one] => format!("frame.number == {one}"),
        _ => format!("frame.number in {{{}}}", numbers.join(", ")),
    }
}

/// All packets between these two: of their session, and of others with the same ports.
pub(crate) fn session(client: End, server: &ServerEnd) -> String {
    let mut filter = String::new();
    for (ip, port) in [(client.ip, client.port), (server.ip, server.port)] {
        let protocol = if ip.is_ipv6() { "ipv6" } else { "ip" };
        let and = if filter.is_empty() { "" } else { " && " };
        // Writing to a string cannot fail.
        let _ = write!(filter, "{and}{protocol}.addr == {ip} && tcp.port == {port}");
    }
    filter
}

/// The frames of a finding, by the capture that they are of.
pub(crate) fn by_capture(finding: &Finding) -> impl Iterator<Item = (&str, &[Frame])> {
    let captures = finding.packets.chunk_by(|one, other| one.capture == other.capture);
    captures.map(|frames| (frames.first().map_or("", |frame| &*frame.capture), frames))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    #[test]
    fn a_filter_names_exactly_the_frames_of_a_finding() {
        let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
        let (capture, of_first) = by_capture(&finding).next().unwrap();
        assert_eq!(capture, "mail/tuesday.pcap");
        let frame = |number| Frame { capture: "a.pcap".into(), frame: number };
        assert_eq!(frames(&[frame(8)]), "frame.number == 8");
        assert_eq!(frames(&[frame(8), frame(10)]), "frame.number in {8, 10}");
        assert!(frames(of_first).starts_with("frame.number "), "{of_first:?}");
    }

    #[test]
    fn a_session_is_its_two_ends() {
        let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
        let whole = session(finding.client, &finding.server);
        assert_eq!(whole, "ip.addr == 192.0.2.1 && tcp.port == 40000 && ip.addr == 198.51.100.25 && tcp.port == 25");
        let client = End { ip: "2001:db8::1".parse().unwrap(), port: 40000 };
        assert!(session(client, &finding.server).starts_with("ipv6.addr == 2001:db8::1 && "));
    }
}
