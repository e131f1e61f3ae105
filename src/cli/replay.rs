//! `nftrap replay`: capture files through the detector, as a table for people or as JSON lines.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use ipnet::IpNet;

use super::plain::counted;
use super::run::config_of;
use crate::config::Config;
use crate::detect::prefixes::Prefixes;
use crate::replay::{Outcome, Progress, replay};

mod save;
mod show;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Capture files: pcap or pcapng, plain or gzipped. Several are parts of one capture.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Count only what was sent to these networks or addresses; else the config's; without any, the side to protect is
    /// guessed. Commas between them, or once for each.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',', value_parser = prefix)]
    protect: Vec<IpNet>,
    /// The config file; without it, the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object a line: every offender, then the totals.
    #[arg(long)]
    json: bool,
    /// Write the offenders' probes to this new file, as a capture that can be replayed with the same --protect.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
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
    if let Some(path) = arguments.write.as_deref()
        && let Err(refusal) = save::refuse_what_is_there(path)
    {
        eprintln!("{}: {refusal}", path.display());
        return ExitCode::FAILURE;
    }
    let outcome = watched(|tell| replay(&arguments.files, &config, &protected(arguments, &config), tell));
    let read_nothing = outcome.read.packets == 0 && !outcome.faults.is_empty();
    let written = if read_nothing { Ok(()) } else { write(arguments, &outcome) };
    let saved = read_nothing || save(arguments, &config, &outcome);
    let whole = says_what_was_not_read(&outcome);
    match written {
        // Who reads the output has seen enough of it.
        Err(error) if saved && error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the result could not be written: {error}; check where the output goes");
            ExitCode::FAILURE
        }
        Ok(()) if saved && whole => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
    }
}

/// Whether everything was read; else says what was not.
#[expect(clippy::print_stderr, reason = "a command talks to who calls it")]
fn says_what_was_not_read(outcome: &Outcome) -> bool {
    for (file, fault) in &outcome.faults {
        eprintln!("{}: {fault}", file.display());
    }
    let unread = outcome.read.nothing_readable();
    if let Some(link) = unread {
        eprintln!(
            "no packet was judged: link type {link} is not read here; capture on an Ethernet, `any` or IP interface"
        );
    }
    outcome.faults.is_empty() && unread.is_none()
}

fn protected(arguments: &Arguments, config: &Config) -> Prefixes {
    if arguments.protect.is_empty() { config.protect.clone() } else { Prefixes::new(&arguments.protect) }
}

/// Does `work`, and says how far it is to who waits at a terminal.
#[expect(clippy::print_stderr, reason = "progress is for who waits at the terminal")]
fn watched<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    if !stderr().is_terminal() {
        return work(&mut |_| ());
    }
    let done = work(&mut tell);
    eprint!("\r\x1b[K");
    done
}

/// Writes what the operator wants to have; whether that worked.
#[expect(clippy::print_stderr, reason = "a command talks to who calls it")]
fn save(arguments: &Arguments, config: &Config, outcome: &Outcome) -> bool {
    let Some(path) = arguments.write.as_deref() else { return true };
    match watched(|tell| save::save(path, &arguments.files, config, outcome, tell)) {
        Ok(0) => {}
        Ok(missing) => {
            eprintln!(
                "{}: {} not found by it alone: what gave them away is in others' packets, which are left out",
                path.display(),
                counted(missing, "offender")
            );
        }
        Err(error) => {
            eprintln!("{}: it cannot be written: {error}; make room there, or name another file", path.display());
            return false;
        }
    }
    true
}

fn write(arguments: &Arguments, outcome: &Outcome) -> io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    if arguments.json { show::json(&mut out, outcome) } else { show::text(&mut out, outcome) }?;
    out.flush()
}

/// A network, or an address that stands for itself.
pub(super) fn prefix(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    network.or_else(address).ok_or("neither an address nor a network: write it as 192.0.2.1 or 2001:db8::/32")
}

#[expect(clippy::print_stderr, reason = "progress is for who waits at the terminal")]
fn tell(progress: Progress) {
    match progress {
        Progress { pass, packets, of: Some(of) } => eprint!("\r\x1b[Kpass {pass}: {packets} of {of} packets"),
        Progress { pass, packets, of: None } => eprint!("\r\x1b[Kpass {pass}: {packets} packets"),
    }
}
