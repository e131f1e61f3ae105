//! `nftrap top`: what happens now, live, on a terminal.
//!
//! Threads bring what happens (`feed`), the model takes it in (`model`), keys change it (`keys`), and it is drawn (`view`), ten times a
//! second at most. Only this file and `feed` know a clock, a terminal or the daemon.

use std::io::{self, IsTerminal as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};

use self::feed::{Feed, Input};
use self::keys::Wish;
use self::model::{Model, Told};
use self::view::Look;
use super::ask::Instance;
use super::{Output, output};
use crate::kernel::clock::Clock;
use crate::time::Moment;

mod feed;
mod keys;
mod model;
#[cfg(test)]
mod samples;
mod view;
mod words;

/// Between two pictures; more of them nobody sees.
const FRAME: Duration = Duration::from_millis(100);
/// Ages move although nothing happens.
const IDLE: Duration = Duration::from_secs(1);

/// Watch a scan live, on a terminal: rates, sources, ports, blocks.
///
/// Nothing that happened before is counted; `?` shows the keys. `NO_COLOR` in the environment is obeyed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    instance: Instance,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match arguments.instance.config().and_then(|config| watch(&config.table)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => super::complain(&problem),
    }
}

fn watch(table: &str) -> Result<(), String> {
    if !stdout().is_terminal() {
        return Err("nftrap top draws on a terminal, and standard output is none: \
                    for a script or a file, `nftrap status --json` says the same once"
            .to_owned());
    }
    let clock = Clock::start();
    let mut model = Model::new(clock.now());
    // Who cannot be helped by waiting learns so before the screen is taken.
    model.take(clock.now(), Told::Status(feed::status(table)?));
    let no_thread = |error: io::Error| format!("cannot start a thread for the screen: {error}");
    let (feed, into) = feed::follow(table).map_err(no_thread)?;
    let shown = show(&clock, &mut model, &feed, &into);
    let restored = ratatui::try_restore();
    shown?;
    restored.map_err(|error| format!("cannot give the terminal back: {error}; `reset` does"))
}

/// Draws and takes in, until somebody wants it to end.
fn show(clock: &Clock, model: &mut Model, feed: &Feed, into: &Sender<Input>) -> Result<(), String> {
    let no_screen = |error: io::Error| format!("cannot draw on this terminal: {error}");
    let mut terminal = ratatui::try_init().map_err(no_screen)?;
    feed::watch_terminal(into).map_err(no_screen)?;
    let look = if output() == Output::Terminal { Look::Colours } else { Look::Plain };
    loop {
        let now = clock.now();
        terminal.draw(|frame| view::draw(frame, model, now, look)).map_err(no_screen)?;
        if let Some(end) = gather(clock, model, feed, now.plus(FRAME)) {
            return end;
        }
    }
}

/// Takes in all that comes until the next picture is due, at once after a key; something, if it is to end.
fn gather(clock: &Clock, model: &mut Model, feed: &Feed, due: Moment) -> Option<Result<(), String>> {
    let mut wait = IDLE;
    loop {
        let input = match feed.inputs.recv_timeout(wait) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some(Ok(())),
        };
        let now = clock.now();
        match input {
            Input::Told(told) => model.take(now, told),
            Input::Resized => return None,
            Input::End(None) => return Some(Ok(())),
            Input::End(Some(reason)) => return Some(Err(reason)),
            Input::Key(key) => match keys::read(key, model.mode()) {
                Some(Wish::Quit) => return Some(Ok(())),
                Some(Wish::Change(change)) => {
                    if let Some(errand) = model.apply(now, change)
                        && feed.errands.try_send(errand).is_err()
                    {
                        model.take(now, Told::Changed(Err("nftrap does not answer: try again when it does".into())));
                    }
                    return None;
                }
                None => {}
            },
        }
        wait = due.since(now);
    }
}
