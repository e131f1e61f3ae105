//! An exporter in this process, and readers good and bad. None is timed: where one is held up for ever, its own patience ends the test.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::net::getsockname;

use super::*;
use crate::config::Mode;
use crate::event::Wall;
use crate::report::metrics::Protection;

/// Longer than any test; who waits so long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(60);

fn numbers_of(table: String) -> Arc<Source> {
    Arc::new(move || Numbers {
        version: "1.2.3",
        mode: Mode::Enforce,
        table: table.clone(),
        since: Wall::default(),
        uptime: Duration::ZERO,
        protection: Protection::Whole,
        workers: vec![],
        queues: vec![],
        blocked: 7,
        banned: 0,
        distributed: 0,
        watched: 0,
        sources: 0,
        max_sources: 0,
        memory_bytes: 0,
        journal: None,
        events_unwritten: None,
    })
}

pub(super) fn numbers() -> Arc<Source> {
    numbers_of("nftrap".into())
}

/// An exporter at a port that is free, and where it is.
fn at_a_port(numbers: Arc<Source>) -> (Exporter, SocketAddr) {
    let exporter = serve(&MetricsAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into()), numbers).unwrap();
    let address = getsockname(&exporter.door.listener).unwrap();
    (exporter, address.try_into().unwrap())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(FOR_EVER)).unwrap();
    stream.set_write_timeout(Some(FOR_EVER)).unwrap();
    stream
}

fn said_to(mut stream: impl Read + Write, request: &[u8]) -> String {
    // Who is refused at once may find nobody to write to.
    let (Ok(()) | Err(_)) = stream.write_all(request);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr) -> String {
    said_to(connect(address), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn a_reader_gets_the_numbers_of_the_moment() {
    let (_exporter, address) = at_a_port(numbers());
    for _ in 0..3 {
        let answer = get(address);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        assert!(body.contains("\nnftrap_blocked_sources 7\n"), "{body}");
    }
}

#[test]
fn what_is_not_served_is_refused_by_its_number() {
    let (_exporter, address) = at_a_port(numbers());
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(8200));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "200"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "200"),
        ("GET /etc/passwd HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "405"),
        ("hello\r\n\r\n", "400"),
        (&long, "431"),
        ("GET /metrics HTTP/1.1\r\n\r\n", "200"),
    ] {
        let answer = said_to(connect(address), request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{request}: {answer}");
    }
}

#[test]
fn who_says_nothing_or_half_is_let_go_and_the_next_is_served() {
    let (_exporter, address) = at_a_port(numbers());
    let silent = connect(address);
    let mut half = connect(address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost").unwrap();
    let left = connect(address);
    left.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(get(address).contains(" 200 OK"));
    for stream in [silent, half] {
        assert!(said_to(stream, b"").starts_with("HTTP/1.1 408 "));
    }
}

#[test]
fn silent_clients_by_the_hundred_keep_no_reader_out() {
    let (_exporter, address) = at_a_port(numbers());
    let mut silent: Vec<_> = (0..100).map(|_| connect(address)).collect();
    assert!(get(address).contains(" 200 OK"));
    let kept = silent.split_off(100 - clients::PLACES);
    for mut stream in silent {
        let mut answer = Vec::new();
        let (Ok(_) | Err(_)) = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "it made room for others");
    }
    drop(kept);
    let _half = [(); 8].map(|()| {
        let mut half = connect(address);
        half.write_all(b"GET /metrics HTTP/1.1\r\nHost").unwrap();
        half
    });
    assert!(get(address).contains(" 200 OK"));
}

#[test]
fn a_byte_at_a_time_does_not_win_more_time() {
    let (_exporter, address) = at_a_port(numbers());
    let mut dribbler = connect(address);
    dribbler.set_nodelay(true).unwrap();
    // Each byte comes well within the time that a read would wait for it.
    let mut written = 0;
    while dribbler.write_all(b"x").is_ok() {
        written += 1;
        thread::park_timeout(Duration::from_millis(50));
    }
    assert!(written < request::MAX_HEAD, "it was cut off by its time, and not by its length");
    assert!(get(address).contains(" 200 OK"));
}

#[test]
fn who_does_not_read_is_let_go_and_the_next_is_served() {
    let (_exporter, address) = at_a_port(numbers_of("x".repeat(32 << 20)));
    let [mut deaf, _others @ ..] = [(); clients::PLACES].map(|()| {
        let mut deaf = connect(address);
        deaf.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        deaf
    });
    assert!(said_to(connect(address), b"GET / HTTP/1.1\r\n\r\n").contains(" 200 OK"));
    let mut answer = Vec::new();
    let (Ok(_) | Err(_)) = deaf.read_to_end(&mut answer);
    assert!(answer.len() < 32 << 20, "it was cut off");
}

#[test]
fn a_port_is_had_once_and_is_free_afterwards() {
    let (exporter, address) = at_a_port(numbers());
    let refused = serve(&MetricsAddress::Tcp(address), numbers()).unwrap_err().to_string();
    assert!(refused.contains(&address.to_string()) && refused.contains("another program listens there"), "{refused}");
    drop(exporter);
    let _next = serve(&MetricsAddress::Tcp(address), numbers()).unwrap();
    assert!(get(address).contains(" 200 OK"));
}

/// A folder of this test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nftrap-exporter-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn serve_at(path: &Path) -> Result<Exporter, ExporterError> {
    serve(&MetricsAddress::Unix(path.to_owned()), numbers())
}

