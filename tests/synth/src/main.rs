//! `synth`: dialogue files to captures, traffic by the gigabyte, and its truth against what was found.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use synth::traffic::{self, Kind, Recipe};
use synth::{Acks, Cut, Dialogue, LinkType, Plan, Rendered, compare, pcap, pcapng, render};

/// Dialogue files to captures.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Renders one dialogue.
    Render {
        /// The dialogue file.
        dialogue: PathBuf,
        /// Where the capture goes; else beside the dialogue.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// `pcap`, `pcap-ns`, `pcap-be`, `pcapng` or `pcapng-be`.
        #[arg(long, default_value = "pcap")]
        format: String,
        /// Splits the packets over so many files, numbered before the suffix.
        #[arg(long, default_value_t = 1)]
        files: usize,
        #[command(flatten)]
        plan: Choices,
    },
    /// Renders each `*.smtp` below a directory to a `.pcap` beside it.
    RenderTree {
        /// The directory.
        directory: PathBuf,
        /// Writes nothing; fails where a capture is missing or differs.
        #[arg(long)]
        check: bool,
    },
    /// Writes traffic by the gigabyte and prints what it holds (see `synth::traffic`).
    Generate(Generate),
    /// Compares the records of a scan with the truth; prints the differences, and fails where there are any.
    Compare {
        /// What `generate --truth` wrote.
        truth: PathBuf,
        /// `mailtap scan --format jsonl --records findings,sessions,servers,summary`.
        records: PathBuf,
    },
    /// Renders dialogues, has them scanned and prints where the records are not those that the dialogues expect, findings
    /// aside; fails where there are any that have no name, a name without a difference, or more than one dialogue in a hundred.
    Check {
        /// The dialogue files, `SERVER.dialogues`.
        dialogues: Vec<PathBuf>,
        /// Differences that are known, one a line: server, number (the client's port less 10000), name.
        #[arg(long)]
        names: Option<PathBuf>,
        /// The binary that scans.
        #[arg(long)]
        mailtap: PathBuf,
    },
}

/// What `generate` makes; what is left out is the kind's own default.
#[derive(Args)]
struct Generate {
    /// `span`, `relay`, `tiny` or `flood`.
    kind: String,
    /// About how many octets; K, M and G are powers of 1000.
    #[arg(long, value_parser = size)]
    bytes: u64,
    /// What every random choice depends on.
    #[arg(long)]
    seed: Option<u64>,
    /// Flows that run at the same time.
    #[arg(long)]
    flows: Option<usize>,
    /// Mail sessions, of a thousand flows.
    #[arg(long)]
    mail: Option<u32>,
    /// Octets of the largest mail and of the largest transfer that is none.
    #[arg(long)]
    largest: Option<usize>,
    /// Not captured, of a thousand packets that clients send.
    #[arg(long)]
    loss: Option<u32>,
    /// Captured behind the next packet of their flow, of a thousand.
    #[arg(long)]
    reorder: Option<u32>,
    /// Mail sessions that bring findings, of a thousand.
    #[arg(long)]
    planted: Option<u32>,
    /// So many SYNs and nothing else, whatever the size.
    #[arg(long)]
    syns: Option<u64>,
    /// Where the capture goes.
    #[arg(short, long)]
    output: PathBuf,
    /// Where the truth goes: every session and every finding.
    #[arg(long)]
    truth: Option<PathBuf>,
}

impl Generate {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let kind = Kind::named(&self.kind).ok_or_else(|| format!("no traffic is called {}", self.kind))?;
        let default = Recipe::new(kind, self.bytes);
        let recipe = Recipe {
            seed: self.seed.unwrap_or(default.seed),
            flows: self.flows.unwrap_or(default.flows),
            mail: self.mail.unwrap_or(default.mail),
            mail_bytes: *default.mail_bytes.start()..=self.largest.unwrap_or(*default.mail_bytes.end()),
            transfer_bytes: *default.transfer_bytes.start()..=self.largest.unwrap_or(*default.transfer_bytes.end()),
            loss: self.loss.unwrap_or(default.loss),
            reorder: self.reorder.unwrap_or(default.reorder),
            planted: self.planted.unwrap_or(default.planted),
            syns: self.syns.unwrap_or(default.syns),
            ..default
        };
        let mut capture = fs::File::create(&self.output)?;
        let mut truth: Box<dyn Write> = match &self.truth {
            Some(path) => Box::new(BufWriter::new(fs::File::create(path)?)),
            None => Box::new(io::sink()),
        };
        let totals = recipe.write(&mut capture, &mut truth)?;
        write!(io::stdout(), "{totals}")?;
        Ok(())
    }
}

