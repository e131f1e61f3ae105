//! `nftrap events`: what happens, as it happens, until Ctrl-C, until nobody reads any more, or until the daemon ends.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use super::ask::{self, Instance};
use super::plain::json_line;
use super::words;
use crate::control::client::{self, ClientError};
use crate::control::wire::Request;

/// Follow what happens, until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Also what sources do that are not blocked yet.
    #[arg(long)]
    watched: bool,
    #[command(flatten)]
    instance: Instance,
    /// One JSON object a line for each event.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let table = match arguments.instance.config() {
        Ok(config) => config.table,
        Err(problem) => return super::complain(&problem),
    };
    if let Err(error) = end_when_told().and_then(|()| end_when_nobody_reads()) {
        return super::complain(&format!("cannot wait for events: {error}"));
    }
    let (output, mut written) = (super::output(), Ok(()));
    let request = Request::Events { watched: arguments.watched };
    let asked = client::ask(&table, &request, &mut |part| {
        let line = if arguments.json { json_line(&part) } else { words::line(&part, output) };
        written = write(&line);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match (written, asked) {
        (Err(error), _) => super::written(Err(error)),
        (Ok(()), Ok(()) | Err(ClientError::Broken)) => {
            super::complain("nftrap has ended: its log says why (`journalctl -u nftrap`)")
        }
        (Ok(()), Err(error)) => super::complain(&ask::problem(&error)),
    }
}

/// Each at once: somebody waits for it.
fn write(line: &str) -> io::Result<()> {
    let mut out = super::page();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Ctrl-C is how one is expected to leave. Every line is whole by then.
fn end_when_told() -> io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    flag::register_conditional_shutdown(SIGINT, 0, always).map(|_id| ())
}

/// There may be no next event whose line would not be taken.
fn end_when_nobody_reads() -> io::Result<()> {
    let wait = || {
        let stdout = super::standard_output();
        let mut gone = [PollFd::new(&stdout, PollFlags::empty())];
        // A file never says so, and a read end that is closed does at once.
        if poll(&mut gone, None).is_ok() {
            super::leave();
        }
    };
    thread::Builder::new().name("reader".into()).spawn(wait).map(|_thread| ())
}