fn get_from(path: &Path) -> String {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(FOR_EVER)).unwrap();
    said_to(stream, b"GET /metrics HTTP/1.1\r\n\r\n")
}

#[test]
fn a_socket_is_for_our_group_and_gone_at_the_end() {
    let folder = Folder::new("life");
    let path = folder.path("socket");
    let exporter = serve_at(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(get_from(&path).contains("nftrap_blocked_sources 7"));
    drop(exporter);
    assert!(!path.exists());
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_replaced_and_one_in_use_is_not() {
    let folder = Folder::new("stale");
    let path = folder.path("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves its file");
    let _first = serve_at(&path).unwrap();
    let refused = serve_at(&path).unwrap_err().to_string();
    assert!(refused.contains("another program listens there"), "{refused}");
    assert!(get_from(&path).contains(" 200 OK"), "the first goes on");
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let folder = Folder::new("taken");
    let (file, link, socket) = (folder.path("file"), folder.path("link"), folder.path("socket"));
    fs::write(&file, "precious").unwrap();
    symlink(&file, &link).unwrap();
    for (path, what) in [(&file, "a file that is no socket"), (&link, "a symbolic link"), (&folder.0, "a folder")] {
        let refused = serve_at(path).unwrap_err().to_string();
        assert!(refused.contains(what) && refused.contains("choose another path"), "{refused}");
        assert!(fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let refused = serve_at(&folder.path("no/socket")).unwrap_err().to_string();
    assert!(refused.contains("its folder does not exist"), "{refused}");
    drop(UnixListener::bind(&socket).unwrap());
    // Only root can give a file away.
    if std::os::unix::fs::chown(&socket, Some(65_534), None).is_ok() {
        let refused = serve_at(&socket).unwrap_err().to_string();
        assert!(refused.contains("a socket of user 65534"), "{refused}");
        assert!(socket.exists());
    }
}

#[test]
fn a_file_that_took_the_place_of_ours_is_not_removed() {
    let folder = Folder::new("replaced");
    let path = folder.path("socket");
    let exporter = serve_at(&path).unwrap();
    fs::rename(&path, folder.path("away")).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    let other = fs::metadata(&path).unwrap().ino();
    drop(exporter);
    assert_eq!(fs::metadata(&path).unwrap().ino(), other);
}
