//! From nothing to packets being judged: the table into the kernel with nothing queued, queues bound, threads started, and at last packets
//! sent to the queues.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, bounded};
use log::warn;

use super::allow_files::AllowFiles;
use super::allowed::Allowed;
use super::answers::{Answers, Order};
use super::audience::Audience;
use super::backlog::Backlog;
use super::books::Books;
use super::decoy::Decoys;
use super::files::Files;
use super::judge::Judge;
use super::memory::Memory;
use super::proof::Proof;
use super::protection::{Guard, Protection};
use super::served::Served;
use super::start::{Shared, announce, open_workers, random_seeds, share};
use super::wide::Wide;
use super::worker::Worker;
use super::writer::Writer;
use super::{Daemon, DaemonError, cage, memory, numbers, orders, pulse};
use crate::config::{Cage, Config, Decoy, LogFormat, Report};
use crate::control::server;
use crate::event::What;
use crate::kernel::block_set::BlockSet;
use crate::kernel::cage::Role;
use crate::kernel::clock::wall;
use crate::kernel::decoy::{self, Sockets};
use crate::kernel::facts::knows_group;
use crate::kernel::nft::{self, NftError};
use crate::kernel::ruleset;
use crate::report::chronicle::Chronicle;
use crate::report::counters::Counters;
use crate::report::exporter::{self, Exporter};
use crate::report::logger::with_causes;

/// Facts that wait for the writer; more than this and it is not keeping up, and a flood is no reason to wait for it.
const PENDING_FACTS: usize = 4096;
/// Changes that wait to be made; operators are few.
const PENDING_ORDERS: usize = 16;

impl Daemon {
    /// Puts the table into the kernel, with nothing queued, and starts all threads.
    pub(super) fn start(mut config: Config, path: Option<&Path>, log: LogFormat) -> Result<Self, DaemonError> {
        let allow_files = AllowFiles::before_reading(config.allow_file());
        let allowed = allowed(&config)?;
        let (sockets, decoys, no_decoys) = open_decoys(&mut config);
        let whole = Config { allow: allowed.with(&config.allow), ..config.clone() };
        let (mut memory, journal) = memory::open(&whole);
        let shared = Arc::new(Shared { decoys, ..share(&whole)? });
        let served = Served::at(whole.served_file());
        load(&whole, &shared, &mut memory, &served)?;
        let (sender, facts) = bounded(PENDING_FACTS);
        let opened = open_workers(&whole, &shared, &sender, &memory)?;
        drop(sender);
        let ledger = whole.acted_file().filter(|_| !journal.as_ref().is_some_and(memory::Unkept::is_anothers));
        // Only now: queues are opened while no other thread opens files.
        let (keeper, desk) = journal.map(memory::Unkept::keep).transpose().map_err(DaemonError::Start)?.unzip();
        let set = BlockSet::open(&config.table).map_err(DaemonError::Netlink)?;
        let guard = Guard::open(&config.table).map_err(DaemonError::Netlink)?;
        let config_report = config.report.clone();
        let books = Books::new(config, path.map(Path::to_owned), wall(), allowed, memory.bans);
        (books.health().room, books.health().no_decoys) = (opened.room, no_decoys);
        let (chronicle, chronicler) =
            Chronicle::start(&config_report, log, &whole.table).map_err(DaemonError::Start)?;
        let (books, audience) = (Arc::new(books), Arc::new(Audience::new(desk, chronicle, ledger)));
        audience.act_by(&books.config(), &whole.allow, shared.clock);
        let files = open_files(&config_report, &audience, &books);
        let mut counters: Vec<_> = opened.workers.iter().map(Worker::counters).collect();
        let (abreast, asked) = bounded(1);
        let (wide, copies) = Wide::new(opened.wide, Arc::clone(&audience), &whole.table, random_seeds());
        let writer = Writer::new(facts, asked, shared.clock, Arc::clone(&audience), copies);
        let writer = spawn("writer", move || writer.run())?;
        let mut workers = start_workers(opened.workers, whole.rights.cage)?;
        if let Some(judge) = opened.judge {
            let (counted, threads) = answer_strangers(judge, sockets, &whole, &shared)?;
            counters.push(counted);
            workers.extend(threads);
        }
        start_pulse(&shared, &books, &counters)?;
        // No packet waits for that one: it is no part of the pulse.
        counters.push(wide.counters());
        workers.push(spawn("wide", move || wide.run())?);
        let (answers, orders) = answers(&shared, &books, &audience, &counters);
        let exporter = said(start_exporter(&config_report, &answers), &mut books.health().no_metrics);
        Ok(Self {
            files,
            allow_files,
            served,
            chronicler,
            _exporter: exporter,
            books,
            shared,
            audience,
            counters,
            workers,
            writer,
            abreast,
            keeper,
            set,
            guard,
            backlog: Backlog::default(),
            orders,
            answers,
            blocks: opened.blocks,
        })
    }

    /// Sends packets to the queues, and says so.
    pub(super) fn arm(&mut self) -> Result<(), DaemonError> {
        let config = self.books.config();
        let method = nft::arm(&config)?;
        self.guard.settled();
        self.books.health().method = method;
        self.books.health().protection = Protection::Whole;
        announce(&config, method, self.blocks);
        self.audience.chronicle.active();
        if let Some(problem) = no_group(&config) {
            warn!("{problem}");
        }
        let (version, blocks) = (env!("CARGO_PKG_VERSION").to_owned(), u32::try_from(self.blocks).unwrap_or(u32::MAX));
        self.audience.tell(What::Started { version, blocks });
        self.served.remember(&nft::listening());
        self.look_at_room();
        Ok(())
    }

