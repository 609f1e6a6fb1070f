//! One situation a test, on literal bytes.
#![expect(clippy::arithmetic_side_effects, reason = "tests build their packets from small numbers")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::base::{Endpoint, Time};

const ETHERNET: LinkType = LinkType(ethernet::LINK_TYPE);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 25);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x25);

/// From the client's port 40000 to the server's 25; sequence number 1000, acknowledgement 2000, PSH and ACK.
pub(super) fn tcp(options: &[u8], payload: &[u8]) -> Vec<u8> {
    tcp_to(25, options, payload)
}

pub(super) fn tcp_to(port: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = u8::try_from(5 + options.len() / 4).unwrap() << 4;
    let ports = [&40000_u16.to_be_bytes()[..], &port.to_be_bytes()].concat();
    let numbers = [&1000_u32.to_be_bytes()[..], &2000_u32.to_be_bytes()].concat();
    [&ports[..], &numbers, &[offset, 0x18, 0x20, 0, 0, 0, 0, 0], options, payload].concat()
}

pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_at(0, protocol, &[], payload)
}

/// With the given field of flags and offset, and options.
pub(super) fn ipv4_at(field: u16, protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap();
    let total = u16::try_from(usize::from(words) * 4 + payload.len()).unwrap();
    let start = [&[0x40 | words, 0][..], &total.to_be_bytes(), &[0x12, 0x34], &field.to_be_bytes()].concat();
    [&start[..], &[64, protocol, 0, 0], &CLIENT.octets(), &SERVER.octets(), options, payload].concat()
}

pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x60, 0, 0, 0][..], &length, &[next, 64], &CLIENT6.octets(), &SERVER6.octets(), payload].concat()
}

pub(super) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ether_type.to_be_bytes(), payload].concat()
}

/// Decodes a packet that was captured whole.
fn whole(link_type: u16, bytes: &[u8]) -> Decoded<'_> {
    cut(link_type, bytes, bytes.len())
}

/// Decodes a packet of which the first `captured` octets were captured.
fn cut(link_type: u16, bytes: &[u8], captured: usize) -> Decoded<'_> {
    decoded(LinkType(link_type), &bytes[..captured], u32::try_from(bytes.len()).unwrap(), &Ports::new([25]))
}

#[track_caller]
fn segment<'p>(decoded: &Decoded<'p>) -> Segment<'p> {
    let &Decoded::Segment(segment) = decoded else { panic!("no segment: {decoded:?}") };
    segment
}

#[track_caller]
fn fragment<'p>(decoded: &Decoded<'p>) -> Fragment<'p> {
    let &Decoded::Fragment(fragment) = decoded else { panic!("no fragment: {decoded:?}") };
    fragment
}

#[track_caller]
fn skip(decoded: &Decoded<'_>) -> (Reason, Layer, u32) {
    let &Decoded::Skipped(Skip { reason, layer, offset }) = decoded else { panic!("no skip: {decoded:?}") };
    (reason, layer, offset)
}

mod links {
    use super::*;

    /// Holds that the frame gives the segment with the payload `QUIT`.
    #[track_caller]
    fn gives_quit(link_type: u16, header: &[u8], packet: &[u8]) {
        let frame = [header, packet].concat();
        assert_eq!(segment(&whole(link_type, &frame)).payload, b"QUIT\r\n", "link type {link_type}");
    }

    #[test]
    fn every_link_type_leads_to_the_segment() {
        let (v4, v6) = (ipv4(6, &tcp(&[], b"QUIT\r\n")), ipv6(6, &tcp(&[], b"QUIT\r\n")));
        gives_quit(1, &ethernet(0x0800, &[]), &v4);
        gives_quit(1, &ethernet(0x86dd, &[]), &v6);
        for raw in [101, 12, 14] {
            gives_quit(raw, &[], &v4);
            gives_quit(raw, &[], &v6);
        }
        gives_quit(228, &[], &v4);
        gives_quit(229, &[], &v6);
        gives_quit(0, &[0, 0, 0, 2], &v4);
        gives_quit(0, &[2, 0, 0, 0], &v4);
        for family in [10, 23, 24, 28, 30] {
            gives_quit(0, &[family, 0, 0, 0], &v6);
            gives_quit(0, &[0, 0, 0, family], &v6);
            gives_quit(108, &[0, 0, 0, family], &v6);
        }
        gives_quit(108, &[0, 0, 0, 2], &v4);
        gives_quit(113, &[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00], &v4);
        gives_quit(113, &[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0x00, 0, 7, 0x86, 0xdd], &v6);
        gives_quit(276, &[0x08, 0, 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0], &v4);
        gives_quit(276, &[0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0], &v6);
    }

