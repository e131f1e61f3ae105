//! The threads that bring what the screen shows: status, events, answers, keys, signals. **Bounded:** all of it comes through one
//! channel; when the screen does not keep up with events, the daemon is read more slowly, and tells how many were missed.

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, tick};
use ipnet::IpNet;
use ratatui::crossterm::event::{self as terminal, KeyEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::ask;
use super::model::{Errand, Told};
use crate::control::client;
use crate::control::wire::{Changed, Missed, Request, Shown, Status};
use crate::event::Watched;

/// What waits to be shown; more than this and the screen does not keep up.
const PENDING: usize = 1024;
/// Errands that wait: an operator's fingers are slower.
const ERRANDS: usize = 8;
/// Between two questions, and two attempts to follow.
const PERIOD: Duration = Duration::from_secs(1);

/// What comes in.
#[derive(Debug)]
pub(super) enum Input {
    /// From the daemon.
    Told(Told),
    /// From the operator.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// It is time to end: a signal, or, with a reason, a thread that cannot go on.
    End(Option<String>),
}

/// Where all that comes in is taken, and where errands are given.
#[derive(Debug)]
pub(super) struct Feed {
    /// What comes in.
    pub(super) inputs: Receiver<Input>,
    /// What is to be asked.
    pub(super) errands: Sender<Errand>,
}

/// Starts the threads that talk to the daemon of `table`.
pub(super) fn follow(table: &str) -> io::Result<(Feed, Sender<Input>)> {
    let (into, inputs) = bounded(PENDING);
    let (errands, to_do) = bounded(ERRANDS);
    let (of, to) = (table.to_owned(), into.clone());
    start("status", &into, move || ask_status(&of, &to))?;
    let (of, to) = (table.to_owned(), into.clone());
    start("events", &into, move || follow_events(&of, &to))?;
    let (of, to) = (table.to_owned(), into.clone());
    start("errands", &into, move || run_errands(&of, &to_do, &to))?;
    Ok((Feed { inputs, errands }, into))
}

/// Starts the threads that watch the terminal, once it is ours.
pub(super) fn watch_terminal(into: &Sender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let to = into.clone();
    start("signals", into, move || {
        for _signal in &mut signals {
            send(&to, Input::End(None))?;
        }
        Some(())
    })?;
    let to = into.clone();
    start("keys", into, move || read_keys(&to))
}

/// How the daemon does, once.
pub(super) fn status(table: &str) -> Result<Box<Status>, String> {
    one(table, &Request::Status)
}

fn ask_status(table: &str, to: &Sender<Input>) -> Option<()> {
    let ticks = tick(PERIOD);
    loop {
        let told = status(table).map_or_else(Told::NoStatus, Told::Status);
        send(to, Input::Told(told))?;
        ticks.recv().ok()?;
    }
}

fn follow_events(table: &str, to: &Sender<Input>) -> Option<()> {
    let ticks = tick(PERIOD);
    loop {
        let mut gone = false;
        let followed = client::ask(table, &Request::Events { watched: true }, &mut |part| {
            gone = send(to, Input::Told(told(part))).is_none();
            if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if gone {
            return None;
        }
        let reason = followed.map_or_else(|error| ask::problem(&error), |()| "nftrap has no more events".to_owned());
        send(to, Input::Told(Told::NoEvents(reason)))?;
        ticks.recv().ok()?;
    }
}

/// What one part of the events says.
fn told(part: Value) -> Told {
    if let Ok(Missed { missed }) = serde_json::from_value(part.clone()) {
        return Told::Missed(missed);
    }
    if let Ok(watched) = serde_json::from_value::<Watched>(part.clone()) {
        return Told::Contact(watched);
    }
    serde_json::from_value(part)
        .map_or_else(|_unknown| Told::NoEvents(OTHER_VERSION.to_owned()), |event| Told::Happened(Box::new(event)))
}

fn run_errands(table: &str, to_do: &Receiver<Errand>, to: &Sender<Input>) -> Option<()> {
    for errand in to_do {
        let told = match errand {
            Errand::Show(who) => Told::Known(who, show(table, who)),
            Errand::Unblock(prefix) => Told::Changed(unblock(table, prefix)),
        };
        send(to, Input::Told(told))?;
    }
    Some(())
}

fn show(table: &str, who: IpAddr) -> Result<Box<Shown>, String> {
    one(table, &Request::Show { who })
}

fn unblock(table: &str, prefix: IpNet) -> Result<Changed, String> {
    one::<Changed>(table, &Request::Unblock { prefix }).map(|changed| *changed)
}

const OTHER_VERSION: &str = "an event is not understood: the daemon is of another version, so restart it";

/// An answer of one part.
fn one<T: DeserializeOwned>(table: &str, request: &Request) -> Result<Box<T>, String> {
    let part = ask::one(table, request);
    part.and_then(|part| ask::read(&part)).map(Box::new).map_err(|error| ask::problem(&error))
}

fn read_keys(to: &Sender<Input>) -> Option<()> {
    loop {
        let input = match terminal::read() {
            Ok(terminal::Event::Key(key)) => Input::Key(key),
            Ok(terminal::Event::Resize(..)) => Input::Resized,
            Ok(
                terminal::Event::FocusGained
                | terminal::Event::FocusLost
                | terminal::Event::Mouse(_)
                | terminal::Event::Paste(_),
            ) => continue,
            Err(error) => Input::End(Some(format!("cannot read keys from the terminal: {error}"))),
        };
        let last = matches!(input, Input::End(_));
        send(to, input)?;
        if last {
            return Some(());
        }
    }
}

/// Nothing, if nobody takes it any more.
fn send(to: &Sender<Input>, input: Input) -> Option<()> {
    to.send(input).ok()
}

fn start(name: &str, into: &Sender<Input>, body: impl FnOnce() -> Option<()> + Send + 'static) -> io::Result<()> {
    let farewell = Farewell(into.clone());
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _farewell = farewell;
        // Whether it ended because nobody takes what it brings says nothing to anybody.
        let (Some(()) | None) = body();
    })?;
    Ok(())
}

/// Ends the screen with a thread of it, however that ends: a screen that stands still for no visible reason deceives.
struct Farewell(Sender<Input>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) =
            self.0.send(Input::End(Some("a thread of the screen ended: start it again".to_owned())));
    }
}

#[cfg(test)]
mod tests;
