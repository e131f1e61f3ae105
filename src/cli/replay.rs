//! `nftrap replay`: capture files through the detector, as a table for people or as JSON lines.

use std::io::{IsTerminal, Write, stderr};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::run::config_of;
use crate::detect::prefixes::Prefixes;
use crate::replay::tally::Offender;
use crate::replay::{Outcome, Progress, replay};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Capture files: pcap or pcapng, plain or gzipped. Several are parts of one capture.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Count only what was sent to these networks or addresses; else the config's, and without any, all destinations.
    #[arg(long, value_name = "PREFIX", num_args = 1.., value_parser = prefix)]
    protect: Vec<IpNet>,
    /// The config file; without it, the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object a line: every offender, then the totals.
    #[arg(long)]
    json: bool,
}

#[expect(clippy::print_stderr, reason = "a command talks to who calls it")]
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match config_of(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    let protect = if arguments.protect.is_empty() { config.protect.clone() } else { Prefixes::new(&arguments.protect) };
    let outcome = replay(&arguments.files, &config, &protect, &mut |progress| show(progress));
    if stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    if arguments.json {
        print_json(&outcome);
    } else {
        print_text(&outcome);
    }
    for (file, fault) in &outcome.faults {
        eprintln!("{}: {fault}", file.display());
    }
    if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A network, or an address that stands for itself.
fn prefix(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    network.or_else(address).ok_or("neither an address nor a network: write it as 192.0.2.1 or 2001:db8::/32")
}

#[expect(clippy::print_stderr, reason = "progress is for who waits at the terminal")]
fn show(progress: Progress) {
    if !stderr().is_terminal() {
        return;
    }
    let of = progress.of.map_or(String::new(), |of| format!(" of {of}"));
    eprint!("\r\x1b[Kpass {} of 2: {}{of} packets", progress.pass, progress.packets);
    let (Ok(()) | Err(_)) = stderr().flush(); // nobody waits for this line
}

#[expect(clippy::print_stdout, reason = "a command talks to who calls it")]
fn print_text(outcome: &Outcome) {
    let offenders = outcome.tally.offenders();
    if !offenders.is_empty() {
        println!(
            "{:<39} {:>10} {:>10} {:>5} {:>7} {:>9}  DECIDING PROBE",
            "SOURCE", "FIRST", "DECIDED", "HITS", "PROBES", "IN ALL"
        );
    }
    for offender in offenders {
        let (probe, place) = (&offender.probe, &offender.probe.contact);
        println!(
            "{:<39} {:>10} {:>10} {:>5} {:>7} {:>9}  {} to {} {}/{}",
            offender.source.to_string(),
            clock(offender.first.since_start()),
            clock(offender.decided.since_start()),
            offender.hits,
            offender.probes,
            offender.total,
            probe.kind,
            place.destination,
            place.port,
            place.protocol
        );
    }
    let read = &outcome.read;
    println!(
        "{} offenders; {} packets in {} seconds, {} suspicious",
        offenders.len(),
        read.packets,
        clock(outcome.length),
        outcome.tally.suspicious()
    );
}

fn clock(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// An offender, as JSON.
#[derive(Serialize)]
struct OffenderLine {
    offender: String,
    first: f64,
    decided: f64,
    destination: String,
    protocol: String,
    port: u16,
    kind: &'static str,
    hits: u8,
    probes: u64,
    probes_in_all: u64,
    blocks: u64,
}

impl OffenderLine {
    fn of(offender: &Offender) -> Self {
        let place = &offender.probe.contact;
        Self {
            offender: offender.source.to_string(),
            first: offender.first.since_start().as_secs_f64(),
            decided: offender.decided.since_start().as_secs_f64(),
            destination: place.destination.to_string(),
            protocol: place.protocol.to_string(),
            port: place.port,
            kind: offender.probe.kind.name(),
            hits: offender.hits,
            probes: offender.probes,
            probes_in_all: offender.total,
            blocks: offender.blocks,
        }
    }
}

/// The totals, as JSON.
#[derive(Serialize)]
struct TotalsLine {
    offenders: usize,
    unlisted: u64,
    packets: u64,
    seconds: f64,
    suspicious: u64,
    not_ip: u64,
    unknown_link: u64,
    malformed: u64,
    late: u64,
    restarts: u64,
    forgotten: u64,
    unreadable_files: usize,
}

#[expect(clippy::print_stdout, reason = "a command talks to who calls it")]
fn print_json(outcome: &Outcome) {
    for offender in outcome.tally.offenders() {
        println!("{}", line(&OffenderLine::of(offender)));
    }
    let read = &outcome.read;
    println!(
        "{}",
        line(&TotalsLine {
            offenders: outcome.tally.offenders().len(),
            unlisted: outcome.tally.unlisted(),
            packets: read.packets,
            seconds: outcome.length.as_secs_f64(),
            suspicious: outcome.tally.suspicious(),
            not_ip: read.not_ip,
            unknown_link: read.unknown_link,
            malformed: read.malformed,
            late: outcome.late,
            restarts: outcome.restarts,
            forgotten: outcome.forgotten,
            unreadable_files: outcome.faults.len(),
        })
    );
}

fn line(value: &impl Serialize) -> String {
    // Numbers and texts only: this does not fail.
    serde_json::to_string(value).unwrap_or_default()
}