    #[test]
    fn every_row_of_the_table_is_supported_and_nothing_else() {
        let rows: Vec<u16> = LINKS.iter().flat_map(|link| link.types).copied().collect();
        assert_eq!(rows, [1, 113, 276, 101, 12, 14, 228, 229, 0, 108]);
        assert!(rows.iter().all(|&link_type| is_supported(LinkType(link_type))));
        assert!(!is_supported(LinkType(147)));
        assert_eq!(skip(&whole(147, &[0; 60])), (Reason::UnsupportedLinkType, Layer::Link, 0));
    }

    #[test]
    fn a_cut_link_header_is_told() {
        for (link_type, header) in [(1, 14), (113, 16), (276, 20), (0, 4), (108, 4)] {
            for captured in 0..header {
                let decoded = cut(link_type, &[0; 60], captured);
                assert_eq!(skip(&decoded), (Reason::LinkTruncated, Layer::Link, 0), "{link_type} {captured}");
            }
        }
    }

    #[test]
    fn stacked_tags_are_followed_eight_deep() {
        let mut frame = ethernet(0x0800, &ipv4(6, &tcp(&[], b"QUIT\r\n")));
        for tag in [0x8100_u16, 0x88a8, 0x9100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100] {
            let [high, low] = tag.to_be_bytes();
            frame.splice(12..12, [high, low, 0, 7]);
            assert_eq!(segment(&whole(1, &frame)).payload, b"QUIT\r\n");
        }
        frame.splice(12..12, [0x81, 0, 0, 7]);
        assert_eq!(skip(&whole(1, &frame)), (Reason::VlanDepth, Layer::Vlan, 48));
    }

    #[test]
    fn a_cut_tag_is_told() {
        let frame = ethernet(0x8100, &[0, 7, 0x81, 0, 0, 7, 0x08, 0]);
        assert_eq!(skip(&cut(1, &frame, 17)), (Reason::LinkTruncated, Layer::Vlan, 14));
        assert_eq!(skip(&cut(1, &frame, 18)), (Reason::LinkTruncated, Layer::Vlan, 18));
    }

    #[test]
    fn a_snap_header_of_organisation_zero_leads_to_ip() {
        let packet = ipv4(6, &tcp(&[], b"QUIT\r\n"));
        let frame = ethernet(54, &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet[..]].concat());
        assert_eq!(segment(&whole(1, &frame)).payload, b"QUIT\r\n");
        let cisco = ethernet(54, &[&[0xaa, 0xaa, 3, 0, 0, 12, 8, 0], &packet[..]].concat());
        assert_eq!(skip(&whole(1, &cisco)), (Reason::NotIp, Layer::Link, 12));
        let spanning_tree = ethernet(38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]);
        assert_eq!(skip(&whole(1, &spanning_tree)), (Reason::NotIp, Layer::Link, 12));
    }

    #[test]
    fn what_is_no_ip_is_named() {
        let named = |ether_type| skip(&whole(1, &ethernet(ether_type, &[0; 46])));
        for (ether_type, reason) in [
            (0x0806, Reason::NotIp),
            (0x88cc, Reason::NotIp),
            (0x8847, Reason::Mpls),
            (0x8848, Reason::Mpls),
            (0x8863, Reason::Pppoe),
            (0x8864, Reason::Pppoe),
            (0x893f, Reason::Etag),
            (0x8926, Reason::Vntag),
            (0x88e5, Reason::Macsec),
        ] {
            assert_eq!(named(ether_type), (reason, Layer::Link, 12), "{ether_type:#x}");
        }
        let tagged = ethernet(0x8100, &[0, 7, 0x08, 0x06, 0, 0]);
        assert_eq!(skip(&whole(1, &tagged)), (Reason::NotIp, Layer::Vlan, 16));
        assert_eq!(skip(&whole(0, &[7, 0, 0, 0, 1])), (Reason::NotIp, Layer::Link, 0));
        // Link type 108 is in network order whatever the machine.
        assert_eq!(skip(&whole(108, &[2, 0, 0, 0, 0x45])), (Reason::NotIp, Layer::Link, 0));
    }

    #[test]
    fn a_cooked_protocol_is_no_ether_type_on_netlink() {
        let frame = [&[0, 4, 0x03, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0], &ipv4(6, &tcp(&[], b"."))[..]].concat();
        assert_eq!(skip(&whole(113, &frame)), (Reason::NotIp, Layer::Link, 14));
    }

    #[test]
    fn raw_packets_of_another_version_are_told() {
        assert_eq!(skip(&whole(101, &[0x50; 40])), (Reason::IpVersion, Layer::Ip, 0));
        assert_eq!(skip(&whole(101, &[])), (Reason::IpTruncated, Layer::Ip, 0));
        assert_eq!(skip(&whole(228, &ipv6(6, &[]))), (Reason::IpVersion, Layer::Ip, 0));
        assert_eq!(skip(&whole(229, &[0x45; 60])), (Reason::IpVersion, Layer::Ip, 0));
    }
}

