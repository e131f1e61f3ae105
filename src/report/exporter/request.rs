//! What a reader of metrics may ask, and what it is told: HTTP/1.1 (RFC 9112) as far as `GET /metrics` needs it. Bytes to meaning, meaning
//! to text; no socket.

use std::fmt::Write as _;

/// A longer head is nobody's who wants our numbers.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// How far a head has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It goes on.
    Part,
    /// It is all there.
    Whole(Asked),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A place.
    Place(Place, Want),
    /// To do what we do not do.
    OtherMethod,
    /// No request.
    Nonsense,
    /// A head longer than `MAX_HEAD`.
    TooLong,
    /// A head that did not come in time.
    TooSlow,
}

/// A place that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The numbers.
    Metrics,
    /// Where one comes without knowing where to go.
    Start,
    /// Anywhere else.
    Elsewhere,
}

/// How much of the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// All: GET.
    All,
    /// Only what it would be: HEAD.
    Head,
}

/// Reads what has come of a request so far. A body, if there is one, is not looked at.
pub(super) fn read(bytes: &[u8]) -> Reading {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        match line.strip_suffix(b"\r").unwrap_or(line) {
            b"" => return Reading::Whole(meaning(&lines)),
            line => lines.push(line),
        }
    }
    Reading::Part
}

fn meaning(lines: &[&[u8]]) -> Asked {
    let Some((first, fields)) = lines.split_first() else { return Asked::Nonsense };
    let well_formed = fields.iter().all(|field| field.iter().position(|byte| *byte == b':').is_some_and(|at| at > 0));
    let Some(first) = str::from_utf8(first).ok().filter(|_| well_formed) else { return Asked::Nonsense };
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Nonsense;
    };
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if !is_method || !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return Asked::Nonsense;
    }
    match (method, place(target)) {
        ("GET", Some(place)) => Asked::Place(place, Want::All),
        ("HEAD", Some(place)) => Asked::Place(place, Want::Head),
        ("GET" | "HEAD", None) => Asked::Nonsense,
        _ => Asked::OtherMethod,
    }
}

/// A target names a path, or a whole URL, as proxies ask; what follows a question mark changes nothing.
fn place(target: &str) -> Option<Place> {
    let path = match target.strip_prefix("http://") {
        Some(url) => url.find('/').and_then(|at| url.get(at..)).unwrap_or("/"),
        None => Some(target).filter(|target| target.starts_with('/'))?,
    };
    Some(match path.split_once('?').map_or(path, |(path, _)| path) {
        "/metrics" => Place::Metrics,
        "/" => Place::Start,
        _ => Place::Elsewhere,
    })
}

/// The whole answer; `metrics` are asked for only if they are shown.
pub(super) fn answer(asked: Asked, metrics: impl FnOnce() -> String) -> String {
    let (status, body) = match asked {
        Asked::Place(Place::Metrics, _) => ("200 OK", metrics()),
        Asked::Place(Place::Start, _) => ("200 OK", "the numbers of nftrap are at /metrics\n".to_owned()),
        Asked::Place(Place::Elsewhere, _) => ("404 Not Found", "nothing is here; try /metrics\n".to_owned()),
        Asked::OtherMethod => ("405 Method Not Allowed", "only GET and HEAD\n".to_owned()),
        Asked::Nonsense => ("400 Bad Request", "this is no HTTP/1.1 request\n".to_owned()),
        Asked::TooLong => ("431 Request Header Fields Too Large", "the request is too long\n".to_owned()),
        Asked::TooSlow => ("408 Request Timeout", "the request came too slowly\n".to_owned()),
    };
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    let allow = if asked == Asked::OtherMethod { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    // A string takes all that is written to it.
    let (Ok(()) | Err(_)) = write!(
        answer,
        "{allow}Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    );
    if !matches!(asked, Asked::Place(_, Want::Head)) {
        answer.push_str(&body);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(head: &str) -> Reading {
        read(head.as_bytes())
    }

    #[test]
    fn a_request_is_its_first_line_up_to_an_empty_one() {
        let metrics = Reading::Whole(Asked::Place(Place::Metrics, Want::All));
        assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: a:b\r\n\r\n"), metrics);
        assert_eq!(asked("GET /metrics?x=/ HTTP/1.0\n\nbody"), metrics);
        assert_eq!(asked("GET http://[::1]:9530/metrics HTTP/1.1\r\n\r\n"), metrics);
        assert_eq!(asked("HEAD / HTTP/1.1\r\n\r\n"), Reading::Whole(Asked::Place(Place::Start, Want::Head)));
        assert_eq!(asked("GET http://x HTTP/1.1\r\n\r\n"), Reading::Whole(Asked::Place(Place::Start, Want::All)));
        for path in ["/metric", "/metrics/", "//metrics", "/../metrics"] {
            let elsewhere = Reading::Whole(Asked::Place(Place::Elsewhere, Want::All));
            assert_eq!(asked(&format!("GET {path} HTTP/1.1\r\n\r\n")), elsewhere, "{path}");
        }
        for part in ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r"] {
            assert_eq!(asked(part), Reading::Part, "{part}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_from_what_we_do_not_do() {
        for head in ["POST /metrics HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n", "M-SEARCH x HTTP/1.1\n\n"] {
            assert_eq!(asked(head), Reading::Whole(Asked::OtherMethod), "{head}");
        }
        for head in [
            "\r\n",
            "GET /metrics\r\n\r\n",
            "GET  /metrics HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/2\r\n\r\n",
            "get /metrics HTTP/1.1\r\n\r\n",
            "GET metrics HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nno field\r\n\r\n",
            "GET /metrics HTTP/1.1 \r\n\r\n",
            "\u{16}\u{3}\u{1}\n\n",
        ] {
            assert_eq!(asked(head), Reading::Whole(Asked::Nonsense), "{head}");
        }
        assert_eq!(read(b"GET /\xff HTTP/1.1\r\n\r\n"), Reading::Whole(Asked::Nonsense));
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_that_it_is_the_last() {
        let all = answer(Asked::Place(Place::Metrics, Want::All), || "x 1\n".into());
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\
                    Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(all, format!("{head}x 1\n"));
        assert_eq!(answer(Asked::Place(Place::Metrics, Want::Head), || "x 1\n".into()), head);
        let refused = answer(Asked::OtherMethod, || panic!("asked for without need"));
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    }
}
