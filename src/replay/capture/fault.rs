//! What is wrong with a capture file: how far it was read, why no further, and what helps.

use std::fmt;
use std::io;

/// Why a file was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// So many packets were read before.
    pub packets: u64,
    /// Where in the (unpacked) file the unreadable begins.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It could not be opened.
    Open(String),
    /// A directory, a pipe or a device.
    NotAFile,
    /// It has no bytes.
    Empty,
    /// Neither pcap nor pcapng.
    Format,
    /// It ends within a record.
    CutOff,
    /// The system, or the decompressor, gave up.
    Read,
    /// A record's fields contradict each other.
    Block,
    /// A record says that it is larger than any packet.
    TooLarge,
    /// A packet from an interface that the file does not describe, or more interfaces than are followed.
    Interface,
}

impl Fault {
    pub(super) fn opening(error: &io::Error) -> Self {
        Self::at_start(Reason::Open(error.to_string().to_lowercase()))
    }

    pub(super) const fn at_start(reason: Reason) -> Self {
        Self { packets: 0, offset: 0, reason }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = match &self.reason {
            Reason::Open(why) => return write!(f, "it cannot be opened: {why}; check its name and your permissions"),
            Reason::NotAFile => return write!(f, "this is not a regular file; it is read twice: name a file"),
            Reason::Empty => return write!(f, "the file is empty; capture again"),
            Reason::Format => {
                return write!(
                    f,
                    "this is neither pcap nor pcapng, plain or gzipped; convert it, for instance with editcap"
                );
            }
            Reason::CutOff => "the file ends within a record; it was cut short while it was written or copied",
            Reason::Read => "it cannot be read further; check the disk, and that gzip -t accepts it",
            Reason::Block => "a record contradicts itself; the file is damaged from there on",
            Reason::TooLarge => "a record claims more than 16 MiB; the file is damaged from there on",
            Reason::Interface => "a packet names an interface that the file does not describe; the file is damaged",
        };
        write!(f, "after packet {}, at byte {}: {help}; what came before was replayed", self.packets, self.offset)
    }
}
