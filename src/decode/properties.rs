//! What holds for every packet: etherparse, which builds and reads them too, is the witness.
#![expect(clippy::arithmetic_side_effects, reason = "tests build their packets from small numbers")]

use std::net::IpAddr;

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6FragmentHeader, Ipv6Header,
    Ipv6RawExtHeader, LaxSlicedPacket, PacketBuilder, TransportSlice, VlanId,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::Endpoint;

const ETHERNET: LinkType = LinkType(ethernet::LINK_TYPE);

/// A frame and what etherparse's builder put into it.
#[derive(Clone, Debug)]
struct Built {
    vlans: usize,
    ip: IpHeaders,
    tcp: etherparse::TcpHeader,
    payload: Vec<u8>,
    frame: Vec<u8>,
}

fn ip_headers() -> impl Strategy<Value = IpHeaders> {
    let v4 = (any::<[u8; 4]>(), any::<[u8; 4]>(), 0_usize..=10).prop_map(|(source, destination, words)| {
        let mut header = Ipv4Header::new(0, 64, IpNumber::TCP, source, destination).unwrap();
        header.options = vec![1; words * 4].as_slice().try_into().unwrap();
        IpHeaders::Ipv4(header, Ipv4Extensions::default())
    });
    let v6 = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[bool; 3]>()).prop_map(
        |(source, destination, [hop_by_hop, options, atomic])| {
            let raw = |octets| Ipv6RawExtHeader::new_raw(IpNumber::TCP, &vec![1; octets]).unwrap();
            let extensions = Ipv6Extensions {
                hop_by_hop_options: hop_by_hop.then(|| raw(6)),
                destination_options: options.then(|| raw(22)),
                fragment: atomic.then(|| Ipv6FragmentHeader::new(IpNumber::TCP, IpFragOffset::ZERO, false, 9)),
                ..Ipv6Extensions::default()
            };
            IpHeaders::Ipv6(Ipv6Header { source, destination, ..Ipv6Header::default() }, extensions)
        },
    );
    prop_oneof![v4, v6]
}

prop_compose! {
    fn tcp_header()(
        ports in (prop_oneof![Just(25), any::<u16>()], prop_oneof![Just(25), any::<u16>()]),
        numbers in any::<(u32, u32)>(),
        bits in any::<[bool; 4]>(),
        words in 0_usize..=10,
    ) -> etherparse::TcpHeader {
        let mut header = etherparse::TcpHeader::new(ports.0, ports.1, numbers.0, 512);
        header.acknowledgment_number = numbers.1;
        [header.syn, header.ack, header.fin, header.rst] = bits;
        header.set_options_raw(&vec![1; words * 4]).unwrap();
        header
    }
}

prop_compose! {
    fn built()(
        vlans in 0_usize..=2,
        ip in ip_headers(),
        tcp in tcp_header(),
        payload in vec(any::<u8>(), 0..80),
        padding in 0_usize..20,
    ) -> Built {
        let ethernet = PacketBuilder::ethernet2([1; 6], [2; 6]);
        let builder = match vlans {
            0 => ethernet.ip(ip.clone()),
            1 => ethernet.single_vlan(VlanId::try_new(7).unwrap()).ip(ip.clone()),
            _ => ethernet.double_vlan(VlanId::try_new(7).unwrap(), VlanId::try_new(8).unwrap()).ip(ip.clone()),
        };
        let mut frame = Vec::new();
        builder.tcp_header(tcp.clone()).write(&mut frame, &payload).unwrap();
        frame.resize(frame.len() + padding, 0xff);
        Built { vlans, ip, tcp, payload, frame }
    }
}

/// A built frame in which some of the first octets were changed (in some of them to numbers that mean
/// something), and of which the beginning was captured.
pub(super) fn bent() -> impl Strategy<Value = (Vec<u8>, u32)> {
    let octet = prop_oneof![
        any::<u8>(),
        proptest::sample::select(vec![0, 4, 6, 8, 17, 25, 41, 43, 44, 47, 50, 51, 60, 0x45, 0x60, 0x81, 0x86, 0xdd])
    ];
    let changes = vec((0_usize..100, octet), 0..4);
    (built(), changes, 0_usize..200, any::<bool>()).prop_map(|(built, changes, captured, whole)| {
        let mut frame = built.frame;
        for (at, octet) in changes {
            if let Some(place) = frame.get_mut(at) {
                *place = octet;
            }
        }
        let original = u32::try_from(frame.len()).unwrap();
        frame.truncate(if whole { frame.len() } else { captured });
        (frame, original)
    })
}

fn all_ports() -> Ports {
    Ports::new(0..=u16::MAX)
}

/// Whether extension headers follow the IP header.
fn extended(ip: &IpHeaders) -> bool {
    match ip {
        IpHeaders::Ipv4(_, extensions) => !extensions.is_empty(),
        IpHeaders::Ipv6(_, extensions) => !extensions.is_empty(),
    }
}