mod ip4 {
    use super::*;

    #[test]
    fn padding_is_no_payload() {
        let mut frame = ethernet(0x0800, &ipv4(6, &tcp(&[], b"")));
        frame.resize(60, 0);
        let segment = segment(&whole(1, &frame));
        assert_eq!((segment.payload, segment.missing), (&b""[..], 0));
    }

    #[test]
    fn options_are_stepped_over() {
        let packet = ipv4_at(0, 6, &[0x94, 4, 0, 0, 1, 1, 1, 0], &tcp(&[], b"NOOP\r\n"));
        assert_eq!(segment(&whole(228, &packet)).payload, b"NOOP\r\n");
        assert_eq!(skip(&cut(228, &packet, 27)), (Reason::IpTruncated, Layer::Ip, 0));
    }

    #[test]
    fn total_length_zero_means_all_of_the_frame() {
        let mut packet = ipv4(6, &tcp(&[], &[b'x'; 3000]));
        packet[2..4].fill(0);
        assert_eq!(segment(&whole(228, &packet)).payload.len(), 3000);
        let segment = segment(&cut(228, &packet, 140));
        assert_eq!((segment.payload.len(), segment.missing), (100, 2900));
    }

    #[test]
    fn what_the_snap_length_cut_is_missing() {
        let packet = ipv4(6, &tcp(&[], &[b'x'; 500]));
        let segment = segment(&cut(228, &packet, 96));
        assert_eq!((segment.payload.len(), segment.missing), (56, 444));
    }

    #[test]
    fn a_mirror_that_cuts_its_copies_leaves_octets_missing_too() {
        let packet = ipv4(6, &tcp(&[], &[b'x'; 500]));
        let segment = segment(&whole(228, &packet[..96]));
        assert_eq!((segment.payload.len(), segment.missing), (56, 444));
    }

    #[test]
    fn a_bad_header_is_named_with_its_place() {
        let good = ethernet(0x0800, &ipv4(6, &tcp(&[], b"NOOP\r\n")));
        let bad = |at: usize, octet: u8| {
            let mut frame = good.clone();
            frame[at] = octet;
            skip(&whole(1, &frame))
        };
        assert_eq!(bad(14, 0x65), (Reason::IpVersion, Layer::Ip, 14));
        assert_eq!(bad(14, 0x44), (Reason::IpHeaderLength, Layer::Ip, 14));
        assert_eq!(bad(17, 19), (Reason::IpTotalLength, Layer::Ip, 16));
        assert_eq!(skip(&cut(1, &good, 33)), (Reason::IpTruncated, Layer::Ip, 14));
    }

    #[test]
    fn what_is_no_tcp_is_named() {
        let named = |protocol, payload: &[u8]| skip(&whole(1, &ethernet(0x0800, &ipv4(protocol, payload))));
        assert_eq!(named(1, &[0; 8]), (Reason::NotTcp, Layer::Ip, 23));
        assert_eq!(named(132, &[0; 12]), (Reason::NotTcp, Layer::Ip, 23));
        for (protocol, reason) in [(4, Reason::IpInIp), (41, Reason::IpInIp), (47, Reason::Gre), (50, Reason::Esp)] {
            assert_eq!(named(protocol, &[0; 40]), (reason, Layer::Ip, 23));
        }
        // IPv6's extension headers mean nothing here.
        for protocol in [0, 43, 44, 60] {
            assert_eq!(named(protocol, &[6, 0, 0, 0, 0, 0, 0, 0]), (Reason::NotTcp, Layer::Ip, 23));
        }
    }

