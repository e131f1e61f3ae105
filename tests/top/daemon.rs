//! Serves as the daemon of the table named by the argument, or `fake`, until it is ended: `nftrap top --table fake` then shows a
//! scan that never ends, and blocks nobody.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "it is there to be looked at"
)]
#![expect(clippy::arithmetic_side_effects, reason = "it is there to be looked at")]

use std::thread;
use std::time::Duration;

use nftrap::control::server::Outgoing;
use nftrap::kernel::clock::wall;
use serde_json::json;

mod fake;

fn main() {
    let table = std::env::args().nth(1).unwrap_or_else(|| "fake".into());
    fake::start(&table, Box::new(scan));
    loop {
        thread::park();
    }
}

/// Some look around, some are blocked.
fn scan(out: &mut Outgoing) -> Result<(), nftrap::control::server::Stopped> {
    let ports = [22, 23, 80, 111, 143, 445, 1433, 3306, 3389, 5060, 5900, 6379, 8080, 9200, 27017];
    for n in 0_u64.. {
        let at = wall();
        let (host, port) = (n * n % 97, ports[usize::try_from(n * 7 % 15).unwrap()]);
        let source = if n % 5 == 0 { format!("2001:db8:{host:x}:beef::/64") } else { format!("198.51.100.{host}") };
        let kind = if n % 3 == 0 { "udp" } else { "syn" };
        let mut event = json!({"at": at.to_string(), "event": "watched", "source": source, "port": port,
            "protocol": if n % 3 == 0 { "udp" } else { "tcp" }, "kind": kind, "destination": "203.0.113.2"});
        if n % 4 == 3 {
            event["event"] = "blocked".into();
            event["hits"] = (n % 4 + 1).into();
            event["repeat"] = 1.into();
            event["until"] = at.plus(Duration::from_secs(600)).to_string().into();
        }
        out.part(&event)?;
        out.flush()?;
        thread::sleep(Duration::from_millis(20 + n % 7 * 60));
    }
    Ok(())
}
