//! The live capture's way through the engine: a thread that does nothing but fill batches, this one that has them
//! analysed, and one that writes. Bounded queues join them, so a slow output holds back the reading, and what then has
//! no room in the kernel's ring is dropped and counted there; nothing here grows.
#![expect(clippy::disallowed_methods, reason = "a live capture waits by the clock, and an idle link is ticked from it")]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use crate::base::Time;
use crate::capture::batch::Behind;
use crate::capture::live::{Live, Lost, now};
use crate::capture::{Batch, Counting, Options};
use crate::defrag::Defrag;
use crate::ledger::{Entry, Item, Output, Stats, Totals};
use crate::record::Text;

use super::analysis::Analysis;
use super::rounds::{Course, Round};
use super::{Bug, Config, Observer, Outcome, Sink, Stopped, Takes, Writing, settings};

/// How long to listen, and what to tell meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The capture ends, what is in hand is finished: set from outside, or here where it ends by itself.
    pub stop: Arc<AtomicBool>,
    /// Ends after so many packets.
    pub packets: Option<u64>,
    /// Ends after so long.
    pub duration: Option<Duration>,
    /// How often a record of [`Stats`] is printed, and a server's at most; no stats where it is `None`.
    pub stats_interval: Option<Duration>,
    /// What is reported once per server is reported again after so many nanoseconds.
    pub renotify: Option<i64>,
}

impl Plan {
    /// A server is told again after so many nanoseconds at the least.
    pub(super) fn server_interval(&self) -> i64 {
        /// Where no stats are printed.
        const USUAL: Duration = Duration::from_mins(1);
        nanoseconds(self.stats_interval.unwrap_or(USUAL))
    }
}

/// Where a live capture runs.
pub(crate) trait Host: Observer {
    /// Octets of memory that the process has.
    fn memory_bytes(&self) -> u64;
    /// Packets that the kernel and the interfaces dropped since the capture began: told once a second by the reading
    /// thread, whatever the others wait for.
    fn dropped(&self, kernel: u64, interface: u64);
    /// Everything counted, once a second.
    fn publish(&self, stats: &Stats);
    /// An interface is gone; the capture ends.
    fn lost(&self, lost: &Lost);
}

/// A batch is handed on when it is full or after so long.
const WAIT: Duration = Duration::from_millis(100);
/// The clock of an idle link follows the wall clock this far behind: what came before it has been handed on by then.
const BEHIND: i64 = 250_000_000;
/// At the end, the kernel is asked for what it still holds until a packet comes that is younger than the end, or nothing
/// for so long ...
const LAST_WAIT: Duration = Duration::from_millis(60);
/// ... but no longer than this.
const LAST: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);
/// Between the reading thread and the engine.
const BATCHES: usize = 2;

/// What the reading thread hands on.
struct Arrival {
    /// Empty where nothing came for a while.
    batch: Batch,
    /// The wall clock when it was handed on.
    now: Time,
    kernel_dropped: u64,
    interface_dropped: u64,
    filtered_out: Option<u64>,
}

/// Analyses what comes on the interfaces until the plan says that it is enough; everything found goes to `sink` as it
/// is found. The sink is called at least ten times a second, also with nothing.
pub(crate) fn watch(
    config: &Config,
    plan: &Plan,
    live: Live,
    sink: &mut dyn Sink,
    host: &dyn Host,
) -> Result<Outcome, Stopped> {
    let threads = config.threads.map_or(0, std::num::NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Stopped::Threads)?;
    let names: Vec<&str> = live.link_types().map(|(name, _)| name).collect();
    let name = PathBuf::from(names.join(","));
    let interfaces: Vec<Arc<str>> = names.into_iter().map(|name| Text(name.as_bytes()).to_string().into()).collect();
    let (arrive, arrivals) = bounded(BATCHES);
    let (give_back, spare) = bounded(BATCHES.saturating_mul(2));
    let (print, printed) = bounded(1);
    thread::scope(|scope| {
        let listening = scope.spawn(move || listen(live, plan, &arrive, &spare, host));
        let writing = scope.spawn(move || printed.into_iter().try_for_each(|outputs| sink.take(outputs)));
        // On a thread of the pool, which the others need not be woken for where it keeps up alone.
        let (finished, lost) = pool.install(|| {
            let mut queue = Queue(print);
            let mut watching = Watching::new(config, plan, &mut queue, host);
            watching.interfaces = interfaces;
            let analysed = watching.begin(name).and_then(|()| watching.run(&arrivals, &give_back));
            // The reading thread is to wait for nobody who is gone.
            drop(arrivals);
            let (live, lost) = joined(listening);
            (analysed.and_then(|()| watching.finish(&live, lost.is_some())), lost)
        });
        let written = joined(writing);
        if let Some(lost) = &lost {
            host.lost(lost);
        }
        // Where writing failed, everything else stopped because of it.
        written.and(finished).map_err(Stopped::Output)
    })
}

