//! Display filters for Wireshark: the frames of a finding, and the whole of its session.

use std::fmt::Write as _;

use crate::record::{End, Finding, Frame, ServerEnd};

/// These frames of one capture, in their order, and no other: `frame.number == 8`, `frame.number in {8, 10, 12..19}`.
pub(crate) fn frames(frames: impl IntoIterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(frame) => *last = frame,
            _ => runs.push((frame, frame)),
        }
    }
    let mut numbers = Vec::new();
    for (first, last) in runs {
        match last.saturating_sub(first) {
            0 => numbers.push(first.to_string()),
            1 => numbers.extend([first.to_string(), last.to_string()]),
            _ => numbers.push(format!("{first}..{last}")),
        }
    }
    match numbers.as_slice() {
        [one] if !one.contains('.') => format!("frame.number == {one}"),
        _ => format!("frame.number in {{{}}}", numbers.join(", ")),
    }
}

/// Those of a finding in one capture.
pub(crate) fn of_finding(in_capture: &[Frame]) -> String {
    let mut numbers: Vec<u64> = in_capture.iter().map(|packet| packet.frame).collect();
    numbers.sort_unstable();
    numbers.dedup();
    frames(numbers)
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
        assert_eq!(of_finding(of_first), "frame.number in {2, 4}");
        let frame = |number| Frame { capture: "a.pcap".into(), frame: number };
        assert_eq!(of_finding(&[frame(10), frame(8), frame(10)]), "frame.number in {8, 10}");
    }

    #[test]
    fn frames_that_follow_each_other_are_a_range() {
        assert_eq!(frames([8]), "frame.number == 8");
        assert_eq!(frames([8, 9]), "frame.number in {8, 9}");
        assert_eq!(frames([3, 10, 11, 12, 14]), "frame.number in {3, 10..12, 14}");
        assert_eq!(frames([10, 11, 12]), "frame.number in {10..12}");
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
