//! Runs commands: so many at once, each with a limit, after which it is ended with all that it started. One thread looks after all of them.
//! They have no descriptor of ours but what they may say to us when they fail, and none of our environment; they have our user and its rights.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::cases::Task;
use super::invocation::Invocation;
use super::said::Said;
use crate::time::Moment;

#[cfg(test)]
mod tests;

/// Who is asked to end has so long to clean up.
const GRACE: Duration = Duration::from_millis(500);
/// Read at once of what one says; who says much does not keep us from the others.
const GULP: usize = 4096;
const GULPS: usize = 16;

/// What came of a command.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) task: Task,
    pub(super) outcome: Outcome,
    /// What it said about it.
    pub(super) said: String,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    Failed(ExitStatus),
    /// It took longer than it may.
    TooSlow,
    /// We end, and it did not in time.
    GivenUp,
    NotStarted {
        program: String,
        reason: io::Error,
    },
}

/// All that run.
#[derive(Debug, Default)]
pub(super) struct Runner(Vec<Running>);

#[derive(Debug)]
struct Running {
    task: Task,
    child: Child,
    /// Of its group as well.
    number: Pid,
    process: OwnedFd,
    stderr: Option<ChildStderr>,
    said: Said,
    /// When the next thing is done to end it.
    deadline: Moment,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    Asked(Why),
    Forced(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    TooSlow,
    WeEnd,
}

impl Runner {
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// Starts a command that has to end by `deadline`.
    pub(super) fn start(&mut self, task: Task, invocation: &Invocation, deadline: Moment) -> Result<(), Ended> {
        match start(invocation) {
            Ok((child, number, process)) => {
                let mut running = Running {
                    task,
                    child,
                    number,
                    process,
                    stderr: None,
                    said: Said::default(),
                    deadline,
                    ending: Ending::No,
                };
                running.stderr = running.child.stderr.take();
                self.0.push(running);
                Ok(())
            }
            Err(reason) => {
                let outcome = Outcome::NotStarted { program: invocation.program.clone(), reason };
                Err(Ended { task, outcome, said: String::new() })
            }
        }
    }

    /// Waits until one of them says something or ends, or `longest` has passed.
    pub(super) fn wait(&self, now: Moment, longest: Duration) {
        let next = self.0.iter().map(|running| running.deadline.since(now)).min();
        let longest = next.map_or(longest, |next| next.min(longest));
        let mut watched: Vec<_> = self.0.iter().map(|running| PollFd::new(&running.process, PollFlags::IN)).collect();
        let stderrs = self.0.iter().filter_map(|running| running.stderr.as_ref());
        watched.extend(stderrs.map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        let time = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        };
        // A signal may end it early; all are looked at in any case.
        let (Ok(_) | Err(_)) = poll(&mut watched, Some(&time));
    }

    /// Hears them, ends those whose time is over, and returns those that have ended.
    pub(super) fn look(&mut self, now: Moment) -> Vec<Ended> {
        let mut ended = Vec::new();
        for mut running in std::mem::take(&mut self.0) {
            running.hear();
            if let Some(status) = running.status() {
                ended.push(running.ended(status));
            } else {
                running.press(now);
                self.0.push(running);
            }
        }
        ended
    }

    /// Has all end.
    pub(super) fn end_all(&mut self, now: Moment) {
        for running in self.0.iter_mut().filter(|running| running.ending == Ending::No) {
            running.ask(now, Why::WeEnd);
        }
    }
}

impl Running {
    /// Reads what there is, so that it does not wait for us.
    fn hear(&mut self) {
        let mut gulp = [0; GULP];
        for _ in 0..GULPS {
            let Some(stderr) = &mut self.stderr else { return };
            match stderr.read(&mut gulp) {
                Ok(0) => self.stderr = None,
                Ok(length) => self.said.hear(gulp.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn ask(&mut self, now: Moment, why: Why) {
        (self.ending, self.deadline) = (Ending::Asked(why), now.plus(GRACE));
        self.signal(Signal::TERM);
    }

    /// Does the next thing to end it, if it is time.
    fn press(&mut self, now: Moment) {
        match self.ending {
            _ if self.deadline > now => {}
            Ending::No => self.ask(now, Why::TooSlow),
            Ending::Asked(why) | Ending::Forced(why) => {
                (self.ending, self.deadline) = (Ending::Forced(why), now.plus(GRACE));
                self.signal(Signal::KILL);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // It fails when all have just ended.
        let (Ok(()) | Err(_)) = kill_process_group(self.number, signal);
    }

    /// How it ended, if it has. What else it started and was to be ended with it is, before its number can be another's.
    fn status(&mut self) -> Option<ExitStatus> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let has_ended = poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&at_once)) == Ok(1);
        if has_ended && self.ending != Ending::No {
            self.signal(Signal::KILL);
        }
        if has_ended { self.child.try_wait().ok().flatten() } else { None }
    }

    fn ended(mut self, status: ExitStatus) -> Ended {
        let outcome = match self.ending {
            Ending::No if status.success() => Outcome::Done,
            Ending::No => Outcome::Failed(status),
            Ending::Asked(Why::TooSlow) | Ending::Forced(Why::TooSlow) => Outcome::TooSlow,
            Ending::Asked(Why::WeEnd) | Ending::Forced(Why::WeEnd) => Outcome::GivenUp,
        };
        self.hear();
        Ended { said: self.said.line(), outcome, task: self.task }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts the operator's commands")]
fn start(invocation: &Invocation) -> io::Result<(Child, Pid, OwnedFd)> {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments).env_clear().envs(invocation.environment.iter().map(|(k, v)| (k, v)));
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let number = Pid::from_child(&child);
    let watched = pidfd_open(number, PidfdFlags::empty()).and_then(|process| {
        child.stderr.as_ref().map_or(Ok(()), |stderr| fcntl_setfl(stderr, OFlags::NONBLOCK))?;
        Ok(process)
    });
    match watched {
        Ok(process) => Ok((child, number, process)),
        Err(error) => {
            // What we cannot watch we do not let run.
            let (Ok(()) | Err(_)) = child.kill();
            let (Ok(_) | Err(_)) = child.wait();
            Err(error.into())
        }
    }
}
