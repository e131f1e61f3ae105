//! Where records lie: in buckets of a few, each with a cache line of tags ahead that says where to look and who goes first.
//!
//! A search compares eight marks instead of eight addresses, and who is forgotten is chosen among eight numbers that lie together.

use std::hint::black_box;

use bytemuck::{Pod, Zeroable};

use super::record::{Record, moment, ticks};
use crate::detect::source::Source;
use crate::time::Moment;

/// Records in a bucket: enough that a table nearly full forgets little too early, and their tags fill one cache line.
pub(super) const WAYS: usize = 8;

/// Memory of one source.
pub(super) const BYTES: usize = size_of::<Bucket>() / WAYS;

/// What a search and the choice of who is forgotten need of a record. From the highest bit: whether the source is blocked; then
/// the time that its rank goes by, the end of its block or else when it was last seen; then its mark. 0 is a free place.
///
/// Without its mark it is a rank: the free go first, then the silent, then the blocked, those whose block ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Tag(u64);

/// The lowest bits of a tag: some of its source's hash. One in 256 other sources has the same.
pub(super) const MARK: u64 = 0xff;
const MARK_BITS: u32 = MARK.count_ones();
const BLOCKED: u64 = 1 << 63;
/// Microseconds for 1,141 years; what is later is the end of time.
const TIMES: u64 = !BLOCKED >> MARK_BITS;

/// What a processor fetches at once.
type Line = [u64; 8];
const LINES: usize = size_of::<Bucket>() / size_of::<Line>();

/// Records that share a place, one of them forgotten when one more comes. A record says something where its tag is not free.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    tags: [Tag; WAYS],
    records: [Record; WAYS],
}

/// The buckets under one lock: zeroed memory, and a little more, for they begin at a border of cache lines, as no allocator gives it
/// without writing to all of it.
#[derive(Debug)]
pub(super) struct Buckets(Box<[u64]>);

/// A source, and the mark that its tag has.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) source: Source,
    pub(super) mark: u64,
}

impl Tag {
    /// A block that had ended when the source was last seen is none.
    const fn of(record: &Record, mark: u64) -> Self {
        let (blocked, time) = record.rank(record.last_seen);
        Self::new(blocked, time, mark)
    }

    const fn new(blocked: bool, time: u64, mark: u64) -> Self {
        let time = if time < TIMES { time } else { TIMES };
        Self(if blocked { BLOCKED } else { 0 } | time << MARK_BITS | mark & MARK)
    }

    /// As `ticks` counts.
    const fn time(self) -> u64 {
        let time = (self.0 & !BLOCKED) >> MARK_BITS;
        if time == TIMES { u64::MAX } else { time }
    }

    const fn is_free(self) -> bool {
        self.0 == 0
    }

    const fn mark(self) -> u64 {
        self.0 & MARK
    }

    const fn rank(self) -> u64 {
        self.0 & !MARK
    }

    /// Whether the source's block has not ended yet.
    const fn blocks(self, now: u64) -> bool {
        self.0 & BLOCKED != 0 && self.time() > now
    }

    /// The block that it tells of has ended since.
    const fn is_over(self, now: u64) -> bool {
        self.0 & BLOCKED != 0 && self.time() <= now
    }
}

impl Buckets {
    /// Memory is reserved now and touched when used.
    pub(super) fn new(buckets: usize) -> Self {
        Self(bytemuck::zeroed_slice_box(words_for(buckets)))
    }

    /// The same, where there may be no memory for it.
    pub(super) fn reserve(buckets: usize) -> Option<Self> {
        bytemuck::allocation::try_zeroed_slice_box(words_for(buckets)).ok().map(Self)
    }

    pub(super) fn all(&self) -> &[Bucket] {
        bytemuck::pod_align_to(&self.0).1
    }

    pub(super) fn all_mut(&mut self) -> &mut [Bucket] {
        bytemuck::pod_align_to_mut(&mut self.0).1
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        self.all_mut().iter_mut().for_each(|bucket| bucket.tags = Zeroable::zeroed());
    }

    /// All who are remembered.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (Tag, &Record)> {
        self.each().filter(|(tag, _)| !tag.is_free())
    }

    /// Who is blocked, and until when.
    pub(super) fn blocked(&self, now: Moment) -> impl Iterator<Item = (Source, Moment)> {
        let now = ticks(now);
        self.each().filter(move |(tag, _)| tag.blocks(now)).map(|(tag, record)| (record.source(), moment(tag.time())))
    }

    /// How many are remembered, and how many of them are blocked. Looks at tags only.
    pub(super) fn census(&self, now: Moment) -> (u64, u64) {
        let now = ticks(now);
        self.each().fold((0, 0), |(remembered, blocked): (u64, u64), (tag, _)| {
            let more = |count: u64, one: bool| count.saturating_add(u64::from(one));
            (more(remembered, !tag.is_free()), more(blocked, tag.blocks(now)))
        })
    }

    fn each(&self) -> impl Iterator<Item = (Tag, &Record)> {
        self.all().iter().flat_map(|bucket| bucket.tags.iter().copied().zip(&bucket.records))
    }
}

