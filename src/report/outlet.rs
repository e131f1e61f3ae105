//! Standard error, behind a bounded channel and a thread of its own: whoever reads our log may stop reading, and we go on.
//! **When it is full:** lines are dropped, and counted in the next line that finds room.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Lines that wait for a reader; more than this and it is not reading.
const PENDING_LINES: usize = 1024;
/// At the end, a reader that has not read by then is not going to.
const PATIENCE: Duration = Duration::from_millis(500);

/// A writer that never waits.
pub struct Outlet {
    lines: Sender<Line>,
    dropped: u64,
}

/// The other end, to wait for.
pub struct Drain {
    lines: Sender<Line>,
    when_done: Receiver<()>,
}

enum Line {
    Text(Vec<u8>),
    /// No more: log macros keep their writer for ever, so that its going cannot tell.
    Last,
}

/// Starts the thread that writes.
pub fn start() -> io::Result<(Outlet, Drain)> {
    let (lines, queue) = bounded(PENDING_LINES);
    let (done, when_done) = bounded(1);
    thread::Builder::new().name("log".into()).spawn(move || {
        while let Ok(Line::Text(line)) = queue.recv() {
            // There is nobody left to tell that nobody is there to be told.
            let (Ok(()) | Err(_)) = io::stderr().write_all(&line);
        }
        let (Ok(()) | Err(_)) = done.send(());
    })?;
    Ok((Outlet { lines: lines.clone(), dropped: 0 }, Drain { lines, when_done }))
}

impl Drain {
    /// Waits until everything is written, if that takes no longer than a reader needs who reads.
    pub fn finish(self) {
        if self.lines.send_timeout(Line::Last, PATIENCE).is_ok() {
            let (Ok(()) | Err(_)) = self.when_done.recv_timeout(PATIENCE);
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let note = match self.dropped {
            0 => String::new(),
            lost => format!("{lost} log lines were dropped: nobody read them\n"),
        };
        self.dropped = match self.lines.try_send(Line::Text([note.as_bytes(), line].concat())) {
            Ok(()) => 0,
            Err(_) => self.dropped.saturating_add(1),
        };
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (lines, queue) = bounded(2);
        let mut outlet = Outlet { lines, dropped: 0 };
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            assert_eq!(outlet.write(line.as_bytes()).unwrap(), line.len());
        }
        let read = |line| if let Line::Text(text) = line { String::from_utf8(text).unwrap() } else { String::new() };
        assert_eq!(queue.try_iter().map(read).collect::<String>(), "one\ntwo\n");
        outlet.write_all(b"five\n").unwrap();
        assert_eq!(read(queue.recv().unwrap()), "2 log lines were dropped: nobody read them\nfive\n");
    }
}
