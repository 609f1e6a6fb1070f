//! Live capture by libpcap: interfaces in, batches of whole packets out. A packet is copied once, from the ring that the
//! kernel fills to the batch.
//!
//! Several interfaces are one link, as the two legs of a tap are: the kernel hands each one's packets on at times of its
//! own, so a packet waits until no earlier one can come from another interface.
//!
//! Bounds: the ring of each interface, which the kernel holds ([`Request::buffer_bytes`]); a batch as [`Live::read`] says;
//! of packets that wait [`Live::MOST_WAITING`].
#![expect(clippy::disallowed_methods, reason = "a live capture waits by the clock")]

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant, SystemTime};

use pcap::{Active, Capture, Device};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::CaptureFile;
use super::batch::{Batch, PacketEntry};
use crate::base::{LinkType, Time};

/// What to listen on, and how.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// At least one.
    pub interfaces: Vec<String>,
    /// Whether to take packets that are addressed to others, as a mirror port's are.
    pub promiscuous: bool,
    /// The size of the kernel's ring, for each interface.
    pub buffer_bytes: u32,
    /// Octets kept of a packet.
    pub snap_length: u32,
}

/// Interfaces that are listened on.
pub(crate) struct Live {
    interfaces: Vec<Interface>,
    /// Packets that wait for those of other interfaces.
    waiting: Batch,
}

/// One of them, with what was counted on it.
struct Interface {
    name: String,
    capture: Capture<Active>,
    link_type: LinkType,
    counted: Counted,
    /// libpcap's own counters, as they were last: they have 32 bits, and wrap.
    last: pcap::Stat,
    /// What came and went by the system's own count, which no filter changes.
    traffic: Option<Traffic>,
    /// Packets that passed the filter, whether there was room for them or not.
    passed: u64,
    /// No packet before this is to come any more.
    reached: Time,
}

/// What became of an interface's packets; all since the capture began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub packets: u64,
    /// The sum of the captured lengths.
    pub bytes: u64,
    pub first_time: Option<Time>,
    pub last_time: Option<Time>,
    /// Packets for which the kernel's ring had no room.
    pub kernel_dropped: u64,
    /// Packets that the interface or its driver dropped.
    pub interface_dropped: u64,
    /// Packets that came and went but did not pass the filter, where the system counts them.
    pub filtered_out: Option<u64>,
}

/// Why an interface cannot be listened on, or no longer.
#[derive(Debug)]
pub(crate) struct Lost {
    pub interface: String,
    pub cause: LostCause,
}

/// The cause, in libpcap's words where they are any.
#[derive(Debug)]
pub(crate) enum LostCause {
    /// The operating system wants a privilege for it.
    Permission,
    /// The filter is none.
    Filter(pcap::Error),
    Pcap(pcap::Error),
    Io(std::io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lost { interface, cause } = self;
        match cause {
            LostCause::Permission => write!(f, "{interface}: no permission to capture"),
            LostCause::Filter(error) => write!(f, "{interface}: the filter was refused: {}", words(error)),
            LostCause::Pcap(error) => write!(f, "{interface}: {}", words(error)),
            LostCause::Io(error) => write!(f, "{interface}: cannot wait for packets: {error}"),
        }
    }
}

impl std::error::Error for Lost {}

/// An error's own words, without the crate's name before them.
fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An interface as `mailtap interfaces` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub name: String,
    pub description: Option<String>,
    /// What is known of its state, in single words.
    pub state: Vec<&'static str>,
}

impl Listed {
    /// libpcap's devices that are no network, or all of them at once.
    const OTHERS: &[&str] = &["any", "nflog", "nfqueue", "usbmon", "bluetooth", "dbus"];

    /// Whether mail could pass there from elsewhere: it is up, and a network of its own.
    pub(crate) fn is_usual(&self) -> bool {
        let is_other = Self::OTHERS.iter().any(|other| self.name.starts_with(other));
        self.state.contains(&"up") && !self.state.contains(&"loopback") && !is_other
    }
}

