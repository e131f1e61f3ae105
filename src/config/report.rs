//! What can be set of what is told, and to whom.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Words and `key=value` pairs.
    Text,
    /// One JSON object a line.
    Json,
    /// As text, but offenders in the words of `PortSentry` 1.2.
    PortSentry,
}

impl LogFormat {
    /// Each, by the word for it in the config and on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("text", Self::Text), ("json", Self::Json), ("portsentry", Self::PortSentry)];
}

/// Where else it is told what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How the log is written.
    pub log: LogFormat,
    /// A file that gets each block as one line, as `PortSentry` 1.2 writes its history.
    pub history: Option<PathBuf>,
    /// The same, begun anew with each start, as `PortSentry` 1.2 writes whom it blocked.
    pub blocked: Option<PathBuf>,
    /// Whether these two and the log of that form show sources' names.
    pub resolve: bool,
    /// A file that gets each event as one line of JSON.
    pub events: Option<PathBuf>,
    /// Where numbers are served as Prometheus reads them.
    pub metrics: Option<MetricsAddress>,
}

/// Where numbers are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsAddress {
    /// By TCP, at one of our own loopback addresses.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

impl Default for Report {
    fn default() -> Self {
        Self { log: LogFormat::Text, history: None, blocked: None, resolve: false, events: None, metrics: None }
    }
}