/// Where `part` lies in `whole`.
fn place(whole: &[u8], part: &[u8]) -> Option<usize> {
    let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (at + part.len() <= whole.len()).then_some(at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_etherparse_builds_is_read_back(built in built()) {
        let (source, destination): (IpAddr, IpAddr) = match &built.ip {
            IpHeaders::Ipv4(header, _) => (header.source.into(), header.destination.into()),
            IpHeaders::Ipv6(header, _) => (header.source.into(), header.destination.into()),
        };
        let tcp = &built.tcp;
        let (flow, from) = FlowKey::new(
            Endpoint { ip: source, port: tcp.source_port },
            Endpoint { ip: destination, port: tcp.destination_port },
        );
        let expected = Segment {
            flow,
            from,
            seq: tcp.sequence_number,
            ack: tcp.ack.then_some(tcp.acknowledgment_number),
            flags: Flags { syn: tcp.syn, fin: tcp.fin, rst: tcp.rst },
            payload: &built.payload,
            missing: 0,
        };
        let original = u32::try_from(built.frame.len()).unwrap();
        prop_assert_eq!(decoded(ETHERNET, &built.frame, original, &all_ports()), Decoded::Segment(expected));
        let cooked = [&[0, 0, 0, 1, 0, 6, 1, 1, 1, 1, 1, 1, 0, 0], &built.frame[12..]].concat();
        prop_assert_eq!(decoded(LinkType(113), &cooked, original, &all_ports()), Decoded::Segment(expected));
        let raw = &built.frame[14 + 4 * built.vlans..];
        prop_assert_eq!(decoded(LinkType(101), raw, original, &all_ports()), Decoded::Segment(expected));
    }

    #[test]
    fn a_cut_changes_no_field_and_moves_payload_to_missing(built in built(), captured in 0_usize..300) {
        let original = u32::try_from(built.frame.len()).unwrap();
        let Decoded::Segment(whole) = decoded(ETHERNET, &built.frame, original, &all_ports()) else { panic!() };
        let captured = &built.frame[..captured.min(built.frame.len())];
        match decoded(ETHERNET, captured, original, &all_ports()) {
            Decoded::Segment(cut) => {
                prop_assert_eq!(cut.payload.len() + cut.missing as usize, whole.payload.len());
                prop_assert_eq!(Segment { payload: whole.payload, missing: 0, ..cut }, whole);
                prop_assert!(whole.payload.starts_with(cut.payload));
            }
            Decoded::Skipped(skip) => prop_assert!(
                matches!(skip.reason, Reason::LinkTruncated | Reason::IpTruncated | Reason::TcpTruncated),
                "{skip:?}"
            ),
            Decoded::Fragment(fragment) => prop_assert!(false, "{fragment:?}"),
        }
    }

    #[test]
    fn the_straight_path_says_what_the_decoder_says((frame, original) in bent()) {
        for ports in [Ports::new([25]), all_ports()] {
            if let Some(decoded) = straight(&frame, &ports) {
                prop_assert_eq!(decoded, full(ETHERNET, &frame, original, &ports));
            }
        }
    }

    #[test]
    fn what_etherparse_builds_without_extensions_goes_straight(built in built()) {
        let straight = straight(&built.frame, &all_ports());
        prop_assert_eq!(straight.is_some(), !extended(&built.ip));
    }

    #[test]
    fn etherparse_finds_the_tcp_header_at_the_same_place((frame, original) in bent()) {
        let Decoded::Segment(ours) = full(ETHERNET, &frame, original, &all_ports()) else { return Ok(()) };
        let Ok(lax) = LaxSlicedPacket::from_ethernet(&frame) else { return Ok(()) };
        let Some(TransportSlice::Tcp(theirs)) = lax.transport else { return Ok(()) };
        prop_assert_eq!(place(&frame, ours.payload), place(&frame, theirs.payload()));
        prop_assert_eq!(ours.payload, theirs.payload());
        prop_assert_eq!(ours.seq, theirs.sequence_number());
        prop_assert_eq!(ours.flow.end(ours.from).port, theirs.source_port());
    }

    #[test]
    fn bent_frames_stay_within_their_packet((frame, original) in bent(), link in 0_usize..10) {
        stays_within(link, &frame, original)?;
    }

    #[test]
    fn any_bytes_stay_within_their_packet(bytes in vec(any::<u8>(), 0..200), original: u32, link in 0_usize..10) {
        stays_within(link, &bytes, original)?;
    }
}

/// Holds that whatever comes out of a packet of the table's `nth` link type lies in it.
fn stays_within(nth: usize, bytes: &[u8], original: u32) -> Result<(), TestCaseError> {
    let link_types: Vec<u16> = LINKS.iter().flat_map(|link| link.types).copied().collect();
    match decoded(LinkType(link_types[nth]), bytes, original, &all_ports()) {
        Decoded::Segment(Segment { payload, .. }) | Decoded::Fragment(Fragment { payload, .. }) => {
            prop_assert!(payload.is_empty() || place(bytes, payload).is_some());
        }
        Decoded::Skipped(skip) => prop_assert!(skip.offset as usize <= bytes.len(), "{skip:?}"),
    }
    Ok(())
}