/// What can be listened on, in libpcap's order.
///
/// # Errors
/// libpcap cannot tell, in its words.
pub(crate) fn interfaces() -> Result<Vec<Listed>, String> {
    let state = |flags: &pcap::DeviceFlags| {
        let known = [
            (flags.is_up(), "up"),
            (flags.is_running(), "running"),
            (flags.is_loopback(), "loopback"),
            (flags.is_wireless(), "wireless"),
            (flags.connection_status == pcap::ConnectionStatus::Connected, "connected"),
            (flags.connection_status == pcap::ConnectionStatus::Disconnected, "disconnected"),
        ];
        known.into_iter().filter_map(|(is, word)| is.then_some(word)).collect()
    };
    let listed = |device: Device| Listed { state: state(&device.flags), name: device.name, description: device.desc };
    Ok(Device::list().map_err(|error| words(&error))?.into_iter().map(listed).collect())
}

impl Live {
    /// libpcap hands packets on after so long at the latest.
    const DELAY_MS: i32 = 50;
    /// So many packets are taken from one interface before the next one is asked.
    const AT_ONCE: usize = 32;
    /// What came so long ago has been handed on by now, also where the kernel's timer is late.
    const HANDED_ON: i64 = 100_000_000;
    /// Octets of packets that wait for those of other interfaces.
    const MOST_WAITING: usize = 4 << 20;

    /// Begins to listen, with the filter that `filter` gives for each link type. Needs the right to open packet sockets.
    ///
    /// # Errors
    /// An interface cannot be opened.
    pub(crate) fn open(request: &Request, filter: impl Fn(LinkType) -> String) -> Result<Self, Lost> {
        let interfaces = request.interfaces.iter().map(|name| Interface::open(name, request, &filter));
        Ok(Live { interfaces: interfaces.collect::<Result<_, _>>()?, waiting: Batch::default() })
    }

    /// The name and the link type of each interface.
    pub(crate) fn link_types(&self) -> impl Iterator<Item = (&str, LinkType)> {
        self.interfaces.iter().map(|interface| (interface.name.as_str(), interface.link_type))
    }

    /// The interfaces as the summary tells captures.
    pub(crate) fn captures(&self) -> Vec<CaptureFile> {
        let capture = |interface: &Interface| CaptureFile {
            path: interface.name.clone().into(),
            packets: interface.counted.packets,
            bytes: interface.counted.bytes,
            first_time: interface.counted.first_time,
            last_time: interface.counted.last_time,
            truncated: false,
            sha256: None,
            dropped: interface.counted.kernel_dropped.saturating_add(interface.counted.interface_dropped),
        };
        self.interfaces.iter().map(capture).collect()
    }