    #[test]
    fn udp_is_no_tcp_or_a_tunnel() {
        let named = |from: u16, to: u16| {
            let udp = [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0, 8, 0, 0]].concat();
            skip(&whole(1, &ethernet(0x0800, &ipv4(17, &udp))))
        };
        assert_eq!(named(40000, 53), (Reason::NotTcp, Layer::Ip, 23));
        assert_eq!(named(25, 25), (Reason::NotTcp, Layer::Ip, 23));
        assert_eq!(named(40000, 4789), (Reason::Vxlan, Layer::Udp, 34));
        assert_eq!(named(4789, 40000), (Reason::NotTcp, Layer::Ip, 23));
        assert_eq!(named(40000, 6081), (Reason::Geneve, Layer::Udp, 34));
        assert_eq!(named(40000, 4754), (Reason::Gre, Layer::Udp, 34));
        assert_eq!(named(2152, 2152), (Reason::Gtp, Layer::Udp, 34));
        assert_eq!(named(3544, 40000), (Reason::Teredo, Layer::Udp, 34));
        assert_eq!(named(40000, 3544), (Reason::Teredo, Layer::Udp, 34));
    }

    #[test]
    fn fragments_are_handed_on_the_first_one_too() {
        let bytes = tcp(&[], b"0123456789ab");
        let first = ipv4_at(0x2000, 6, &[], &bytes[..24]);
        let last = ipv4_at(3, 6, &[], &bytes[24..]);
        let expected = Fragment {
            source: CLIENT.into(),
            destination: SERVER.into(),
            identification: 0x1234,
            protocol: 6,
            offset: 0,
            more: true,
            payload: &bytes[..24],
            missing: 0,
        };
        assert_eq!(fragment(&whole(228, &first)), expected);
        let expected = Fragment { offset: 24, more: false, payload: &bytes[24..], ..expected };
        assert_eq!(fragment(&whole(228, &last)), expected);
        let cut = fragment(&cut(228, &last, 23));
        assert_eq!((cut.payload.len(), cut.missing), (3, 5));
    }

    #[test]
    fn fragments_of_other_protocols_are_not_kept() {
        assert_eq!(skip(&whole(228, &ipv4_at(0x2000, 17, &[], &[0; 24]))), (Reason::NotTcp, Layer::Ip, 9));
        assert_eq!(skip(&whole(228, &ipv4_at(0x0003, 47, &[], &[0; 24]))), (Reason::Gre, Layer::Ip, 9));
    }

    #[test]
    fn do_not_fragment_is_no_fragment() {
        assert_eq!(segment(&whole(228, &ipv4_at(0x4000, 6, &[], &tcp(&[], b"QUIT\r\n")))).payload, b"QUIT\r\n");
    }

    #[test]
    fn an_authentication_header_is_stepped_over() {
        let ah = [6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let packet = ipv4(51, &[&ah, &tcp(&[], b"QUIT\r\n")[..]].concat());
        assert_eq!(segment(&whole(228, &packet)).payload, b"QUIT\r\n");
        assert_eq!(skip(&cut(228, &packet, 43)), (Reason::IpTruncated, Layer::Extension, 20));
    }
}

mod ip6 {
    use super::*;

    /// A fragment header with the given field of offset and "more".
    fn fragment_header(next: u8, field: u16) -> Vec<u8> {
        [&[next, 0][..], &field.to_be_bytes(), &[0xde, 0xad, 0xbe, 0xef]].concat()
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        let mut payload = tcp(&[], b"QUIT\r\n");
        let mut next = 6;
        for (header, octets) in [(60, 8), (43, 24), (51, 24), (60, 16), (0, 8)] {
            let mut extension = vec![0; octets];
            extension[0] = next;
            let words = u8::try_from(octets / if header == 51 { 4 } else { 8 }).unwrap();
            extension[1] = if header == 51 { words - 2 } else { words - 1 };
            payload = [extension, payload].concat();
            next = header;
        }
        let packet = ipv6(next, &payload);
        assert_eq!(segment(&whole(229, &packet)).payload, b"QUIT\r\n");
        // The routing header lies behind 40 + 8 + 16 + 24 octets.
        assert_eq!(skip(&cut(229, &packet, 89)), (Reason::IpTruncated, Layer::Extension, 88));
        assert_eq!(skip(&cut(229, &packet, 111)), (Reason::IpTruncated, Layer::Extension, 88));
    }

    #[test]
    fn a_packet_full_of_extension_headers_is_left() {
        let mut payload = Vec::new();
        for _ in 0..17 {
            payload.extend([60, 0, 0, 0, 0, 0, 0, 0]);
        }
        let packet = ipv6(60, &payload);
        assert_eq!(skip(&whole(229, &packet)), (Reason::ExtensionDepth, Layer::Extension, 40 + 17 * 8));
    }

    #[test]
    fn a_refusal_behind_extensions_points_to_the_number_that_decided() {
        let payload = [&[58, 0, 0, 0, 0, 0, 0, 0][..], &[128, 0, 0, 0]].concat();
        assert_eq!(skip(&whole(229, &ipv6(0, &payload))), (Reason::NotTcp, Layer::Ip, 40));
        assert_eq!(skip(&whole(229, &ipv6(59, &[]))), (Reason::NotTcp, Layer::Ip, 6));
    }

