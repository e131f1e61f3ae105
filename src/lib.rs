//! nftrap ends a port scan at its first probe, inline, on Linux hosts and gateways whose firewall is nftables.
//!
//! ```text
//!  wire ─► prerouting (raw)      @allow ─► go on;  @block: SYN and impossible flags ─► drop
//!       ─► conntrack
//!       ─► prerouting (mangle)   @block and new ─► drop
//!       ─► input / forward       flow known, allowed, or no trap ─► go on
//!               trap ─► queue (guests have their own) ─► worker: packet::parse ─► detect::Detector::observe ─► decision
//!                                 offender? ─► kernel::block_set first, then the verdict
//!                                 fact ─► channel ─► daemon::writer ─► log, journal, followers, events file
//!                                                         ├─► report::chronicle ─► names ─► PortSentry's lines and files
//!                                                         └─► daemon::wide ─► what many sources do together: told, or blocked as ever
//!
//!  decoy port ─► our own socket ─► daemon::decoy answers, without rights ─► daemon::proof judges, as a worker does
//!
//!  operator ─► cli ─► control ─► daemon::answers ─► answer
//!                                     └─► daemon::orders (one thread changes things) ─► kernel, then memory, then journal
//!                                 event ─► channel ─► journal::keeper ─► file
//!                                       └► channel ─► act ─► commands, lines for TCP wrappers
//! ```
//!
//! | word | meaning |
//! |---|---|
//! | source | who sends: one IPv4 address, or one IPv6 network (a /64 unless configured otherwise) |
//! | trigger port | a port that nobody serves here and that only a scanner asks for |
//! | probe | one packet that the ruleset found suspicious and queued |
//! | contact | a distinct (destination, protocol, port) that a source asked for |
//! | scan table | the shared, bounded memory of sources and their contacts |
//! | verdict | what happens to this packet: accept or drop |
//! | decoy | a port that answers while nobody serves it: who completes a connection there has proven its address |
//! | guest | a source that lately sent data over a connection with a service here: no single packet in its name cuts it off |
//! | offender | a source whose contacts reached the threshold |
//! | distributed scan | one that many sources share, each with too few contacts to be an offender |
//! | block | an offender's stay in a kernel set, with an end |
//! | allow list | sources that are never blocked |
//! | journal | the database of events and blocks |
//! | ruleset | our nftables table, and nothing of anybody else's |
//!
//! Imports point one way: `cli → {daemon → {act, kernel, control, journal, report}, replay, import} → event → detect → {packet, time}`; `config` is
//! values that anybody may hold, and so are the facts that `kernel` collects and `doctor` judges. What is pure (`packet`, `time`,
//! `detect`, `event`, `doctor`, `import`) names no edge: `tests/layering.rs` holds that.
//!
//! Promises, each with a test in `tests/namespaces.rs`: an allowed source is never blocked and never queued; a packet of a
//! flow that we opened is never dropped; a block always ends; killing the daemon loses no block and leaves no packet waiting;
//! memory has a ceiling, whatever is sent; only our own table changes; no input makes it panic.

pub mod act;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod detect;
pub mod doctor;
pub mod event;
pub mod import;
pub mod journal;
pub mod kernel;
pub mod packet;
pub mod replay;
pub mod report;
pub mod time;