    /// Packets that the kernel, and that the interfaces dropped, as [`Live::count`] last saw.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        self.interfaces.iter().fold((0, 0), |(kernel, interface), each| {
            let Counted { kernel_dropped, interface_dropped, .. } = each.counted;
            (kernel.saturating_add(kernel_dropped), interface.saturating_add(interface_dropped))
        })
    }

    /// Packets that did not pass the filter, of those interfaces that count what comes and goes.
    pub(crate) fn filtered_out(&self) -> Option<u64> {
        let counts = self.interfaces.iter().filter_map(|interface| interface.counted.filtered_out);
        counts.reduce(u64::saturating_add)
    }

    /// Fills `batch` anew, until it has `enough` bytes, or for as long as `wait`; what came of several interfaces is put in
    /// the order of its times, and the youngest wait for the next batch unless this is to be the `last` one. It has `most`
    /// packets at most, and is longer than `enough` by 32 of them and those that waited at most.
    ///
    /// # Errors
    /// An interface is gone; what was read before is in the batch.
    pub(crate) fn read(
        &mut self,
        batch: &mut Batch,
        enough: usize,
        most: usize,
        wait: Duration,
        last: bool,
    ) -> Result<(), Lost> {
        batch.data.clear();
        batch.packets.clear();
        let until = Instant::now().checked_add(wait);
        if self.interfaces.len() < 2 {
            return self.fill(batch, enough, most, until);
        }
        std::mem::swap(&mut batch.data, &mut self.waiting.data);
        std::mem::swap(&mut batch.packets, &mut self.waiting.packets);
        let read = self.fill(batch, enough, most, until);
        batch.packets.sort_by_key(|packet| packet.time);
        if !last && read.is_ok() {
            self.hold_back(batch);
        }
        read
    }

    /// Lets those wait before which another interface may still have packets.
    fn hold_back(&mut self, batch: &mut Batch) {
        let reached = self.interfaces.iter().map(|interface| interface.reached).min().unwrap_or_default();
        // What is far ahead is of a clock that was set back.
        let waits = |packet: &PacketEntry| packet.time > reached && packet.time.since(reached) <= Time::SECOND;
        let octets = batch.packets.iter().filter(|packet| waits(packet)).map(|packet| packet.captured as usize);
        if octets.fold(0, usize::saturating_add) > Self::MOST_WAITING {
            return;
        }
        let waiting = &mut self.waiting;
        for packet in batch.packets.iter().filter(|packet| waits(packet)) {
            let offset = u32::try_from(waiting.data.len()).unwrap_or(u32::MAX);
            waiting.data.extend_from_slice(batch.bytes(packet));
            waiting.packets.push(PacketEntry { offset, ..*packet });
        }
        batch.packets.retain(|packet| !waits(packet));
    }

    fn fill(&mut self, batch: &mut Batch, enough: usize, most: usize, until: Option<Instant>) -> Result<(), Lost> {
        loop {
            let mut came = 0_usize;
            for (nth, interface) in (0_u16..).zip(&mut self.interfaces) {
                let left = most.saturating_sub(batch.packets.len());
                came = came.saturating_add(interface.read(nth, batch, left.min(Live::AT_ONCE))?);
                if batch.data.len() >= enough || batch.packets.len() >= most {
                    return Ok(());
                }
            }
            if came == 0 {
                let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
                if left.is_zero() || !self.wait(left)? {
                    return Ok(());
                }
            }
        }
    }

    /// Whether something came within the time.
    fn wait(&self, left: Duration) -> Result<bool, Lost> {
        let mut handles: Vec<PollFd<'_>> =
            self.interfaces.iter().map(|interface| PollFd::new(&interface.capture, PollFlags::IN)).collect();
        match poll(&mut handles, Timespec::try_from(left).ok().as_ref()) {
            Ok(ready) => Ok(ready > 0),
            // A signal came: who asked will look at it.
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => {
                let interface = self.interfaces.first().map(|interface| interface.name.clone()).unwrap_or_default();
                Err(Lost { interface, cause: LostCause::Io(error.into()) })
            }
        }
    }

    /// Asks the kernel what it dropped.
    pub(crate) fn count(&mut self) {
        for interface in &mut self.interfaces {
            // Where it cannot tell, the counts stay what they were.
            let Ok(stat) = interface.capture.stats() else { continue };
            let Interface { counted, last, passed, traffic, .. } = interface;
            let more = |now: u32, then: u32| u64::from(now.wrapping_sub(then));
            counted.kernel_dropped = counted.kernel_dropped.saturating_add(more(stat.dropped, last.dropped));
            counted.interface_dropped =
                counted.interface_dropped.saturating_add(more(stat.if_dropped, last.if_dropped));
            *passed = passed.saturating_add(more(stat.received, last.received));
            *last = stat;
            // Asked for later, so never too few.
            if let Some(traffic) = traffic.as_ref().and_then(Traffic::since) {
                counted.filtered_out = Some(traffic.saturating_sub(*passed).max(counted.filtered_out.unwrap_or(0)));
            }
        }
    }
}