/// What a thread of ours came to; its panic goes on here.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The reading thread: until the plan says that it is enough, an interface is gone, or nobody listens any more.
fn listen(
    mut live: Live,
    plan: &Plan,
    arrive: &Sender<Arrival>,
    spare: &Receiver<Batch>,
    host: &dyn Host,
) -> (Live, Option<Lost>) {
    let began = Instant::now();
    let mut counted = began;
    let mut left = plan.packets.unwrap_or(u64::MAX);
    let mut ending: Option<(Instant, Time)> = None;
    loop {
        let mut batch = spare.try_recv().unwrap_or_default();
        let wait = if ending.is_some() { LAST_WAIT } else { WAIT };
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let read = live.read(&mut batch, Options::DEFAULT_BATCH, most, wait, ending.is_some());
        left = left.saturating_sub(batch.packets.len() as u64);
        let over = read.is_err()
            || left == 0
            || ending.is_some_and(|(since, end)| {
                let all = batch.packets.last().is_none_or(|packet| packet.time >= end);
                all || since.elapsed() >= LAST
            });
        if over || counted.elapsed() >= SECOND {
            counted = Instant::now();
            count(&mut live, host);
        }
        let (kernel_dropped, interface_dropped) = live.dropped();
        let filtered_out = live.filtered_out();
        let mut arrival = Arrival { batch, now: now(), kernel_dropped, interface_dropped, filtered_out };
        while let Err(refused) = arrive.send_timeout(arrival, SECOND) {
            match refused {
                // Whoever reads the output has stopped: the drops are told all the same.
                SendTimeoutError::Timeout(again) => arrival = again,
                SendTimeoutError::Disconnected(_) => return (live, read.err()),
            }
            count(&mut live, host);
        }
        if over {
            // Whoever sees to it that the end comes is to know, whatever the reason.
            plan.stop.store(true, Ordering::Relaxed);
            return (live, read.err());
        }
        let stop = plan.stop.load(Ordering::Relaxed) || plan.duration.is_some_and(|most| began.elapsed() >= most);
        if stop && ending.is_none() {
            ending = Some((Instant::now(), now()));
        }
    }
}

fn count(live: &mut Live, host: &dyn Host) {
    live.count();
    let (kernel, interface) = live.dropped();
    host.dropped(kernel, interface);
}

pub(super) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Outputs on their way to the writing thread.
struct Queue(Sender<Vec<Output>>);

impl Sink for Queue {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        // The writing thread has the error.
        self.0.send(outputs).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The analysis of a live capture.
struct Watching<'w> {
    analysis: Analysis,
    counting: Counting,
    course: Course,
    writing: Writing<'w>,
    stats: Stats,
    internal_errors: u64,
    plan: &'w Plan,
    began: Instant,
    /// How many whole seconds after that the counts were published last.
    published: u64,
    /// After so long they are to be printed.
    due: Option<Duration>,
    /// How the interfaces are called together, and each of them.
    name: PathBuf,
    interfaces: Vec<Arc<str>>,
    host: &'w dyn Host,
}

impl<'w> Watching<'w> {
    fn new(config: &Config, plan: &'w Plan, sink: &'w mut dyn Sink, host: &'w dyn Host) -> Self {
        Watching {
            analysis: Analysis::new(settings(config), config.shards, Defrag::new(&config.limits, &config.timeouts)),
            counting: Counting::new(0, Time(i64::MIN)),
            course: Course::default(),
            writing: Writing::live(config, plan, sink),
            stats: Stats::default(),
            internal_errors: 0,
            plan,
            began: Instant::now(),
            published: 0,
            due: plan.stats_interval,
            name: PathBuf::new(),
            interfaces: Vec::new(),
            host,
        }
    }

    fn begin(&mut self, name: PathBuf) -> io::Result<()> {
        self.name.clone_from(&name);
        self.writing.take(vec![name], Vec::new())
    }

    /// Takes what arrives until nothing follows; batches that are done with go back.
    fn run(&mut self, arrivals: &Receiver<Arrival>, give_back: &Sender<Batch>) -> io::Result<()> {
        while let Ok(arrival) = arrivals.recv() {
            let mut round = Round::default();
            let mut next = Some(arrival);
            while let Some(Arrival { mut batch, now, kernel_dropped, interface_dropped, filtered_out }) = next {
                self.counting.number(&batch.packets, Behind::Nothing, &mut batch.runs);
                if batch.packets.is_empty() {
                    self.course.idle(Time(now.0.saturating_sub(BEHIND)), &mut round.marks);
                } else {
                    self.course.watch(&batch, &mut round.marks);
                }
                self.count(&batch);
                self.stats.time = now;
                (self.stats.kernel_dropped, self.stats.interface_dropped) = (kernel_dropped, interface_dropped);
                self.stats.filtered_out = filtered_out;
                round.batches.push(batch);
                next = if round.batches.len() < BATCHES { arrivals.try_recv().ok() } else { None };
            }
            self.analysis.share(round.batches.len() > 1);
            let mut found = self.analysis.round_held(&round, self.writing.holder.as_mut());
            self.name_interfaces(&mut found, &round.batches);
            self.tell_bugs();
            self.writing.take(Vec::new(), found)?;
            self.writing.tick(self.course.clock.now());
            self.tell_state()?;
            for batch in round.batches {
                // Where there are enough of them it is let go.
                let _ = give_back.try_send(batch);
            }
        }
        Ok(())
    }