    #[test]
    fn payload_length_zero_means_all_of_the_frame() {
        let jumbo = [6, 0, 0xc2, 4, 0, 1, 0x11, 0x70];
        let mut packet = ipv6(0, &[&jumbo, &tcp(&[], &[b'x'; 3000])[..]].concat());
        packet[4..6].fill(0);
        assert_eq!(segment(&whole(229, &packet)).payload.len(), 3000);
    }

    #[test]
    fn what_the_snap_length_cut_is_missing() {
        let packet = ipv6(6, &tcp(&[], &[b'x'; 500]));
        let segment = segment(&cut(229, &packet, 96));
        assert_eq!((segment.payload.len(), segment.missing), (36, 464));
        assert_eq!(skip(&cut(229, &packet, 39)), (Reason::IpTruncated, Layer::Ip, 0));
    }

    #[test]
    fn a_fragment_has_its_header_s_numbers() {
        let packet = ipv6(44, &[&fragment_header(6, (1 << 3) | 1)[..], &[b'x'; 16]].concat());
        let expected = Fragment {
            source: CLIENT6.into(),
            destination: SERVER6.into(),
            identification: 0xdead_beef,
            protocol: 6,
            offset: 8,
            more: true,
            payload: &[b'x'; 16],
            missing: 0,
        };
        assert_eq!(fragment(&whole(229, &packet)), expected);
        assert_eq!(skip(&cut(229, &packet, 47)), (Reason::IpTruncated, Layer::Extension, 40));
    }

    #[test]
    fn an_atomic_fragment_is_a_whole_datagram() {
        let packet = ipv6(44, &[&fragment_header(6, 0)[..], &tcp(&[], b"QUIT\r\n")].concat());
        assert_eq!(segment(&whole(229, &packet)).payload, b"QUIT\r\n");
    }

    #[test]
    fn a_fragment_that_begins_with_options_may_be_tcp() {
        let packet = ipv6(44, &[&fragment_header(60, 1)[..], &[6, 0, 0, 0, 0, 0, 0, 0]].concat());
        assert_eq!(fragment(&whole(229, &packet)).protocol, 60);
        let udp = ipv6(44, &[&fragment_header(17, 1)[..], &[0; 8]].concat());
        assert_eq!(skip(&whole(229, &udp)), (Reason::NotTcp, Layer::Ip, 40));
    }
}

mod tcp_header {
    use super::*;

    #[test]
    fn every_field_is_where_it_belongs() {
        let packet = ipv4(6, &tcp(&[], b"QUIT\r\n"));
        let (flow, from) =
            FlowKey::new(Endpoint { ip: CLIENT.into(), port: 40000 }, Endpoint { ip: SERVER.into(), port: 25 });
        let expected = Segment {
            flow,
            from,
            seq: 1000,
            ack: Some(2000),
            flags: Flags::default(),
            payload: b"QUIT\r\n",
            missing: 0,
        };
        assert_eq!(segment(&whole(228, &packet)), expected);
    }

    #[test]
    fn flags_are_told_apart_and_the_ack_number_needs_its_bit() {
        for (bits, flags, ack) in [
            (0x02, Flags { syn: true, ..Flags::default() }, None),
            (0x12, Flags { syn: true, ..Flags::default() }, Some(2000)),
            (0x11, Flags { fin: true, ..Flags::default() }, Some(2000)),
            (0x04, Flags { rst: true, ..Flags::default() }, None),
            (0xe8, Flags::default(), None),
        ] {
            let mut packet = ipv4(6, &tcp(&[], b""));
            packet[33] = bits;
            let segment = segment(&whole(228, &packet));
            assert_eq!((segment.flags, segment.ack), (flags, ack), "{bits:#x}");
        }
    }

    #[test]
    fn options_are_stepped_over_even_where_they_were_cut() {
        let options = [2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 1, 1];
        let packet = ipv4(6, &tcp(&options, b"QUIT\r\n"));
        assert_eq!(segment(&whole(228, &packet)).payload, b"QUIT\r\n");
        for captured in 40..52 {
            let segment = segment(&cut(228, &packet, captured));
            assert_eq!((segment.payload, segment.missing), (&b""[..], 6), "{captured}");
        }
    }

