//! Offences told with and without names, to real files.

use std::fs;
use std::path::PathBuf;

use super::names::Answer;
use super::*;
use crate::detect::probe::{Kind, Protocol};
use crate::report::line_file::{self, LineFile, Purpose};

fn offence(n: u8) -> Offence {
    let sender = [192, 0, 2, n].into();
    let asked = Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::Syn, destination: [203, 0, 113, 2].into() };
    let (at, fate) = (Wall::from_millis(1_795_444_857_000), Fate::Blocked(Duration::from_secs(600)));
    Offence { at, source: Source::host(sender), sender, asked, fate, logged: Logged::Yes }
}

fn line(host: &str) -> String {
    format!("1795444857 - 11/23/2026 14:40:57 Host: {host} Port: 111 TCP Blocked\n")
}

fn outlets() -> Outlets {
    Outlets::new(LogFormat::Text, "nftrap", TimeZone::UTC)
}

/// A file of history in a folder of its own, gone at its end.
struct Book(PathBuf, Option<LineFile>);

impl Book {
    fn open(name: &str, chronicle: &Chronicle) -> Self {
        let folder = std::env::temp_dir().join(format!("nftrap-chronicle-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let file = line_file::start(&folder.join("history"), Purpose::History).unwrap();
        chronicle.history().set(file.lines()).unwrap();
        Self(folder, Some(file))
    }

    /// What is in it when all is written.
    fn read(mut self) -> String {
        self.1.take().unwrap().finish();
        fs::read(self.0.join("history")).map(|text| String::from_utf8(text).unwrap()).unwrap()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn blocks_are_in_the_history_and_nothing_else_is() {
    let chronicle = Chronicle { outlets: Arc::new(outlets()), resolving: None };
    let book = Book::open("blocks", &chronicle);
    chronicle.tell(offence(1));
    chronicle.tell(Offence { fate: Fate::LetGo, ..offence(2) });
    chronicle.tell(Offence { fate: Fate::NotBlocked, ..offence(3) });
    chronicle.tell(Offence { logged: Logged::No, ..offence(4) });
    assert_eq!(book.read(), [line("192.0.2.1/192.0.2.1"), line("192.0.2.4/192.0.2.4")].concat());
}

#[test]
fn names_keep_the_order_in_which_it_was_told() {
    let (haste, hurry) = bounded(0);
    let lookup = |address: IpAddr| match address.to_string().as_str() {
        "192.0.2.2" => Answer::Nameless,
        "192.0.2.3" => Answer::Name("10.0.0.1".into()),
        address => Answer::Name(format!("h{address}.example.")),
    };
    let names = Names::start(lookup, hurry).unwrap();
    let (chronicle, chronicler) = Chronicle::asking(Arc::new(outlets()), names, haste).unwrap();
    let book = Book::open("order", &chronicle);
    for n in [1, 2, 3, 1] {
        chronicle.tell(offence(n));
    }
    // Not `finish`, after which no name is waited for.
    let Chronicler { orders, haste, when_done } = chronicler.unwrap();
    orders.send(Order::Stop).unwrap();
    when_done.recv().unwrap();
    drop(haste);
    let known = line("h192.0.2.1.example/192.0.2.1");
    let told = [&known, &line("192.0.2.2/192.0.2.2"), &line("192.0.2.3/192.0.2.3"), &known];
    assert_eq!(book.read(), told.map(String::as_str).concat());
}

#[test]
fn at_the_end_all_is_told_without_the_names_that_do_not_come() {
    let (haste, hurry) = bounded(0);
    let (_never, held) = bounded::<()>(0);
    let silent = move |_| {
        let (Ok(()) | Err(_)) = held.recv();
        Answer::Trouble
    };
    let names = Names::start(silent, hurry).unwrap();
    let (chronicle, chronicler) = Chronicle::asking(Arc::new(outlets()), names, haste).unwrap();
    let book = Book::open("end", &chronicle);
    let all = 1..=200;
    all.clone().for_each(|n| chronicle.tell(offence(n)));
    // What `finish` does, but for its patience.
    let Chronicler { orders, haste, when_done } = chronicler.unwrap();
    drop(haste);
    orders.send(Order::Stop).unwrap();
    when_done.recv().unwrap();
    let told: String = all.map(|n| line(&format!("192.0.2.{n}/192.0.2.{n}"))).collect();
    assert_eq!(book.read(), told);
}

#[test]
fn what_finds_no_room_is_counted_and_nobody_waits() {
    let (orders, queue) = bounded(2);
    let left_out = Arc::new(AtomicU64::new(0));
    let resolving = Some(Resolving { orders, left_out: Arc::clone(&left_out) });
    let chronicle = Chronicle { outlets: Arc::new(outlets()), resolving };
    (1..=5).for_each(|n| chronicle.tell(offence(n)));
    assert_eq!((left_out.load(Ordering::Relaxed), queue.len()), (3, 2));
}

#[test]
fn names_are_asked_for_only_where_they_are_shown() {
    let resolve = Report { resolve: true, ..Report::default() };
    let with_history = Report { history: Some("/nowhere".into()), ..resolve.clone() };
    for (report, log, asks) in [
        (&resolve, LogFormat::Text, false),
        (&resolve, LogFormat::PortSentry, true),
        (&with_history, LogFormat::Json, true),
        (&Report { resolve: false, ..with_history.clone() }, LogFormat::PortSentry, false),
    ] {
        let (chronicle, chronicler) = Chronicle::start(report, log, "nftrap").unwrap();
        assert_eq!((chronicle.resolving.is_some(), chronicler.is_some()), (asks, asks), "{report:?} {log:?}");
    }
}

#[test]
fn the_command_in_the_log_names_the_kernel_set_and_the_key_that_is_in_it() {
    let outlets = Outlets::new(LogFormat::PortSentry, "guard", TimeZone::UTC);
    let command = |source: &str| outlets.command(&source.parse().unwrap(), Duration::from_millis(599_999));
    assert_eq!(command("192.0.2.1"), "nft add element inet guard block4 { 192.0.2.1 timeout 600s }");
    assert_eq!(command("2001:db8::/64"), "nft add element inet guard block6net { 2001:db8:: timeout 600s }");
    assert_eq!(command("fe80::1"), "nft add element inet guard block6 { fe80::1 timeout 600s }");
}