/// A number of octets: `100M`.
fn size(text: &str) -> Result<u64, String> {
    let units = [('K', 1_000), ('M', 1_000_000), ('G', 1_000_000_000)];
    let unit = units.iter().find_map(|&(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (digits, factor) = unit.unwrap_or((text, 1_u64));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| format!("`{text}` is no size such as 100M"))
}

/// The options of a plan (see `synth::Plan`).
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Args)]
struct Choices {
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 1460)]
    mss: usize,
    /// `writes`, `lines` or `random`.
    #[arg(long, default_value = "writes")]
    cut: String,
    /// `delayed`, `every` or `piggyback`.
    #[arg(long, default_value = "delayed")]
    acks: String,
    #[arg(long)]
    unacknowledged: bool,
    #[arg(long)]
    near_wrap: bool,
    #[arg(long)]
    data_on_syn: bool,
    #[arg(long)]
    data_on_fin: bool,
    #[arg(long)]
    keep_alives: bool,
    /// Of a thousand.
    #[arg(long, default_value_t = 0)]
    duplicate: u32,
    /// Of a thousand.
    #[arg(long, default_value_t = 0)]
    retransmit: u32,
    /// Of a thousand.
    #[arg(long, default_value_t = 0)]
    reorder: u32,
    /// Of a thousand.
    #[arg(long, default_value_t = 0)]
    drop: u32,
    /// In packets.
    #[arg(long, default_value_t = 0)]
    delay_client: usize,
    /// In packets.
    #[arg(long, default_value_t = 0)]
    delay_server: usize,
    /// `ethernet`, `cooked`, `cooked2`, `raw`, `null` or `loop`.
    #[arg(long, default_value = "ethernet")]
    link: String,
    /// Ids, the outermost first.
    #[arg(long, value_delimiter = ',')]
    vlans: Vec<u16>,
    #[arg(long)]
    ipv6: bool,
    #[arg(long)]
    fragment: Option<usize>,
    #[arg(long)]
    fragments_reversed: bool,
    #[arg(long, default_value_t = 262_144)]
    snap_length: u32,
    /// Nanoseconds from one packet to the next.
    #[arg(long, default_value_t = 1_000_000)]
    pace: u64,
}

