//! The outcome of a replay, as a table for people or as JSON lines. Times are seconds since the first packet.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::plain::counted;
use crate::detect::distributed::Scan;
use crate::replay::Outcome;
use crate::replay::sides::{Basis, Sides};
use crate::replay::tally::Offender;

/// Sources that are named of one scan.
const NAMED: usize = 16;

/// A table of offenders, then what was read and what to know of it.
pub(super) fn text(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    writeln!(out, "protected: {}", protected(&outcome.sides))?;
    let offenders = outcome.tally.offenders();
    if !offenders.is_empty() {
        let [source, first, decided, hits, probes, all] = ["source", "first", "decided", "hits", "probes", "in all"];
        writeln!(out, "\n{source:<24} {first:>12} {decided:>12} {hits:>5} {probes:>7} {all:>8}  deciding probe")?;
    }
    for offender in offenders {
        offender_row(out, offender)?;
    }
    for scan in &outcome.distributed {
        scan_row(out, scan)?;
    }
    let read = &outcome.read;
    writeln!(
        out,
        "\n{} of {} packets suspicious, {}, {:.3} seconds",
        outcome.tally.suspicious(),
        read.packets,
        counted(u64::try_from(offenders.len()).unwrap_or(u64::MAX), "offender"),
        outcome.length.as_secs_f64(),
    )?;
    for (count, what) in [
        (outcome.tally.unlisted(), "more blocks are not listed: there are too many offenders"),
        (read.not_ip, "frames without an IP packet"),
        (read.unknown_link, "frames of a link type that is not read here"),
        (read.malformed, "IP packets that cannot be read"),
        (outcome.late, "packets too far out of order to be sorted: judged when they came"),
        (outcome.restarts, "times the clock jumped back, as where captures are joined: it went on from there"),
        (outcome.forgotten, "facts about hosts and ports forgotten for lack of room: what serves may look unserved"),
    ] {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    Ok(())
}

fn offender_row(out: &mut impl Write, offender: &Offender) -> io::Result<()> {
    let (probe, place) = (&offender.probe, &offender.probe.contact);
    writeln!(
        out,
        "{:<24} {:>12.3} {:>12.3} {:>5} {:>7} {:>8}  {} to {} {}/{}",
        offender.source.to_string(),
        offender.first.since_start().as_secs_f64(),
        offender.decided.since_start().as_secs_f64(),
        offender.hits,
        offender.probes,
        offender.total,
        probe.kind,
        place.destination,
        place.port,
        place.protocol
    )
}

/// Who took part is named as far as a line is read.
fn scan_row(out: &mut impl Write, scan: &Scan) -> io::Result<()> {
    let named = scan.members.iter().take(NAMED).map(|member| member.source.to_string());
    writeln!(
        out,
        "\n{:.3} to {:.3}: {} sources share a scan of {}, {} ports: {}{}",
        scan.first.since_start().as_secs_f64(),
        scan.last.since_start().as_secs_f64(),
        scan.members.len(),
        scan.destination,
        scan.places,
        named.collect::<Vec<_>>().join(" "),
        if scan.members.len() > NAMED { " ..." } else { "" },
    )
}

fn protected(sides: &Sides) -> String {
    let list = prefixes(sides).join(", ");
    match sides.basis {
        Basis::Named => list,
        Basis::Guessed if list.is_empty() => String::from("nobody, for nobody was seen"),
        Basis::Guessed => format!("{list} (guessed; --protect says it)"),
    }
}

fn prefixes(sides: &Sides) -> Vec<String> {
    let v4 = sides.protected.v4().iter().map(ToString::to_string);
    v4.chain(sides.protected.v6().iter().map(ToString::to_string)).collect()
}

/// Every offender, then the scans that many sources share, then the totals.
pub(super) fn json(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    for offender in outcome.tally.offenders() {
        line(out, &OffenderLine::of(offender))?;
    }
    for scan in &outcome.distributed {
        line(out, &ScanLine::of(scan))?;
    }
    line(out, &TotalsLine::of(outcome))
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

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

#[derive(Serialize)]
struct ScanLine {
    distributed: String,
    sources: usize,
    places: u32,
    first: f64,
    last: f64,
    among: Vec<String>,
}

impl ScanLine {
    fn of(scan: &Scan) -> Self {
        Self {
            distributed: scan.destination.to_string(),
            sources: scan.members.len(),
            places: scan.places,
            first: scan.first.since_start().as_secs_f64(),
            last: scan.last.since_start().as_secs_f64(),
            among: scan.members.iter().map(|member| member.source.to_string()).collect(),
        }
    }
}

#[derive(Serialize)]
struct TotalsLine {
    offenders: usize,
    distributed_scans: usize,
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
    protected: Vec<String>,
    guessed: bool,
}

impl TotalsLine {
    fn of(outcome: &Outcome) -> Self {
        let read = &outcome.read;
        Self {
            offenders: outcome.tally.offenders().len(),
            distributed_scans: outcome.distributed.len(),
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
            protected: prefixes(&outcome.sides),
            guessed: outcome.sides.basis == Basis::Guessed,
        }
    }
}