    #[test]
    fn a_cut_header_is_told_where_the_port_is_wanted_or_unknown() {
        let packet = ipv4(6, &tcp(&[], b"QUIT\r\n"));
        for captured in 20..40 {
            assert_eq!(skip(&cut(228, &packet, captured)), (Reason::TcpTruncated, Layer::Tcp, 20), "{captured}");
        }
        let other = ipv4(6, &tcp_to(80, &[], b"GET /"));
        assert_eq!(skip(&cut(228, &other, 24)), (Reason::OtherPort, Layer::Tcp, 20));
    }

    #[test]
    fn a_header_that_cannot_be_is_told() {
        let good = ipv4(6, &tcp(&[], b"QUIT\r\n"));
        for offset in [0x00, 0x40, 0x70] {
            let mut packet = good.clone();
            packet[32] = offset;
            assert_eq!(skip(&whole(228, &packet)), (Reason::TcpHeaderLength, Layer::Tcp, 32), "{offset:#x}");
        }
        let tiny = ipv4(6, &tcp(&[], b"")[..19]);
        assert_eq!(skip(&whole(228, &tiny)), (Reason::TcpHeaderLength, Layer::Tcp, 20));
        // Padding does not make it whole.
        let padded = [&ipv4(6, &tcp(&[], b"")[..3])[..], &[0; 23]].concat();
        assert_eq!(skip(&whole(228, &padded)), (Reason::TcpHeaderLength, Layer::Tcp, 20));
    }

    #[test]
    fn neither_port_wanted_is_a_skip_either_one_is_enough() {
        let other = ethernet(0x0800, &ipv4(6, &tcp_to(80, &[], b"GET /")));
        assert_eq!(skip(&whole(1, &other)), (Reason::OtherPort, Layer::Tcp, 34));
        let mut from_server = other;
        from_server[34..36].copy_from_slice(&25_u16.to_be_bytes());
        assert_eq!(segment(&whole(1, &from_server)).payload, b"GET /");
    }
}

mod straight_path {
    use super::*;

    fn tagged(ether_type: u16, packet: &[u8]) -> Vec<u8> {
        ethernet(0x8100, &[&[0x45, 7], &ether_type.to_be_bytes()[..], packet].concat())
    }

    fn tagged_twice(ether_type: u16, packet: &[u8]) -> Vec<u8> {
        ethernet(0x88a8, &[&[0, 9, 0x81, 0, 0x45, 7], &ether_type.to_be_bytes()[..], packet].concat())
    }

    /// What a mirror port shows most: each is refused at fixed places, without the decoder.
    fn unwanted() -> Vec<Vec<u8>> {
        let udp = [0x9c, 0x40, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];
        let web = tcp_to(443, &[], b"secret");
        vec![
            ethernet(0x0800, &ipv4(6, &web)),
            ethernet(0x0800, &ipv4(17, &udp)),
            ethernet(0x0800, &ipv4(1, &[8, 0, 0, 0])),
            ethernet(0x0800, &ipv4_at(0x4000, 6, &[1; 8], &web)),
            ethernet(0x86dd, &ipv6(6, &web)),
            ethernet(0x86dd, &ipv6(17, &udp)),
            ethernet(0x86dd, &ipv6(58, &[128, 0, 0, 0])),
            tagged(0x0800, &ipv4(6, &web)),
            tagged(0x86dd, &ipv6(6, &web)),
            tagged_twice(0x0800, &ipv4(6, &web)),
            tagged_twice(0x86dd, &ipv6(17, &udp)),
        ]
    }

    /// What a relay's own line shows most.
    fn wanted() -> Vec<Vec<u8>> {
        let (mail, answer) = (tcp(&[1; 12], b"QUIT\r\n"), tcp(&[], b""));
        let mut padded = ethernet(0x0800, &ipv4(6, &answer));
        padded.resize(60, 0);
        vec![
            padded,
            ethernet(0x0800, &ipv4(6, &mail)),
            ethernet(0x0800, &ipv4_at(0x4000, 6, &[1; 8], &mail)),
            ethernet(0x86dd, &ipv6(6, &mail)),
            tagged(0x0800, &ipv4(6, &mail)),
            tagged_twice(0x86dd, &ipv6(6, &answer)),
        ]
    }

    #[test]
    fn refuses_and_decodes_the_usual_shapes() {
        let ports = Ports::new([25]);
        for frame in unwanted() {
            let decoded = straight(&frame, &ports);
            assert!(matches!(decoded, Some(Decoded::Skipped(_))), "{frame:02x?}: {decoded:?}");
        }
        for frame in wanted() {
            let decoded = straight(&frame, &ports);
            assert!(matches!(decoded, Some(Decoded::Segment(_))), "{frame:02x?}: {decoded:?}");
        }
    }