/// Words that hold so many buckets, wherever they begin.
const fn words_for(buckets: usize) -> usize {
    const WORD: usize = size_of::<u64>();
    let words = buckets.saturating_mul(size_of::<Bucket>() / WORD);
    words.saturating_add((align_of::<Bucket>() / WORD).saturating_sub(1))
}

impl Bucket {
    /// Lets `act` look at the record of a source, or change it, if there is one.
    pub(super) fn find<T>(&mut self, key: Key, act: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let at = self.position(key)?;
        self.open(at, key.mark, act)
    }

    /// Lets `act` change the record of a source: its own, or a free one, or the one that is forgotten for it.
    pub(super) fn find_or_make<T>(&mut self, key: Key, now: Moment, act: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let at = match self.position(key) {
            Some(at) => at,
            None => self.make(key.source, now)?,
        };
        self.open(at, key.mark, act)
    }

    /// The same, if nobody needs to be forgotten for it.
    pub(super) fn find_or_add<T>(&mut self, key: Key, now: Moment, act: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let room = self.position(key).is_some() || self.tags.iter().any(|tag| tag.is_free());
        if room { self.find_or_make(key, now, act) } else { None }
    }

    /// Forgets a source.
    pub(super) fn forget(&mut self, key: Key) {
        let tag = self.position(key).and_then(|at| self.tags.get_mut(at));
        if let Some(tag) = tag {
            *tag = Tag::zeroed();
        }
    }

    /// Puts a record from another bucket over the one that is to be forgotten first, if it is not that itself.
    pub(super) fn take_in(&mut self, (tag, record): (Tag, &Record), now: Moment) {
        let tag = settled(tag, record, ticks(now));
        let victim = self.victim(now);
        if let Some((known, place)) = self.tags.get_mut(victim).zip(self.records.get_mut(victim))
            && known.rank() < tag.rank()
        {
            (*known, *place) = (tag, *record);
        }
    }

    /// An empty record in the place of the one that is forgotten first.
    fn make(&mut self, source: Source, now: Moment) -> Option<usize> {
        let at = self.victim(now);
        *self.records.get_mut(at)? = Record::new(source);
        Some(at)
    }

    fn open<T>(&mut self, at: usize, mark: u64, act: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let (tag, record) = (self.tags.get_mut(at)?, self.records.get_mut(at)?);
        let done = act(record);
        *tag = Tag::of(record, mark);
        Some(done)
    }

    /// Compares all marks at once, and then the few records that it must.
    fn position(&self, key: Key) -> Option<usize> {
        self.fetch();
        let mut same = u64::from_le_bytes(self.tags.map(|tag| u8::from(tag.mark() == key.mark)));
        while same != 0 {
            let at = usize::try_from(same.trailing_zeros() / u8::BITS).ok()?;
            if self.is_at(at, key.source) {
                return Some(at);
            }
            same &= same.wrapping_sub(1);
        }
        None
    }

    /// Reads a word of every line of the bucket. Where the table is larger than the caches each line is a walk to memory: asked for
    /// at once they take the time of one, after the tags have told which of them matter the time of two.
    fn fetch(&self) {
        let lines: &[Line; LINES] = bytemuck::cast_ref(self);
        for [first, ..] in lines {
            black_box(*first);
        }
    }

    fn is_at(&self, at: usize, source: Source) -> bool {
        self.records.get(at).is_some_and(|record| record.is_of(source))
            && self.tags.get(at).is_some_and(|tag| !tag.is_free())
    }

    /// Who is forgotten first; of equals, the first.
    fn victim(&mut self, now: Moment) -> usize {
        let now = ticks(now);
        for (tag, record) in self.tags.iter_mut().zip(self.records.iter()).filter(|(tag, _)| tag.is_over(now)) {
            *tag = settled(*tag, record, now);
        }
        let ranks = self.tags.iter().zip(0_u64..).map(|(tag, way)| tag.rank() | way);
        usize::try_from(ranks.min().unwrap_or(0) & MARK).unwrap_or(0)
    }
}

/// The tag of a source whose block is over says when it was last seen: that is its rank from now on.
fn settled(tag: Tag, record: &Record, now: u64) -> Tag {
    if tag.is_over(now) { Tag::new(false, record.last_seen, tag.mark()) } else { tag }
}

#[cfg(test)]
mod tests;
