//! The filter of a live capture, which the kernel applies before it copies a packet: a libpcap expression
//! (pcap-filter(7)) that passes whatever [`super::decode`] makes a segment or a fragment of, and as little else as it can.
//!
//! `tcp port 25` would lose some of that. It looks for the ports in whole datagrams and first fragments alone, in IPv6
//! only where TCP follows the fixed header, and not behind VLAN tags. So these pass too:
//!
//! - of IPv4, every fragment of TCP, the first one included, since a tiny one has no ports (RFC 1858 section 3);
//!   and what has an authentication header (RFC 4302), behind which the filter cannot look;
//! - of IPv6, whatever the fixed header does not say to be TCP, UDP or ICMP: extension and fragment headers
//!   (RFC 8200 section 4);
//! - all of it behind one and two VLAN tags, and unseen what has more of them;
//! - unseen, what a SNAP header of organisation 0 leads to (RFC 1042).
//!
//! Passing too much costs time; a packet that is held back is lost, and nothing tells of it.
//!
//! Linux takes the outermost tag out of a packet that was received, and keeps it beside; libpcap puts it back behind
//! the filter. On a live handle it compiles `vlan` to look in both places, so a program made for such a handle is not
//! for files, nor the other way round. Tags of 802.1Q, 802.1ad and 0x9100 are all `vlan`.
//!
//! Linux takes programs of 4096 instructions: on Ethernet some eighty ports that are no neighbours. Beyond that libpcap
//! filters in the process, and warns on standard error.

use super::{cooked, ethernet};
use crate::base::LinkType;

/// A filter for one link type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelFilter {
    /// In the language of pcap-filter(7).
    pub expression: String,
    /// What a user should know of it, where it is not as everywhere.
    pub note: Option<&'static str>,
}

/// The filter that passes what is wanted of packets of this link type; where it `notices` other ports, also what begins
/// on them as SMTP does ([`super::elsewhere`]).
pub(crate) fn kernel_filter(ports: &[u16], notices: bool, link_type: LinkType) -> KernelFilter {
    let wanted = wanted(ports);
    let others = if notices { noticed() } else { String::new() };
    let (expression, note) = match link_type.0 {
        ethernet::LINK_TYPE => (on_ethernet(&wanted, &others), None),
        cooked::V1 => (on_cooked(&wanted, &others, 14, 16), Some(COOKED)),
        cooked::V2 => (on_cooked(&wanted, &others, 0, 20), Some(COOKED)),
        _ => (wanted + &others, None),
    };
    KernelFilter { expression, note }
}

const COOKED: &str =
    "libpcap cannot filter behind VLAN tags on this link type, so every tagged packet passes the kernel's filter";

/// What is wanted of IP. The ports come last: a program that reads beyond a packet's end refuses the packet, so what
/// passes without ports must not depend on them.
///
/// What carries a tunnel that `decode` opens is to join these; a tunnel's inside is out of the filter's sight, so all
/// of it has to pass.
fn wanted(ports: &[u16]) -> String {
    let mut ways = vec![
        "(ip[9] = 6 and ip[6:2] & 0x3fff != 0)".to_owned(),
        "ip[9] = 51".to_owned(),
        "(ip6[6] != 6 and ip6[6] != 17 and ip6[6] != 58)".to_owned(),
    ];
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports.dedup();
    for run in ports.chunk_by(|port, next| port.checked_add(1) == Some(*next)) {
        match run {
            [] => {}
            [port] => ways.push(format!("tcp port {port}")),
            [first, .., last] => ways.push(format!("tcp portrange {first}-{last}")),
        }
    }
    ways.join(" or ")
}

/// What begins on any port as SMTP does, as far as four octets tell. It comes behind all that is wanted of IP, since what
/// has no such payload is refused by it.
fn noticed() -> String {
    let begins = |payload: &str| {
        let hello = ["EHLO", "HELO", "LHLO"].map(|verb| {
            let verb = verb.bytes().fold(0_u32, |word, letter| word << 8 | u32::from(letter));
            format!("{payload} & 0xdfdfdfdf = {verb:#x}")
        });
        format!("({payload} = 0x32323020 or {payload} = 0x3232302d or {})", hello.join(" or "))
    };
    let v4 = begins("tcp[(tcp[12] & 0xf0) >> 2:4]");
    let v6 = begins("ip6[((ip6[52] & 0xf0) >> 2) + 40:4]");
    format!(" or (ip6[6] = 6 and {v6}) or {v4}")
}

