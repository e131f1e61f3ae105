//! `nf_tables`' messages to and from octets: netlink's header, nfnetlink's family, attributes in attributes. Reads whatever comes, without
//! a panic: what is cut off or has no sense ends the list. Numbers are named in `linux/netfilter/nf_tables.h`.

use super::netlink::narrow;

/// What every attribute and message is padded to.
pub(super) const WORD: usize = 4;
pub(super) const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
const FAMILY_HEADER: usize = 4;
/// The upper two bits of an attribute's number say how it is written, and older kernels do not set them.
pub(super) const NUMBER: u16 = 0x3fff;
const NESTED: u16 = 0x8000;
const FAMILY_INET: u8 = 1;
const FAMILY_NONE: u8 = 0;

/// A message's kind and where it goes.
struct Header {
    kind: u16,
    flags: i32,
    sequence: u32,
    family: u8,
    subsystem: u16,
}

/// What is said to `nf_tables`: messages, one behind the other.
#[derive(Default)]
pub(super) struct Messages(Vec<u8>);

impl Messages {
    /// Appends a message about family `inet`.
    pub(super) fn add(&mut self, kind: i32, flags: i32, sequence: u32, body: impl FnOnce(&mut Self)) {
        let kind = narrow((libc::NFNL_SUBSYS_NFTABLES << 8) | kind);
        self.message(&Header { kind, flags, sequence, family: FAMILY_INET, subsystem: 0 }, body);
    }

    /// Opens a transaction.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.frame(libc::NFNL_MSG_BATCH_BEGIN, sequence);
    }

    /// Closes it.
    pub(super) fn end(&mut self, sequence: u32) {
        self.frame(libc::NFNL_MSG_BATCH_END, sequence);
    }

    fn frame(&mut self, kind: i32, sequence: u32) {
        let subsystem = narrow(libc::NFNL_SUBSYS_NFTABLES);
        self.message(&Header { kind: narrow(kind), flags: 0, sequence, family: FAMILY_NONE, subsystem }, |_| ());
    }

    fn message(&mut self, header: &Header, body: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        self.0.extend(header.kind.to_ne_bytes());
        self.0.extend(narrow(header.flags | libc::NLM_F_REQUEST).to_ne_bytes());
        self.0.extend(header.sequence.to_ne_bytes());
        self.0.extend([0; 4]); // the port: the kernel's
        self.0.extend([header.family, 0]);
        self.0.extend(header.subsystem.to_be_bytes());
        body(self);
        let length = u32::try_from(self.0.len().saturating_sub(start)).unwrap_or(u32::MAX);
        self.write_at(start, &length.to_ne_bytes());
    }

    /// Appends an attribute.
    pub(super) fn attribute(&mut self, number: u16, value: &[u8]) {
        self.sized(number, |to| to.0.extend(value));
    }

    /// Appends a name, with the zero at its end.
    pub(super) fn name(&mut self, number: u16, name: &str) {
        self.sized(number, |to| {
            to.0.extend(name.as_bytes());
            to.0.push(0);
        });
    }

    /// Appends an attribute of attributes.
    pub(super) fn nest(&mut self, number: u16, inside: impl FnOnce(&mut Self)) {
        self.sized(number | NESTED, inside);
    }

    fn sized(&mut self, number: u16, value: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(number.to_ne_bytes());
        value(self);
        let length = u16::try_from(self.0.len().saturating_sub(start)).unwrap_or(u16::MAX);
        self.write_at(start, &length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(WORD), 0);
    }

    fn write_at(&mut self, at: usize, octets: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(at).zip(octets) {
            *to = *from;
        }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// What the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// What follows netlink's header.
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// What `nf_tables` says of one object.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        attributes(self.body.get(FAMILY_HEADER..).unwrap_or_default())
    }

    /// The error number that netlink's own messages begin with, positive.
    pub(super) fn error(&self) -> i32 {
        let word = self.body.get(..WORD).and_then(|word| word.try_into().ok());
        word.and_then(|word| i32::from_ne_bytes(word).checked_neg()).unwrap_or(libc::EIO)
    }
}

/// The messages in what was received at once.
pub(super) fn messages(mut octets: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = octets.get(..MESSAGE_HEADER)?;
        let length = usize::try_from(u32::from_ne_bytes(header.get(..4)?.try_into().ok()?)).ok()?;
        let message = Message {
            kind: u16::from_ne_bytes(header.get(4..6)?.try_into().ok()?),
            flags: u16::from_ne_bytes(header.get(6..8)?.try_into().ok()?),
            sequence: u32::from_ne_bytes(header.get(8..12)?.try_into().ok()?),
            body: octets.get(MESSAGE_HEADER..length)?,
        };
        octets = octets.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in a message's body or in another attribute: number and value.
pub(super) fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(octets.get(..2)?.try_into().ok()?));
        let number = u16::from_ne_bytes(octets.get(2..4)?.try_into().ok()?) & NUMBER;
        let value = octets.get(ATTRIBUTE_HEADER..length)?;
        octets = octets.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        Some((number, value))
    })
}

/// The value of the attribute with this number.
pub(super) fn find(octets: &[u8], number: u16) -> Option<&[u8]> {
    attributes(octets).find_map(|(found, value)| (found == number).then_some(value))
}

/// A number of 32 bits; `nf_tables` writes numbers in network order.
pub(super) fn word(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A number of 64 bits, likewise.
pub(super) fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// A name, without the zero at its end.
pub(super) fn name(value: &[u8]) -> &[u8] {
    value.split(|octet| *octet == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut said = Messages::default();
        said.begin(6);
        said.add(libc::NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE, 7, |body| {
            body.name(1, "nftrap");
            body.nest(3, |list| list.attribute(5, &[1, 2, 3, 4, 5, 6, 7, 8]));
        });
        said.end(8);
        assert_eq!(said.octets().len() % WORD, 0);
        let read: Vec<_> = messages(said.octets()).collect();
        assert_eq!(
            read.iter().map(|message| (message.kind, message.sequence)).collect::<Vec<_>>(),
            [(0x10, 6), (0x0a0c, 7), (0x11, 8)]
        );
        let body: Vec<_> = read[1].attributes().collect();
        assert_eq!(body[0], (1, b"nftrap\0".as_slice()));
        assert_eq!(find(body[1].1, 5).and_then(long), Some(0x0102_0304_0506_0708));
    }

    #[test]
    fn what_is_cut_off_ends_the_list_wherever_it_is_cut() {
        let mut said = Messages::default();
        said.add(libc::NFT_MSG_NEWSETELEM, 0, 7, |body| body.nest(3, |list| list.name(5, "x")));
        for end in 0..said.octets().len() {
            assert_eq!(messages(&said.octets()[..end]).count(), 0, "{end}");
        }
        for hostile in [[0_u8; 8], [1; 8], [3, 0, 1, 0, 3, 0, 1, 0], [0xff; 8]] {
            assert_eq!(attributes(&hostile).count(), 0, "{hostile:?}");
        }
    }

    #[test]
    fn an_error_is_the_first_word_in_the_machines_own_order() {
        let error = |body: &[u8]| Message { kind: 2, flags: 0, sequence: 0, body }.error();
        assert_eq!(error(&(-libc::ENOENT).to_ne_bytes()), libc::ENOENT);
        assert_eq!(error(&[0; 4]), 0);
        assert_eq!(error(&i32::MIN.to_ne_bytes()), libc::EIO);
        assert_eq!(error(&[]), libc::EIO);
    }
}