    #[test]
    fn leaves_what_is_unusual() {
        let quit = tcp(&[], b"QUIT\r\n");
        let mut without_length = ethernet(0x0800, &ipv4(6, &quit));
        without_length[16..18].fill(0);
        let mut jumbo = ethernet(0x86dd, &ipv6(6, &quit));
        jumbo[18..20].fill(0);
        for frame in [
            without_length,
            jumbo,
            ethernet(0x0800, &ipv4_at(0x2000, 6, &[], &quit)),
            ethernet(0x0800, &ipv4_at(0x0001, 6, &[], &quit)),
            ethernet(0x86dd, &ipv6(0, &[&[6, 0, 0, 0, 0, 0, 0, 0], &quit[..]].concat())),
            ethernet(0x0806, &[0; 46]),
            ethernet(0x8100, &[&[0, 1][..], &tagged_twice(0x0800, &ipv4(6, &quit))[12..]].concat()),
        ] {
            assert_eq!(straight(&frame, &Ports::new([25])), None, "{frame:02x?}");
        }
    }

    /// Whatever one octet of the headers says, and wherever the capture ends.
    #[test]
    fn agrees_with_the_decoder_on_every_change_of_one_octet() {
        let ports = Ports::new([25]);
        let agrees = |frame: &[u8], original: usize| {
            if let Some(decoded) = straight(frame, &ports) {
                let by_full = full(ETHERNET, frame, u32::try_from(original).unwrap(), &ports);
                assert_eq!(decoded, by_full, "{frame:02x?}");
            }
        };
        for frame in unwanted().into_iter().chain(wanted()) {
            for captured in 0..frame.len() {
                agrees(&frame[..captured], frame.len());
            }
            for at in 12..frame.len() {
                let mut bent = frame.clone();
                for octet in 0..=u8::MAX {
                    bent[at] = octet;
                    agrees(&bent, frame.len());
                }
            }
        }
    }
}

mod datagrams {
    use super::*;

    fn datagram(protocol: u8, payload: Vec<u8>, missing: u32) -> Datagram {
        let at = Moment { ordinal: Ordinal::of(7), time: Time(0) };
        Datagram {
            source: CLIENT6.into(),
            destination: SERVER6.into(),
            protocol,
            payload,
            missing,
            at,
            fragments: Vec::new(),
        }
    }

    #[test]
    fn a_reassembled_datagram_is_decoded_from_its_payload_on() {
        let whole = datagram(6, tcp(&[], b"QUIT\r\n"), 10);
        let segment = segment(&decode_datagram(&whole, &Ports::new([25])));
        assert_eq!((segment.payload, segment.missing), (&b"QUIT\r\n"[..], 10));
        assert_eq!(segment.flow.end(segment.from), Endpoint { ip: IpAddr::from(CLIENT6), port: 40000 });
        let other = decode_datagram(&whole, &Ports::new([80]));
        assert_eq!(skip(&other), (Reason::OtherPort, Layer::Tcp, 0));
    }

    #[test]
    fn extension_headers_may_come_with_the_payload() {
        let payload = [&[6, 0, 0, 0, 0, 0, 0, 0], &tcp(&[], b"QUIT\r\n")[..]].concat();
        let whole = datagram(60, payload, 0);
        assert_eq!(segment(&decode_datagram(&whole, &Ports::new([25]))).payload, b"QUIT\r\n");
    }

    #[test]
    fn a_fragment_in_a_datagram_is_not_put_together_again() {
        let payload = [&[44, 0, 0, 0, 0, 0, 0, 0][..], &[6, 0, 0, 1, 0, 0, 0, 1], &[0; 8]].concat();
        let whole = datagram(60, payload, 0);
        let decoded = decode_datagram(&whole, &Ports::new([25]));
        assert_eq!(skip(&decoded), (Reason::NestedFragment, Layer::Extension, 0));
    }
}

/// `cargo test --release -- --ignored --nocapture packets_per_second`
#[test]
#[ignore = "a measurement, for release builds"]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement is to be read, and needs a clock")]
fn packets_per_second() {
    type Decoder = for<'p> fn(LinkType, &'p [u8], u32, &Ports) -> Decoded<'p>;
    let ports = Ports::new([25]);
    let other = ethernet(0x0800, &ipv4(6, &tcp_to(443, &[], &[0; 27])));
    let mail = ethernet(0x0800, &ipv4(6, &tcp(&[], &[0; 27])));
    // 98 of 100 packets are not SMTP; each has its own bytes, as in a batch.
    let frames: Vec<Vec<u8>> = (0..3000).map(|n| if n % 50 == 0 { mail.clone() } else { other.clone() }).collect();
    for (name, way) in [("the straight path first", decoded as Decoder), ("without it", full)] {
        let start = std::time::Instant::now();
        let mut skips = Skips::default();
        for round in 0..10_000 {
            for frame in &frames {
                if let Decoded::Skipped(skip) = way(ETHERNET, std::hint::black_box(frame), 81, &ports) {
                    skips.next(Ordinal::of(round), skip);
                }
            }
        }
        let millions = 30.0 / start.elapsed().as_secs_f64();
        println!("{name}: {millions:.0} M packets/s of {} octets", other.len());
        assert_eq!(skips.total(), 29_400_000);
    }
}

