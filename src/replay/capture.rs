//! Reads capture files: pcap (both byte orders, micro- and nanoseconds) and pcapng (several interfaces, each with its own link
//! type and clock), plain or gzipped. Streams: memory stays the same for any size of file. The one file of `replay` that
//! opens files, and the only user of `pcap_parser` and `flate2`.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{PcapError, create_reader};

mod blocks;
mod fault;
mod link;

use blocks::Section;
pub use fault::{Fault, Reason};
pub use link::{Framed, Link, Reach, unwrap_ip};

/// What is read at once; also enough to tell the format by.
const CHUNK: usize = 256 * 1024;
/// No packet and no block of notes is larger; one that claims to be is damage, and must not fill the memory.
const MAX_BLOCK: usize = 16 * 1024 * 1024;
/// The first bytes of a gzip file (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A capture file, open at some packet.
pub struct Capture {
    reader: Box<dyn PcapReaderIterator + Send>,
    section: Section,
    packets: u64,
}

/// One packet as it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Since 1970, as the capturing machine's clock said.
    pub at: Duration,
    /// What its first bytes are.
    pub link: Link,
    /// From the link's header on, as far as it was captured.
    pub bytes: &'a [u8],
}

/// What one record of a file is.
enum Step<T> {
    Packet(T),
    /// Something about the packets.
    Note,
    /// Not there yet.
    More,
    End,
}

impl Capture {
    /// Opens the regular file `path`; it is read twice, so a pipe will not do.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::from_reader(open_regular(path)?)
    }

    fn from_reader(mut source: impl Read + Send + 'static) -> Result<Self, Fault> {
        let start = read_start(&mut source)?;
        let reader = if start.starts_with(&GZIP) {
            let mut unpacked = MultiGzDecoder::new(Cursor::new(start).chain(source));
            let start = read_start(&mut unpacked)?;
            reader_of(start, unpacked)
        } else {
            reader_of(start, source)
        }?;
        Ok(Self { reader, section: Section::default(), packets: 0 })
    }

    /// Hands the next packet to `see`; `None` at the end of the file. After an error there is nothing more to be had.
    pub fn next<T>(&mut self, mut see: impl FnMut(&Frame<'_>) -> T) -> Result<Option<T>, Fault> {
        loop {
            match self.step(&mut see) {
                Ok(Step::Packet(seen)) => {
                    self.packets = self.packets.saturating_add(1);
                    return Ok(Some(seen));
                }
                Ok(Step::Note) => {}
                Ok(Step::More) => self.read_on().map_err(|reason| self.fault(reason))?,
                Ok(Step::End) => return Ok(None),
                Err(reason) => return Err(self.fault(reason)),
            }
        }
    }

    fn step<T>(&mut self, see: &mut impl FnMut(&Frame<'_>) -> T) -> Result<Step<T>, Reason> {
        let (size, block) = match self.reader.next() {
            Ok(found) => found,
            Err(PcapError::Eof) => return Ok(Step::End),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => return Ok(Step::More),
            Err(PcapError::UnexpectedEof) => return Err(Reason::CutOff),
            Err(PcapError::ReadError) => return Err(Reason::Read),
            Err(PcapError::HeaderNotRecognized | PcapError::NomError(..) | PcapError::OwnedNomError(..)) => {
                return Err(Reason::Block);
            }
        };
        let seen = self.section.frame(&block)?.map(|frame| see(&frame));
        self.reader.consume(size);
        Ok(seen.map_or(Step::Note, Step::Packet))
    }

    /// Hands every packet to `see`, until the end of the file or an error.
    pub fn read(mut self, see: &mut impl FnMut(&Frame<'_>)) -> Result<(), Fault> {
        while self.next(&mut *see)?.is_some() {}
        Ok(())
    }

    /// More bytes behind those that hold no whole block yet.
    fn read_on(&mut self) -> Result<(), Reason> {
        let had = self.reader.data().len();
        self.reader.refill().map_err(|_says_no_more| Reason::Read)?;
        if self.reader.data().len() > had || self.reader.reader_exhausted() {
            return Ok(());
        }
        let larger = had.saturating_mul(2).max(CHUNK);
        if larger <= MAX_BLOCK && self.reader.grow(larger) { Ok(()) } else { Err(Reason::TooLarge) }
    }

    fn fault(&self, reason: Reason) -> Fault {
        let offset = u64::try_from(self.reader.consumed()).unwrap_or(u64::MAX);
        Fault { packets: self.packets, offset, reason }
    }
}

fn open_regular(path: &Path) -> Result<File, Fault> {
    // Asked before it is opened: opening a pipe would wait for a writer.
    let kind = std::fs::metadata(path).map_err(|error| Fault::opening(&error))?;
    if !kind.is_file() {
        return Err(Fault::at_start(Reason::NotAFile));
    }
    File::open(path).map_err(|error| Fault::opening(&error))
}

fn read_start(source: &mut impl Read) -> Result<Vec<u8>, Fault> {
    let mut start = Vec::new();
    let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
    match source.take(limit).read_to_end(&mut start) {
        Ok(_) if start.is_empty() => Err(Fault::at_start(Reason::Empty)),
        Ok(_) => Ok(start),
        // What is there is read; the error comes again behind it.
        Err(_) if !start.is_empty() => Ok(start),
        Err(error) => Err(Fault::opening(&error)),
    }
}

fn reader_of(start: Vec<u8>, rest: impl Read + Send + 'static) -> Result<Box<dyn PcapReaderIterator + Send>, Fault> {
    create_reader(CHUNK, Cursor::new(start).chain(Steady(rest))).map_err(|error| {
        Fault::at_start(match error {
            PcapError::Eof => Reason::Empty,
            PcapError::Incomplete(_) | PcapError::BufferTooSmall | PcapError::UnexpectedEof => Reason::CutOff,
            PcapError::ReadError => Reason::Read,
            PcapError::HeaderNotRecognized | PcapError::NomError(..) | PcapError::OwnedNomError(..) => Reason::Format,
        })
    })
}

/// A reader that an interrupting signal does not end.
struct Steady<R>(R);

impl<R: Read> Read for Steady<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests;
