//! A server in this process, and clients good and bad.

use std::io::{BufRead as _, BufReader};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::sync::atomic::AtomicU32;

use super::*;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Serves in this process; `status` is answered with a part, `list` with more than a socket holds, all else is refused.
fn serving() -> SocketAddr {
    let name = format!("nftrap-test/{}/{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let answer = |request: Request, peer: &Peer, out: &mut Outgoing| {
        if request == Request::Status {
            out.part(&peer.uid)
        } else if request == Request::List {
            (0..1_000_000).try_for_each(|n| out.part(&n))
        } else {
            Err(Refusal::new("no", "ask something else").into())
        }
    };
    serve(UnixListener::bind_addr(&address).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
    address
}

fn said(address: &SocketAddr, request: &[u8]) -> Vec<String> {
    let mut stream = UnixStream::connect_addr(address).unwrap();
    // Who is refused at once may find nobody to write to, and the rest of its request unread.
    let (Ok(()) | Err(_)) = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    BufReader::new(stream).lines().map_while(Result::ok).collect()
}

#[test]
fn an_answer_is_its_parts_and_an_end() {
    let address = serving();
    assert_eq!(said(&address, b"{\"ask\":\"status\"}\n"), ["0", r#"{"end":"done"}"#]);
    let refused = r#"{"end":"refused","problem":"no","remedy":"ask something else"}"#;
    assert_eq!(said(&address, b"{\"ask\":\"reload\"}\n"), [refused]);
}

#[test]
fn nonsense_is_refused_and_the_next_is_answered() {
    let address = serving();
    let long = [vec![b'x'; MAX_REQUEST + 10], b"\n".to_vec()].concat();
    let deep = [vec![b'['; MAX_REQUEST - 10], b"\n".to_vec()].concat();
    let cases: [(&[u8], &str); 6] = [
        (b"\n", "is not understood"),
        (b"\xff\xfe\0\n", "is not understood"),
        (b"{\"ask\":\"sing\"}\n", "unknown variant `sing`"),
        (b"{\"ask\":\"status\"", "half a request"),
        (&long, "longer than"),
        (&deep, "is not understood"),
    ];
    for (request, problem) in cases {
        let answer = said(&address, request);
        assert!(answer.len() == 1 && answer[0].contains(problem), "{problem}: {answer:?}");
    }
    assert_eq!(said(&address, b"").len(), 0, "who asks nothing is told nothing");
    assert_eq!(said(&address, b"{\"ask\":\"status\"}\n").len(), 2);
}

#[test]
fn there_is_room_for_so_many_and_again_when_they_have_gone() {
    let address = serving();
    let connect = || UnixStream::connect_addr(&address).unwrap();
    let silent: Vec<_> = (0..MAX_CLIENTS).map(|_| connect()).collect();
    let told = said(&address, b"{\"ask\":\"status\"}\n");
    assert!(told.len() == 1 && told[0].contains("too many clients"), "{told:?}");
    drop(silent);
    let answered = (0..1000).any(|_| {
        thread::yield_now();
        said(&address, b"{\"ask\":\"status\"}\n").len() == 2
    });
    assert!(answered, "no room although all have gone");
}

#[test]
fn who_does_not_read_holds_up_nobody_else() {
    let address = serving();
    let mut deaf = UnixStream::connect_addr(&address).unwrap();
    deaf.write_all(b"{\"ask\":\"list\"}\n").unwrap();
    assert_eq!(said(&address, b"{\"ask\":\"status\"}\n").len(), 2);
    assert_eq!(said(&address, b"{\"ask\":\"list\"}\n").len(), 1_000_001);
}

#[test]
fn it_shows_when_a_client_has_gone() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let out = Outgoing { stream: BufWriter::new(ours) };
    assert!(out.is_read());
    drop(theirs);
    assert!(!out.is_read());
}