mod elsewhere {
    use super::*;

    /// The reason and the server of a packet between port 40000 and another one.
    fn noticed(packet: &[u8], wanted: &[u16]) -> (Reason, Option<Endpoint>) {
        let (ports, original) = (Ports::new(wanted.iter().copied()), u32::try_from(packet.len()).unwrap());
        let Decoded::Skipped(skip) = decoded(ETHERNET, packet, original, &ports) else { panic!("no skip") };
        let full = full(ETHERNET, packet, original, &ports);
        assert_eq!(full, Decoded::Skipped(skip), "the straight path says the same");
        (skip.reason, super::super::elsewhere::server(ETHERNET, packet, original, &ports))
    }

    fn to(port: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
        ethernet(0x0800, &ipv4(6, &tcp_to(port, options, payload)))
    }

    /// From the other port to 40000, or from 40000 to itself where it is that.
    fn from(port: u16, payload: &[u8]) -> Vec<u8> {
        let mut segment = tcp_to(40000, &[], payload);
        segment[..2].copy_from_slice(&port.to_be_bytes());
        ethernet(0x0800, &ipv4(6, &segment))
    }

    #[test]
    fn a_hello_names_whom_it_is_sent_to_and_a_greeting_who_sent_it() {
        let at = |ip: Ipv4Addr, port| Some(Endpoint { ip: ip.into(), port });
        for hello in ["EHLO a\r\n", "ehlo a", "HELO ", "Helo x", "LHLO a\r\n", "lHLO b"] {
            let expected = (Reason::OtherPortSmtp, at(SERVER, 2525));
            assert_eq!(noticed(&to(2525, &[], hello.as_bytes()), &[25]), expected, "{hello}");
            assert_eq!(noticed(&to(2525, &[1; 12], hello.as_bytes()), &[25]), expected, "{hello} behind options");
        }
        for greeting in ["220 mx ESMTP\r\n", "220-mx\r\n220 hello\r\n", "220 ", "220-"] {
            let expected = (Reason::OtherPortSmtp, at(CLIENT, 587));
            assert_eq!(noticed(&from(587, greeting.as_bytes()), &[25]), expected, "{greeting}");
        }
        let v6 = ethernet(0x86dd, &ipv6(6, &tcp_to(587, &[], b"EHLO a\r\n")));
        let server = Endpoint { ip: SERVER6.into(), port: 587 };
        assert_eq!(noticed(&v6, &[25]), (Reason::OtherPortSmtp, Some(server)));
    }

    #[test]
    fn what_does_not_begin_so_is_any_other_port() {
        for payload in
            ["", "2", "220", "2200", "220\t", "\x12\x12\x10 ", "221 ", "EHLO", "EHLO\r\n", "ehlos ", "HALO ", "xxlo "]
        {
            assert_eq!(noticed(&to(2525, &[], payload.as_bytes()), &[25]), (Reason::OtherPort, None), "{payload:?}");
        }
        // FTP greets with the same code.
        assert_eq!(noticed(&from(21, b"220 ftp ready\r\n"), &[25]), (Reason::OtherPort, None));
        let mut short = to(2525, &[], b"EHLO a\r\n");
        short[14 + 20 + 12] = 0x40;
        assert_eq!(noticed(&short, &[25]), (Reason::OtherPort, None), "a header below 20 octets");
        let mut long = to(2525, &[], b"EHLO a\r\n");
        long[14 + 20 + 12] = 0xf0;
        assert_eq!(noticed(&long, &[25]), (Reason::OtherPort, None), "a header beyond the packet");
    }

    #[test]
    fn what_is_wanted_is_not_elsewhere() {
        for wanted in [&[25, 2525][..], &[40000]] {
            let ports = Ports::new(wanted.iter().copied());
            let packet = to(2525, &[], b"EHLO a\r\n");
            assert_eq!(super::super::elsewhere::server(ETHERNET, &packet, 62, &ports), None);
        }
    }
}