    /// Tries again for files that are wanted and cannot be had.
    pub(super) fn open_files(&mut self) {
        let before = self.books.health().no_files.clone();
        if !before.is_empty() {
            let missing = self.files.open(&self.books.config().report, &self.audience, &before);
            self.books.health().no_files = missing;
        }
    }

    /// Answers operators.
    pub(super) fn listen(&self, listener: Option<UnixListener>) -> Result<(), DaemonError> {
        let Some(listener) = listener else {
            warn!("somebody else has the name of our control socket: no command reaches us until it is given up");
            return Ok(());
        };
        let (books, answers) = (Arc::clone(&self.books), Arc::clone(&self.answers));
        let group = Arc::new(move || books.config.load().control.group.clone());
        let answer = Arc::new(move |request, peer: &_, out: &mut _| answers.answer(request, peer, out));
        server::serve(listener, group, answer).map_err(DaemonError::Start)
    }
}

/// Puts our table into the kernel, with nothing queued, and what an earlier daemon left: in the journal, and in the kernel itself.
/// `config` is with whom operators allowed.
pub(super) fn load(config: &Config, shared: &Shared, memory: &mut Memory, served: &Served) -> Result<(), NftError> {
    memory.take_networks(nft::forget_networks(config)?);
    let mut host = shared.host();
    host.listening.extend(served.ports());
    host.listening.sort_unstable();
    host.listening.dedup();
    nft::load(config, &host, memory.blocks(config.mode))?;
    memory.take_over(&nft::bans(&config.table)?);
    nft::ban(&config.table, &orders::banned(&memory.bans, shared.clock.steady()))
}

/// Whom operators allowed for good.
pub(super) fn allowed(config: &Config) -> Result<Allowed, DaemonError> {
    let file = config.allow_file();
    let name = file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    Allowed::load(file).map_err(|source| DaemonError::Allowed { file: name, source })
}

/// What is wrong with the group that may ask. It is no reason not to guard the host.
pub(super) fn no_group(config: &Config) -> Option<String> {
    let group = config.control.group.as_deref()?;
    let problem =
        || format!("there is no group `{group}`, which [control] names: nobody but root and our own user may ask");
    (knows_group(group) == Some(false)).then(problem)
}

/// What cannot be had is said, and remembered as `untold`; it does not keep us from blocking.
fn said<T>(started: Option<Result<T, String>>, untold: &mut Option<String>) -> Option<T> {
    started?.inspect_err(|problem| warn!("{problem}")).map_err(|problem| *untold = Some(problem)).ok()
}

/// What `config` wants. Where it cannot be had, those ports are traps from now on, as any others.
fn open_decoys(config: &mut Config) -> (Sockets, ruleset::Decoys, Option<String>) {
    let opened = (!config.decoy.is_none()).then(|| decoy::open(&config.decoy));
    let opened = opened.map(|opened| opened.map_err(|error| format!("no decoy answers: {}", with_causes(&error))));
    let mut problem = None;
    let (sockets, decoys) = said(opened, &mut problem).unwrap_or_default();
    if problem.is_some() {
        config.decoy = Decoy::default();
    }
    (sockets, decoys, problem)
}

fn start_exporter(report: &Report, answers: &Arc<Answers>) -> Option<Result<Exporter, String>> {
    let answers = Arc::clone(answers);
    let numbers = Arc::new(move || numbers::numbers(&answers));
    let started = exporter::serve(report.metrics.as_ref()?, numbers);
    Some(started.map_err(|error| format!("no metrics are served: {}", with_causes(&error))))
}

fn start_workers(workers: Vec<Worker>, cage: Cage) -> Result<Vec<JoinHandle<()>>, DaemonError> {
    let start = |(i, worker): (usize, Worker)| {
        spawn(&format!("worker{i}"), move || {
            cage::enter(cage, Role::Worker);
            worker.run();
        })
    };
    workers.into_iter().enumerate().map(start).collect()
}

/// Starts the threads behind the decoys; with what they count.
fn answer_strangers(
    judge: Judge,
    sockets: Sockets,
    config: &Config,
    shared: &Arc<Shared>,
) -> Result<(Arc<Counters>, [JoinHandle<()>; 2]), DaemonError> {
    let (proof, contacts) = Proof::new(judge);
    let counters = proof.counters();
    let decoys = Decoys::new(sockets, &config.decoy, contacts, (shared, Arc::clone(&counters)));
    let cage = config.rights.cage;
    let proof = move || {
        cage::enter(cage, Role::Worker);
        proof.run();
    };
    Ok((counters, [spawn("decoy", move || decoys.run(cage))?, spawn("proof", proof)?]))
}

/// What operators are answered by, and what is asked of the main thread.
fn answers(
    shared: &Arc<Shared>,
    books: &Arc<Books>,
    audience: &Arc<Audience>,
    counters: &[Arc<Counters>],
) -> (Arc<Answers>, Receiver<Order>) {
    let (sender, orders) = bounded(PENDING_ORDERS);
    let answers = Answers {
        shared: Arc::clone(shared),
        books: Arc::clone(books),
        audience: Arc::clone(audience),
        counters: counters.to_vec(),
        orders: sender,
    };
    (Arc::new(answers), orders)
}

/// Starts the thread that ends by itself, within a beat of all others.
fn start_pulse(shared: &Arc<Shared>, books: &Arc<Books>, counters: &[Arc<Counters>]) -> Result<(), DaemonError> {
    let (shared, books, counters) = (Arc::clone(shared), Arc::clone(books), counters.to_vec());
    spawn("pulse", move || pulse::run(&shared, &books, &counters)).map(drop)
}

/// The files that the config names; which cannot be had, is noted.
fn open_files(report: &Report, audience: &Audience, books: &Books) -> Files {
    let mut files = Files::default();
    books.health().no_files = files.open(report, audience, &[]);
    files
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(DaemonError::Start)
}