    fn count(&mut self, batch: &Batch) {
        let stats = &mut self.stats;
        stats.packets = stats.packets.saturating_add(batch.packets.len() as u64);
        let captured: u64 = batch.packets.iter().map(|packet| u64::from(packet.captured)).sum();
        stats.bytes = stats.bytes.saturating_add(captured);
        stats.last_packet = batch.packets.last().map(|packet| packet.time).or(stats.last_packet);
    }

    /// Says of findings on which interface the packet came that completed them, where it is one of this round's: an older
    /// one's is not known any more, unless there is but one.
    fn name_interfaces(&self, entries: &mut [Entry], batches: &[Batch]) {
        let of =
            |packet| batches.iter().find_map(|batch| batch.entry(packet)).map(|entry| usize::from(entry.interface));
        for entry in entries {
            if let Item::Finding(found) = &mut entry.item {
                let only = (self.interfaces.len() == 1).then_some(0);
                let nth = only.or_else(|| of(found.finding.at.ordinal));
                found.interface = nth.and_then(|nth| self.interfaces.get(nth)).cloned();
            }
        }
    }

    fn tell_bugs(&mut self) {
        for (packet, place) in self.analysis.take_bugs() {
            self.internal_errors = self.internal_errors.saturating_add(1);
            let frame = packet.frame().min(self.course.packets);
            self.host.internal_error(&Bug { capture: self.name.clone(), frame, place });
        }
    }

    /// The servers of which something new is known, and from time to time what was counted.
    fn tell_state(&mut self) -> io::Result<()> {
        let elapsed = self.began.elapsed();
        let mut outputs = Vec::new();
        let now = Time(nanoseconds(elapsed));
        self.writing.ledger.tell_servers(now, &mut |server| outputs.push(server));
        let due = self.due.is_some_and(|due| elapsed >= due);
        if due || elapsed.as_secs() > self.published {
            self.published = elapsed.as_secs();
            self.sum_up();
            self.host.publish(&self.stats);
        }
        if due {
            // Where the output was blocked for long, what is missed is not made up for.
            let interval = self.plan.stats_interval.unwrap_or(SECOND);
            self.due = self.due.map(|due| due.saturating_add(interval).max(elapsed));
            outputs.push(Output::Stats(Box::new(self.stats.clone())));
        }
        if outputs.is_empty() { Ok(()) } else { self.writing.sink.take(outputs) }
    }

    /// Brings the counts up to date that others keep.
    fn sum_up(&mut self) {
        let mut totals = Totals::default();
        self.analysis.count(&mut totals);
        totals.add(&self.analysis.of_shards());
        let (sessions, findings) = self.writing.ledger.counts();
        self.stats.connections = totals.connections;
        self.stats.open_connections = self.analysis.open_connections();
        self.stats.sessions = sessions;
        self.stats.findings.clone_from(findings);
        self.stats.limits_hit = totals.limits_hit;
        self.stats.limits_hit.merge(self.writing.ledger.limits_hit());
        if let Some(holder) = &self.writing.holder {
            self.stats.limits_hit.merge(holder.limits_hit());
        }
        self.stats.memory_bytes = self.host.memory_bytes();
    }

    /// The end of all connections, then the servers and the summary.
    fn finish(mut self, live: &Live, lost: bool) -> io::Result<Outcome> {
        self.analysis.share(true);
        let mut ended = self.analysis.finish();
        self.name_interfaces(&mut ended, &[]);
        self.tell_bugs();
        self.writing.take(Vec::new(), ended)?;
        let (kernel, interface) = live.dropped();
        let mut totals = Totals {
            captures: live.captures(),
            problems: u64::from(lost),
            packets: self.stats.packets,
            bytes: self.stats.bytes,
            first_time: self.course.span.map(|(first, _)| first),
            last_time: self.course.span.map(|(_, last)| last),
            capture_dropped: kernel.saturating_add(interface),
            filtered_out: live.filtered_out(),
            time_backwards: self.course.clock.backwards,
            time_jumps: self.course.clock.jumps,
            internal_errors: self.internal_errors,
            ..Totals::default()
        };
        self.analysis.count(&mut totals);
        totals.add(&self.analysis.of_shards());
        Ok(self.writing.finish(totals)?.0)
    }
}