/// Each `vlan` moves all that stands to the right of it behind one more tag, hence the nesting; but for `link`, which
/// counts from the frame's first octet.
fn on_ethernet(wanted: &str, others: &str) -> String {
    let [untagged, tagged, tagged_twice] = [(12, 14), (16, 18), (20, 22)]
        .map(|(length, payload)| format!("{wanted} or {}{others}", snap(length, payload)));
    format!("{untagged} or (vlan and ({tagged} or (vlan and ({tagged_twice} or vlan))))")
}

/// What has a tag passes unseen. That is little: of a packet that was received Linux has taken the outermost tag out,
/// and here the filter sees what stood behind it.
fn on_cooked(wanted: &str, others: &str, protocol: u16, payload: u16) -> String {
    let tag = [0x8100, 0x88a8, 0x9100].map(|tag| format!("link[{protocol}:2] = {tag:#x}")).join(" or ");
    format!("{wanted} or {} or {tag}{others}", snap(protocol, payload))
}

/// A SNAP header of organisation 0 at `payload`, behind a length where a type would stand (RFC 1042).
fn snap(length: u16, payload: u16) -> String {
    let organisation = payload.saturating_add(4);
    format!("(link[{length}:2] < 0x600 and link[{payload}:4] = 0xaaaa0300 and link[{organisation}:2] = 0)")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says why")]
    #![expect(clippy::arithmetic_side_effects, reason = "tests count, and build packets from small numbers")]

    use std::collections::HashMap;
    use std::path::Path;

    use pcap::{BpfProgram, Capture, Linktype};
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::properties::bent;
    use super::super::tests::{ethernet, ipv4, ipv4_at, ipv6, tcp, tcp_to};
    use super::super::{Decoded, LINKS, Ports, decoded};
    use super::*;
    use crate::capture::{self, Next, Reader};

    const ETHERNET: LinkType = LinkType(ethernet::LINK_TYPE);

    fn program(link_type: LinkType, expression: &str) -> BpfProgram {
        // 101 is for files: what libpcap calls raw IP itself is 12 on Linux and 14 on OpenBSD.
        let raw = if cfg!(target_os = "openbsd") { 14 } else { 12 };
        let its_own = if matches!(link_type.0, 101 | 12 | 14) { raw } else { i32::from(link_type.0) };
        let handle = Capture::dead(Linktype(its_own)).unwrap();
        handle.compile(expression, true).unwrap_or_else(|error| panic!("{link_type:?}: {error}: {expression}"))
    }

    fn compiled(link_type: LinkType, ports: &[u16]) -> BpfProgram {
        program(link_type, &kernel_filter(ports, false, link_type).expression)
    }

    /// Whether the decoder makes something of a packet that is to be passed.
    fn is_wanted(link_type: LinkType, bytes: &[u8], original: u32, ports: &[u16]) -> bool {
        let ports = Ports::new(ports.iter().copied());
        !matches!(decoded(link_type, bytes, original, &ports), Decoded::Skipped(_))
    }

    fn tagged(tags: &[u16], mut frame: Vec<u8>) -> Vec<u8> {
        for tag in tags {
            let [high, low] = tag.to_be_bytes();
            frame.splice(12..12, [high, low, 0, 7]);
        }
        frame
    }

    /// The frame with the header of another link type; `None` where that cannot carry it.
    fn on(link_type: LinkType, frame: &[u8]) -> Option<Vec<u8>> {
        let (ether_type, rest) = (frame.get(12..14)?, frame.get(14..)?);
        let family = match ether_type {
            [0x08, 0x00] => Some(libc::AF_INET),
            [0x86, 0xdd] => Some(libc::AF_INET6),
            _ => None,
        };
        match link_type.0 {
            1 => Some(frame.to_vec()),
            113 => Some([&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ether_type, rest].concat()),
            276 => Some([ether_type, &[0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0], rest].concat()),
            0 => Some([&family?.to_ne_bytes(), rest].concat()),
            108 => Some([&family?.to_be_bytes(), rest].concat()),
            228 => (family? == libc::AF_INET).then(|| rest.to_vec()),
            229 => (family? == libc::AF_INET6).then(|| rest.to_vec()),
            _ => family.map(|_| rest.to_vec()),
        }
    }

    fn link_types() -> impl Iterator<Item = LinkType> {
        LINKS.iter().flat_map(|link| link.types).map(|&link_type| LinkType(link_type))
    }

    #[test]
    fn an_expression_reads_so() {
        let wanted = "(ip[9] = 6 and ip[6:2] & 0x3fff != 0) or ip[9] = 51 \
                      or (ip6[6] != 6 and ip6[6] != 17 and ip6[6] != 58) or tcp port 25";
        assert_eq!(
            kernel_filter(&[25], false, ETHERNET).expression,
            format!(
                "{wanted} or (link[12:2] < 0x600 and link[14:4] = 0xaaaa0300 and link[18:2] = 0) or (vlan and \
                 ({wanted} or (link[16:2] < 0x600 and link[18:4] = 0xaaaa0300 and link[22:2] = 0) or (vlan and \
                 ({wanted} or (link[20:2] < 0x600 and link[22:4] = 0xaaaa0300 and link[26:2] = 0) or vlan))))"
            )
        );
        assert_eq!(
            kernel_filter(&[25], false, LinkType(276)).expression,
            format!(
                "{wanted} or (link[0:2] < 0x600 and link[20:4] = 0xaaaa0300 and link[24:2] = 0) \
                 or link[0:2] = 0x8100 or link[0:2] = 0x88a8 or link[0:2] = 0x9100"
            )
        );
        assert_eq!(
            kernel_filter(&[25], false, LinkType(101)),
            KernelFilter { expression: wanted.to_owned(), note: None }
        );
    }

    #[test]
    fn what_is_noticed_on_other_ports_passes_where_that_was_asked_for() {
        let from = |port: u16, payload: &[u8]| [&port.to_be_bytes()[..], &tcp(&[], payload)[2..]].concat();
        let to = |payload: &[u8]| tcp_to(2525, &[1; 12], payload);
        for (segment, wanted) in [
            (to(b"EHLO a\r\n"), true),
            (to(b"helo a\r\n"), true),
            (to(b"lhlo a\r\n"), true),
            ([&587_u16.to_be_bytes()[..], &tcp_to(40001, &[], b"220 mx\r\n")[2..]].concat(), true),
            ([&587_u16.to_be_bytes()[..], &tcp_to(40001, &[], b"220-mx\r\n")[2..]].concat(), true),
            (to(b"QUIT\r\n"), false),
            (to(b"221 bye\r\n"), false),
            (to(b""), false),
            (from(40000, b""), true),
            (from(40000, b"QUIT"), true),
        ] {
            for frame in [ethernet(0x0800, &ipv4(6, &segment)), ethernet(0x86dd, &ipv6(6, &segment))] {
                for link_type in link_types() {
                    let Some(packet) = on(link_type, &frame) else { continue };
                    let filter = program(link_type, &kernel_filter(&[25], true, link_type).expression);
                    assert_eq!(filter.filter(&packet), wanted, "{segment:02x?} on {link_type:?}");
                }
                for tags in [&[0x8100][..], &[0x8100, 0x88a8]] {
                    let filter = program(ETHERNET, &kernel_filter(&[25], true, ETHERNET).expression);
                    assert_eq!(filter.filter(&tagged(tags, frame.clone())), wanted, "{segment:02x?} behind {tags:x?}");
                }
            }
        }
    }

    #[test]
    fn neighbouring_ports_are_one_range() {
        let ports = |ports: &[u16]| wanted(ports).split_off(wanted(&[]).len());
        assert_eq!(
            ports(&[587, 26, 25, 25, 465, 65535, 65534]),
            " or tcp portrange 25-26 or tcp port 465 or tcp port 587 or tcp portrange 65534-65535"
        );
        let all: Vec<u16> = (1..=u16::MAX).collect();
        assert_eq!(ports(&all), " or tcp portrange 1-65535");
        // Nothing wanted is no error: what it lets through then is what it cannot look into.
        assert!(!compiled(ETHERNET, &[]).filter(&ethernet(0x0800, &ipv4(6, &tcp(&[], b"")))));
    }

    #[test]
    fn what_the_decoder_takes_passes_and_what_looks_like_it_does_not() {
        let fragment_header = |next, field: u16| [&[next, 0][..], &field.to_be_bytes(), &[0; 4]].concat();
        let authenticated = [&[6, 4, 0, 0][..], &[0; 20], &tcp(&[], b"")].concat();
        let behind_options = |next, upper: &[u8]| [&[next, 0, 1, 4, 0, 0, 0, 0], upper].concat();
        let (smtp, http) = (tcp(&[], b"QUIT\r\n"), tcp_to(80, &[], b"GET /\r\n"));
        let v4 = |packet: Vec<u8>| ethernet(0x0800, &packet);
        let v6 = |packet: Vec<u8>| ethernet(0x86dd, &packet);
        for (what, frame, wanted) in [
            ("v4", v4(ipv4(6, &smtp)), true),
            ("v4, options", v4(ipv4_at(0x4000, 6, &[1; 8], &smtp)), true),
            ("v4, tiny first fragment", v4(ipv4_at(0x2000, 6, &[], &smtp[..8])), true),
            ("v4, first fragment of another port", v4(ipv4_at(0x2000, 6, &[], &http[..24])), true),
            ("v4, middle fragment", v4(ipv4_at(0x2001, 6, &[], &smtp[8..16])), true),
            ("v4, last fragment", v4(ipv4_at(0x0003, 6, &[], b"\r\n")), true),
            ("v4, authenticated", v4(ipv4(51, &authenticated)), true),
            ("v6", v6(ipv6(6, &smtp)), true),
            ("v6, options", v6(ipv6(0, &behind_options(6, &smtp))), true),
            ("v6, first fragment", v6(ipv6(44, &[&fragment_header(6, 1), &smtp[..16]].concat())), true),
            ("v6, last fragment", v6(ipv6(44, &[&fragment_header(6, 8), &smtp[..6]].concat())), true),
            ("v6, authenticated", v6(ipv6(51, &authenticated)), true),
            ("v4, another port", v4(ipv4(6, &http)), false),
            ("v4, UDP", v4(ipv4(17, &smtp)), false),
            ("v4, fragment of UDP", v4(ipv4_at(0x2003, 17, &[], &smtp)), false),
            ("v4, ping", v4(ipv4(1, &smtp)), false),
            ("v6, another port", v6(ipv6(6, &http)), false),
            ("v6, UDP", v6(ipv6(17, &smtp)), false),
            ("v6, ping", v6(ipv6(58, &smtp)), false),
            ("ARP", ethernet(0x0806, &ipv4(6, &smtp)), false),
        ] {
            for link_type in link_types() {
                let Some(packet) = on(link_type, &frame) else { continue };
                let length = u32::try_from(packet.len()).unwrap();
                let passes = compiled(link_type, &[25]).filter(&packet);
                let taken = is_wanted(link_type, &packet, length, &[25]);
                assert_eq!((passes, taken), (wanted, wanted), "{what} on {link_type:?}");
            }
            for tags in [&[0x8100][..], &[0x88a8], &[0x9100], &[0x8100, 0x88a8], &[0x8100, 0x8100], &[0x8100, 0x9100]] {
                let frame = tagged(tags, frame.clone());
                assert_eq!(compiled(ETHERNET, &[25]).filter(&frame), wanted, "{what} behind {tags:x?}");
            }
        }
    }

    #[test]
    fn what_it_cannot_look_into_passes_unseen() {
        let smtp = ipv4(6, &tcp(&[], b"QUIT\r\n"));
        let untagged = ethernet(0x0800, &smtp);
        let snap = |organisation| ethernet(54, &[&[0xaa, 0xaa, 3, 0, 0, organisation, 8, 0], &smtp[..]].concat());
        let passes = |frame: &[u8]| compiled(ETHERNET, &[25]).filter(frame);
        for deep in 3..=8 {
            assert!(passes(&tagged(&vec![0x8100; deep], untagged.clone())), "{deep} tags");
        }
        for tags in 0..=2 {
            assert!(passes(&tagged(&vec![0x8100; tags], snap(0))), "SNAP behind {tags} tags");
            assert!(!passes(&tagged(&vec![0x8100; tags], snap(12))), "another's SNAP behind {tags} tags");
        }
        for link_type in [LinkType(113), LinkType(276)] {
            let filter = kernel_filter(&[25], false, link_type);
            assert!(filter.note.is_some());
            for frame in [tagged(&[0x8100], untagged.clone()), tagged(&[0x88a8], untagged.clone()), snap(0)] {
                assert!(program(link_type, &filter.expression).filter(&on(link_type, &frame).unwrap()), "{frame:02x?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn whatever_becomes_of_a_frame_the_filter_passes_it_if_the_decoder_takes_it(
            (mut frame, original) in bent(),
            place in option::of((select(vec![0, 0x20, 0x40]), select(vec![0, 3]), select(vec![6, 17, 51]))),
        ) {
            if let Some((flags, offset, protocol)) = place {
                let tags = frame.iter().skip(12).step_by(4).take_while(|octet| **octet == 0x81).count();
                let header = 14 + 4 * tags;
                if let Some([_, _, _, _, _, _, field @ .., _, next]) = frame.get_mut(header..header + 10) {
                    field.copy_from_slice(&[flags, offset]);
                    *next = protocol;
                }
            }
            thread_local! {
                static PROGRAMS: Vec<(LinkType, BpfProgram)> = [false, true]
                    .into_iter()
                    .flat_map(|notices| link_types().map(move |link_type| (link_type, notices)))
                    .map(|(link_type, notices)| {
                        (link_type, program(link_type, &kernel_filter(&[25], notices, link_type).expression))
                    })
                    .collect();
            }
            PROGRAMS.with(|programs| {
                for (link_type, program) in programs {
                    let Some(packet) = on(*link_type, &frame) else { continue };
                    if is_wanted(*link_type, &packet, original.max(u32::try_from(packet.len()).unwrap()), &[25]) {
                        prop_assert!(program.filter(&packet), "{link_type:?}: {packet:02x?}");
                    }
                }
                Ok(())
            })?;
        }
    }

    /// How many packets were wanted, passed for nothing, and held back.
    #[derive(Debug, Default)]
    struct Counts {
        wanted: u32,
        passed: u32,
        held_back: u32,
    }

    /// Holds every packet of every capture below a folder against the filter.
    fn sift(folder: &Path, ports: &[u16], counts: &mut Counts) {
        let mut programs = HashMap::new();
        let mut reader = Reader::open(&[folder.to_path_buf()], &capture::Options::default());
        loop {
            let batch = match reader.next(None) {
                Next::Batch(batch) => batch,
                Next::Problem(_) | Next::Notice(_) | Next::Pause => continue,
                Next::End => return,
            };
            for packet in batch.packets.iter().filter(|packet| super::super::is_supported(packet.link_type)) {
                let bytes = batch.bytes(packet);
                let program = programs.entry(packet.link_type).or_insert_with(|| compiled(packet.link_type, ports));
                match (is_wanted(packet.link_type, bytes, packet.original, ports), program.filter(bytes)) {
                    (true, passes) => {
                        assert!(passes, "{:?}: {bytes:02x?}", packet.link_type);
                        counts.wanted += 1;
                    }
                    (false, true) => counts.passed += 1,
                    (false, false) => counts.held_back += 1,
                }
            }
        }
    }

    #[test]
    fn of_every_capture_at_hand_no_packet_is_lost_that_the_decoder_takes() {
        let mut counts = Counts::default();
        for folder in ["testdata", "../shared/captures"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            if !folder.is_dir() {
                println!("skipped: no folder {}", folder.display());
                continue;
            }
            // Of the captures, which are of mail for the most, these leave little and much to be held back.
            for ports in [&[25][..], &[80, 587, 2525]] {
                sift(&folder, ports, &mut counts);
            }
        }
        println!("{counts:?}");
        assert!(counts.wanted > 1000 && counts.held_back > 1000, "{counts:?}");
        assert!(counts.passed < counts.held_back / 10, "{counts:?}");
    }
}