impl Interface {
    fn open(name: &str, request: &Request, filter: &impl Fn(LinkType) -> String) -> Result<Self, Lost> {
        let lost = |cause| Lost { interface: name.to_owned(), cause };
        let refused = |error| lost(cause(error));
        let size = |bytes: u32| i32::try_from(bytes).unwrap_or(i32::MAX);
        let capture = Capture::from_device(name).map_err(refused)?;
        let capture = capture
            .promisc(request.promiscuous)
            .buffer_size(size(request.buffer_bytes))
            .snaplen(size(request.snap_length))
            .timeout(Live::DELAY_MS)
            .precision(pcap::Precision::Nano);
        let mut capture = capture.open().and_then(Capture::setnonblock).map_err(refused)?;
        let link_type = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
        capture.filter(&filter(link_type), true).map_err(|error| lost(LostCause::Filter(error)))?;
        Ok(Interface {
            name: name.to_owned(),
            capture,
            link_type,
            counted: Counted::default(),
            last: pcap::Stat { received: 0, dropped: 0, if_dropped: 0 },
            traffic: Traffic::of(name),
            passed: 0,
            reached: Time(i64::MIN),
        })
    }

    /// Takes what is there, so many packets at most; returns how many. It is the nth of all interfaces.
    fn read(&mut self, nth: u16, batch: &mut Batch, most: usize) -> Result<usize, Lost> {
        let Interface { capture, link_type, counted, reached, .. } = self;
        let asked = now();
        let taken = capture.dispatch(Some(most), |packet| {
            let pcap::PacketHeader { ts, caplen, len } = *packet.header;
            // The time was asked for in nanoseconds, which stand where microseconds usually do.
            let time = Time(ts.tv_sec.saturating_mul(Time::SECOND).saturating_add(ts.tv_usec));
            let offset = u32::try_from(batch.data.len()).unwrap_or(u32::MAX);
            batch.data.extend_from_slice(packet.data);
            batch.packets.push(PacketEntry {
                offset,
                captured: caplen,
                original: len.max(caplen),
                link_type: *link_type,
                interface: nth,
                time,
            });
            counted.packets = counted.packets.saturating_add(1);
            counted.bytes = counted.bytes.saturating_add(caplen.into());
            counted.first_time = counted.first_time.or(Some(time));
            counted.last_time = Some(time);
        });
        // Where there may be more, it is not before what came last.
        *reached = match (&taken, counted.last_time) {
            (Ok(Live::AT_ONCE..), Some(last)) => last,
            _ => Time(asked.0.saturating_sub(Live::HANDED_ON)),
        };
        taken.map_err(|error| Lost { interface: self.name.clone(), cause: cause(error) })
    }
}

/// The system's own counts of an interface's packets (`/sys/class/net/IFACE/statistics`), which stay open when nothing else
/// can be opened any more.
struct Traffic {
    counts: Vec<File>,
    /// What they were at first.
    before: u64,
}

impl Traffic {
    /// Where the system has them: `any` is no interface of its own.
    fn of(name: &str) -> Option<Self> {
        let open = |count| File::open(format!("/sys/class/net/{name}/statistics/{count}")).ok();
        let mut traffic = Traffic { counts: vec![open("rx_packets")?, open("tx_packets")?], before: 0 };
        traffic.before = traffic.since()?;
        Some(traffic)
    }

    fn since(&self) -> Option<u64> {
        let count = |file: &File| -> Option<u64> {
            let mut text = [0; 32];
            let read = file.read_at(&mut text, 0).ok()?;
            std::str::from_utf8(text.get(..read)?).ok()?.trim().parse().ok()
        };
        let sum = self.counts.iter().map(count).try_fold(0_u64, |sum, count| Some(sum.saturating_add(count?)))?;
        Some(sum.saturating_sub(self.before))
    }
}

/// The wall clock, which packets' times are of too.
pub(crate) fn now() -> Time {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// libpcap tells a missing privilege in words alone.
fn cause(error: pcap::Error) -> LostCause {
    match &error {
        pcap::Error::PcapError(text) if text.contains("ermission") || text.contains("not permitted") => {
            LostCause::Permission
        }
        _ => LostCause::Pcap(error),
    }
}
