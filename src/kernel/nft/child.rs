//! One run of `nft`: what it is told, what it says, and an end to it, whatever it waits for.

use std::io::{self, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::NftError;

/// It takes milliseconds, and more than ten seconds on an emulated machine that is busy. Who waits longer keeps us from looking after our
/// own.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Runs `nft` with these arguments and this input.
pub(super) fn run(arguments: &[&str], input: &str) -> Result<Output, NftError> {
    // Debian keeps nft where an ordinary user's PATH does not look.
    let nft = start("nft", arguments).or_else(|_| start("/usr/sbin/nft", arguments)).map_err(NftError::NotRun)?;
    let output = finish(nft, input, LIMIT)?;
    if output.status.success() {
        return Ok(output);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    if reason.contains("Operation not permitted") {
        return Err(NftError::Forbidden);
    }
    let first = reason.lines().find(|line| line.contains("Error")).unwrap_or(&reason);
    Err(NftError::Refused(first.trim().to_owned()))
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts nft")]
fn start(program: &str, arguments: &[&str]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// Feeds and reads it in a thread, so that this one can end it in time; by a descriptor, for its number may be another's by then.
fn finish(mut child: Child, input: &str, limit: Duration) -> Result<Output, NftError> {
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|e| NftError::NotRun(e.into()))?;
    let (sender, outcome) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = child.stdin.take() {
                // A child that ended before it read everything says why.
                let (Ok(()) | Err(_)) = stdin.write_all(input.as_bytes());
            }
            // It is received below, or nobody waits any more.
            let (Ok(()) | Err(_)) = sender.send(child.wait_with_output());
        });
        match outcome.recv_timeout(limit) {
            Ok(output) => output.map_err(NftError::NotRun),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // It fails for a child that has just ended.
                let (Ok(()) | Err(_)) = pidfd_send_signal(&process, Signal::KILL);
                Err(NftError::TooSlow(limit.as_secs()))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        start("sh", &["-c", script]).unwrap()
    }

    #[test]
    fn what_is_said_is_read_however_much_it_is() {
        let input = "x".repeat(1 << 20);
        let output = finish(shell("cat > /dev/null; head -c 1048576 /dev/zero; exit 3"), &input, LIMIT).unwrap();
        assert_eq!((output.stdout.len(), output.status.code()), (1 << 20, Some(3)));
    }

    #[test]
    fn a_child_that_does_not_end_is_ended_and_the_error_says_so() {
        let child = shell("exec sleep 1000");
        let process = Pid::from_child(&child);
        let error = finish(child, "", Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("did not end") && error.contains("it was ended"), "{error}");
        assert!(rustix::process::test_kill_process(process).is_err(), "it is still there");
    }

    #[test]
    fn a_child_that_reads_nothing_is_heard_all_the_same() {
        let output = finish(shell("echo no >&2; exit 1"), &"x".repeat(1 << 20), LIMIT).unwrap();
        assert_eq!(output.stderr, b"no\n");
    }
}
