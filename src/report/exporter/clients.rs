//! Readers of metrics, each in a thread of its own, so that one who dawdles keeps nobody out. **Bounded:** when all places are taken, who
//! came first of those that have said nothing makes room; where all have spoken, who came first of all.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use log::debug;

use super::Source;
use super::client::Client;

/// One scraper, another that is being tried, and somebody with a browser.
pub(super) const PLACES: usize = 4;

/// Those that are being served, who came first first.
#[derive(Default)]
pub(super) struct Clients(Vec<Served>);

struct Served {
    /// Its thread alone has it: with that it is closed.
    client: Weak<Client>,
    thread: JoinHandle<()>,
}

impl Clients {
    /// Serves one more.
    pub(super) fn serve(&mut self, stream: OwnedFd, numbers: &Arc<Source>) {
        self.0.retain(|served| !served.thread.is_finished());
        while self.0.len() >= PLACES {
            self.make_room();
        }
        let served = Arc::new(Client::new(stream));
        let (client, numbers) = (Arc::downgrade(&served), Arc::clone(numbers));
        match thread::Builder::new().name("metrics-reader".into()).spawn(move || served.serve(&*numbers)) {
            Ok(thread) => self.0.push(Served { client, thread }),
            Err(error) => debug!(error:%; "no thread for a reader of metrics"),
        }
    }

    fn make_room(&mut self) {
        let is_silent = |served: &Served| served.client.upgrade().is_none_or(|client| client.is_silent());
        let place = self.0.iter().position(is_silent).unwrap_or_default();
        let Served { client, thread } = self.0.remove(place);
        if let Some(client) = client.upgrade() {
            client.cut_off();
        }
        // It has nothing left to wait for; if it fell over, it is gone as well.
        let (Ok(()) | Err(_)) = thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::report::exporter::tests::numbers;

    /// At our end of a connection that is served.
    fn served(clients: &mut Clients, says: &[u8]) -> UnixStream {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(says).unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        clients.serve(theirs.into(), &numbers());
        ours
    }

    fn is_cut_off(mut ours: &UnixStream) -> bool {
        matches!(ours.read(&mut [0]), Ok(0))
    }

    #[test]
    fn who_has_said_nothing_longest_makes_room_and_then_who_came_first() {
        let mut clients = Clients::default();
        let half = b"GET /met";
        let first = served(&mut clients, half);
        let silent = [(); PLACES - 1].map(|()| served(&mut clients, b""));
        assert!(!silent.iter().any(is_cut_off), "there is room");
        let later = [(); PLACES - 1].map(|()| served(&mut clients, half));
        assert!(silent.iter().all(is_cut_off));
        assert!(!is_cut_off(&first), "it has spoken");
        let last = served(&mut clients, half);
        assert!(is_cut_off(&first), "all have spoken");
        assert!(!later.iter().any(is_cut_off) && !is_cut_off(&last));
        assert_eq!(clients.0.len(), PLACES);
    }
}