impl Choices {
    fn plan(&self) -> Result<Plan, String> {
        let cut = match &self.cut[..] {
            "writes" => Cut::Writes,
            "lines" => Cut::Lines,
            "random" => Cut::Random,
            other => return Err(format!("no cut is called {other}")),
        };
        let acks = match &self.acks[..] {
            "delayed" => Acks::Delayed,
            "every" => Acks::Every,
            "piggyback" => Acks::Piggyback,
            other => return Err(format!("no acknowledgements are called {other}")),
        };
        let link = LinkType::named(&self.link).ok_or_else(|| format!("no link type is called {}", self.link))?;
        let plan = Plan::new()
            .seed(self.seed)
            .mss(self.mss)
            .cut(cut)
            .acks(acks)
            .unacknowledged(self.unacknowledged)
            .near_wrap(self.near_wrap)
            .data_on_syn(self.data_on_syn)
            .data_on_fin(self.data_on_fin)
            .keep_alives(self.keep_alives)
            .duplicate(self.duplicate)
            .retransmit(self.retransmit)
            .reorder(self.reorder)
            .drop(self.drop)
            .delay([self.delay_client, self.delay_server])
            .link(link)
            .vlans(&self.vlans)
            .ipv6(self.ipv6)
            .fragments_reversed(self.fragments_reversed)
            .snap_length(self.snap_length)
            .pace(self.pace);
        Ok(match self.fragment {
            Some(longest) => plan.fragment(longest),
            None => plan,
        })
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "synth: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Render { dialogue, output, format, files, plan } => {
            let rendered = render(&read(&dialogue)?, &plan.plan()?);
            let output = output.unwrap_or_else(|| dialogue.with_extension("pcap"));
            for (number, packets) in (1..).zip(pcap::split(&rendered.packets, files)) {
                let part = Rendered { packets: packets.to_vec(), ..rendered.clone() };
                let path = if files > 1 { numbered(&output, number) } else { output.clone() };
                fs::write(path, encoded(&part, &format)?)?;
            }
        }
        Command::RenderTree { directory, check } => return render_tree(&directory, check),
        Command::Generate(generate) => generate.run()?,
        Command::Compare { truth, records } => {
            let open = |path: &Path| {
                let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok::<_, String>(BufReader::new(file))
            };
            let wrong = traffic::differences(open(&truth)?, open(&records)?)?;
            for line in wrong.iter().take(20) {
                writeln!(io::stdout(), "{line}")?;
            }
            if let Some(more @ 1..) = wrong.len().checked_sub(20) {
                writeln!(io::stdout(), "and {more} more")?;
            }
            return Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Check { dialogues, names, mailtap } => {
            let names = names.map_or_else(|| Ok(BTreeMap::new()), |path| known_differences(&path))?;
            return check(&dialogues, names, &mailtap);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Server and the client's port, and the name of the difference.
type Names = BTreeMap<(String, u16), String>;

fn known_differences(path: &Path) -> Result<Names, Box<dyn Error>> {
    /// The client's port of dialogue 0.
    const FIRST_PORT: u16 = 10_000;
    let mut names = Names::new();
    for line in fs::read_to_string(path)?.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[server, number, name] = words.as_slice() else { return Err(format!("no name: {line}").into()) };
        let port = number.parse::<u16>()?.checked_add(FIRST_PORT).ok_or("a number above all ports")?;
        names.insert((server.to_owned(), port), name.to_owned());
    }
    Ok(names)
}

fn check(dialogues: &[PathBuf], mut known: Names, mailtap: &Path) -> Result<ExitCode, Box<dyn Error>> {
    /// One dialogue in so many may differ.
    const ONE_IN: usize = 100;
    let (mut all, mut excused, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for path in dialogues {
        let dialogue = read(path)?;
        let server = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let records = compare::scan(&dialogue, &Plan::new(), mailtap)?;
        for connection in &dialogue.connections {
            let port = connection.client.port();
            let mut found = compare::of_connection(connection, &records);
            match known.remove(&(server.clone(), port)) {
                Some(name) if !found.is_empty() => {
                    excused.push(name);
                    found.clear();
                }
                Some(name) => found.push(format!("no {name} any more")),
                None => {}
            }
            for difference in &found {
                writeln!(io::stdout(), "{}: port {port}: {difference}", path.display())?;
            }
            wrong.extend((!found.is_empty()).then_some(port));
            all.push(port);
        }
        writeln!(io::stdout(), "{}: {} dialogues", path.display(), dialogue.connections.len())?;
    }
    excused.sort();
    for name in excused.chunk_by(|one, other| one == other) {
        writeln!(io::stdout(), "{} differ by {}", name.len(), name.first().map_or("", String::as_str))?;
    }
    writeln!(io::stdout(), "of {} dialogues {} differ without a name", all.len(), wrong.len())?;
    let few = excused.len() <= all.len() / ONE_IN;
    Ok(if wrong.is_empty() && few { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<Dialogue, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Dialogue::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn encoded(rendered: &Rendered, format: &str) -> Result<Vec<u8>, String> {
    let format = match format {
        "pcapng" => return Ok(pcapng::bytes(&rendered.packets, rendered.link, false)),
        "pcapng-be" => return Ok(pcapng::bytes(&rendered.packets, rendered.link, true)),
        "pcap" => pcap::Format::default(),
        "pcap-ns" => pcap::Format { nanoseconds: true, ..pcap::Format::default() },
        "pcap-be" => pcap::Format { big_endian: true, ..pcap::Format::default() },
        other => return Err(format!("no format is called {other}")),
    };
    Ok(pcap::bytes(&rendered.packets, rendered.link, format))
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let suffix = path.extension().unwrap_or_default().to_string_lossy();
    path.with_extension(format!("{number}.{suffix}"))
}

fn render_tree(directory: &Path, check: bool) -> Result<ExitCode, Box<dyn Error>> {
    let mut dialogues = Vec::new();
    collect(directory, &mut dialogues)?;
    dialogues.sort();
    let mut stale = Vec::new();
    for path in &dialogues {
        let bytes = render(&read(path)?, &Plan::new()).pcap();
        let capture = path.with_extension("pcap");
        if fs::read(&capture).is_ok_and(|old| old == bytes) {
            continue;
        }
        if check {
            writeln!(io::stderr(), "synth: {} is not what its dialogue renders to", capture.display())?;
        } else {
            fs::write(&capture, bytes)?;
        }
        stale.push(capture);
    }
    let done = if check { "stale" } else { "rendered anew" };
    writeln!(io::stdout(), "{} dialogues, {} {done}", dialogues.len(), stale.len())?;
    Ok(if check && !stale.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|suffix| suffix == "smtp") {
            into.push(path);
        }
    }
    Ok(())
}
