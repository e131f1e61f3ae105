//! Before anything else, while there is one thread: root's rights given up, and the kernel told what we need, as far as the config lets us.
//!
//! Nothing that the config asks for is lost by it in silence. Where the service's user could not do it, we stay root and say why, or
//! refuse to start, as the config says; programs of the operator's are not held to what we need ourselves.

use std::path::{Path, PathBuf};

use log::{info, warn};

use crate::act::Owed;
use crate::config::{self, Config, JournalFile, RunAs};
use crate::journal::{Taken, hand_over, take_back};
use crate::kernel::cage::{self, Held, Hold, Role};
use crate::kernel::process;
use crate::kernel::queue;
use crate::kernel::rights::{self, Account, RightsError, Use};
use crate::report::logger::with_causes;

mod places;

use places::{Wanted, wanted};

/// The user that the package makes, and that commands trust.
const USER: &str = "nftrap";

/// Why we do not start with the rights that the config wants.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// The system has not got it.
    #[error(
        "[rights] wants the user `nftrap`, and there is none: create it (useradd --system nftrap), or set user = \"auto\""
    )]
    NoUser,
    /// Nobody else can become another user.
    #[error("[rights] wants the user `nftrap`, and nftrap was started as another: start it as root or as that user")]
    NotRoot,
    /// It could not do what the config asks for.
    #[error("as the user `nftrap` it could not {0}: give that user the right to, or set user = \"root\" in [rights]")]
    Short(String),
    /// The system does not let us.
    #[error(transparent)]
    Rights(#[from] RightsError),
}

/// What became of our rights.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Whom we became, if we did.
    became: Option<String>,
    /// Why we stay root, where that was not asked for.
    stays: Option<String>,
    /// What became of a state folder that was the service's, where we stay root.
    taken: Option<Result<String, String>>,
    /// What the whole process is held to; nothing, if it is not to be.
    held: Option<Held>,
    /// The folders that it may fill then.
    folders: Vec<PathBuf>,
    /// Why it is not, though the config says so.
    loose: Option<&'static str>,
}

/// What we have to be able to do.
struct Asked {
    /// Programs of `[command]`, now or when a block ends.
    runs: bool,
    wanted: Vec<Wanted>,
}

/// Does what [rights] says; `programs` are the folders in which nft is looked for, and `path` is where `config` was read.
pub fn close(config: &Config, path: Option<&Path>, programs: Vec<PathBuf>) -> Result<Kept, CageError> {
    process::remember_start();
    queue::keep(); // as long as we may read it
    let mut kept = Kept::default();
    let owed = Owed::of(config.acted_file().as_deref());
    let asked = Asked { runs: runs_programs(config) || owed.wants_command(), wanted: wanted(config, path, &owed) };
    match config.rights.user {
        RunAs::Root => {}
        RunAs::Automatic if !rights::is_root() => {}
        RunAs::Nftrap if !rights::is_root() => refuse_another()?,
        RunAs::Automatic => match rights::account(USER).map(|account| become_user(config, &account, &asked)) {
            None => {}
            Some(Ok(name)) => kept.became = Some(name),
            Some(Err(error)) => kept.stays = Some(with_causes(&error)),
        },
        RunAs::Nftrap => {
            let account = rights::account(USER).ok_or(CageError::NoUser)?;
            kept.became = Some(become_user(config, &account, &asked)?);
        }
    }
    kept.taken = stay(config, &kept, &owed);
    match config.rights.cage {
        config::Cage::Open => {}
        config::Cage::Closed if runs_programs(config) => {
            kept.loose = Some("programs of [command] would be held to what nftrap needs");
        }
        config::Cage::Closed => {
            // As another user we may believe what was not for root to believe.
            let owed = Owed::of(config.acted_file().as_deref());
            let places = places::places(wanted(config, path, &owed), programs);
            kept.held = Some(cage::close(&places));
            kept.folders = places.write;
        }
    }
    Ok(kept)
}

/// Holds the thread that calls it to the calls of its role, if that is wanted; says so, if it cannot be had.
pub(super) fn enter(cage: config::Cage, role: Role) {
    if cage == config::Cage::Closed
        && let Err(error) = cage::enter(role)
    {
        warn!(error:%; "a {role} thread is held to no list of system calls");
    }
}

impl Kept {
    /// Says what an operator may want to change.
    pub(super) fn tell(&self) {
        if let Some(name) = &self.became {
            info!(user = name.as_str(); "root's rights are given up, all but CAP_NET_ADMIN");
        }
        if let Some(why) = &self.stays {
            warn!("stays root: {why}");
        }
        match &self.taken {
            Some(Ok(done)) => warn!("{done}"),
            Some(Err(problem)) => warn!("cannot make the state folder root's again: {problem}"),
            None => {}
        }
        for (what, hold) in self.held.iter().flat_map(|held| [("files", &held.files), ("system calls", &held.calls)]) {
            if let Hold::Not(why) = hold {
                info!("not held to its {what}: {why}");
            }
        }
    }

    /// Whether files elsewhere than at the start's places cannot be opened.
    pub(super) fn holds_files(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !matches!(held.files, Hold::Not(_)))
    }

    /// What an operator should know of programs that `config` names, where none were at the start.
    pub(super) fn binds(&self, config: &Config) -> Option<String> {
        let bound = self.held.is_some() || (self.became.is_some() && self.loose.is_none());
        let what = "programs of [command] are held to what nftrap needs, until it is restarted";
        (bound && runs_programs(config)).then(|| what.to_owned())
    }

    /// What an operator should know of a file for TCP wrappers that `config` names, where none or another was named at the start.
    pub(super) fn cannot_reach(&self, config: &Config) -> Option<String> {
        let wanted = places::denied(config)?;
        let refused = !rights::we_cannot(&wanted.uses()).is_empty();
        let places = places::places(vec![wanted], Vec::new()).write;
        let is_beyond = |place: &PathBuf| !self.folders.iter().any(|folder| place.starts_with(folder));
        let beyond = self.holds_files() && places.iter().any(is_beyond);
        let file = config.hosts_deny.file.display();
        (refused || beyond).then(|| format!("{file} of [hosts_deny] cannot be written to, until it is restarted"))
    }

    /// For who asks how we do: as whom we run, and what the kernel holds us to.
    pub(super) fn shown(&self) -> String {
        let user = match (&self.became, rights::is_root()) {
            (Some(name), _) => format!("user {name}"),
            (None, true) => "root".to_owned(),
            (None, false) => "the user that it was started as".to_owned(),
        };
        let process = match (&self.held, self.loose) {
            (Some(held), _) => format!("files {}, system calls {}", shown(&held.files), shown(&held.calls)),
            (None, Some(why)) => format!("files and system calls not held: {why}"),
            (None, None) => "files and system calls not held: cage = false".to_owned(),
        };
        format!("{user}; {process}; {} threads held to short lists of calls", rights::threads_on_lists())
    }
}

fn shown(hold: &Hold) -> String {
    match hold {
        Hold::Whole => "held".to_owned(),
        Hold::Part => "held as far as this kernel can".to_owned(),
        Hold::Not(why) => format!("not held ({why})"),
    }
}

fn runs_programs(config: &Config) -> bool {
    let command = &config.command;
    [&command.run, &command.block, &command.unblock].into_iter().any(|program| !program.is_empty())
}

fn refuse_another() -> Result<(), CageError> {
    let ours = rights::account(USER).ok_or(CageError::NoUser)?;
    if ours.is_us() { Ok(()) } else { Err(CageError::NotRoot) }
}

/// Becomes `account`, if it can do all that the config asks for.
fn become_user(config: &Config, account: &Account, asked: &Asked) -> Result<String, CageError> {
    let mut short = Vec::new();
    if config.rights.user == RunAs::Automatic && asked.runs {
        short.push("run what [command] names with root's rights".to_owned());
    }
    short.extend(places::low_port(config));
    // The state folder is ours, whoever has made it; a folder that the operator names is as it is.
    let (state, others): (Vec<_>, Vec<_>) = asked.wanted.iter().partition(|wanted| wanted.is_ours_to_give);
    short.extend(refused(account, &others)?);
    refuse(&short)?;
    if let Some(journal) = config.journal_file().filter(|_| !state.is_empty()) {
        let failed = |error: std::io::Error| CageError::Short(format!("own {}: {error}", journal.display()));
        hand_over(&journal, account.numbers()).map_err(failed)?;
    }
    refuse(&refused(account, &state)?)?;
    account.become_for_good()?;
    Ok(account.name.clone())
}

/// Where we stay root, has the state folder root's: what root has to end one day is for root alone to write.
fn stay(config: &Config, kept: &Kept, owed: &Owed) -> Option<Result<String, String>> {
    if kept.became.is_some() || !rights::is_root() || config.journal.file != JournalFile::InStateFolder {
        return None;
    }
    let (service, journal, ledger) = (rights::account(USER)?, config.journal_file()?, config.acted_file()?);
    let taken = take_back(&journal, &ledger, service.numbers().0).and_then(|taken| match taken {
        // What root left, and we gave away a moment ago: not to be lost by that.
        Taken::SetAside(_) if !owed.is_empty() => owed.keep(&ledger).map(|()| Taken::Files),
        Taken::SetAside(_) | Taken::Files | Taken::Nothing => Ok(taken),
    });
    let folder = journal.parent().unwrap_or(&journal).display().to_string();
    match taken {
        Ok(Taken::Nothing) => None,
        Ok(Taken::Files) => Some(Ok(format!("{folder} was the user {USER}'s, and is root's again"))),
        Ok(Taken::SetAside(aside)) => Some(Ok(format!(
            "{folder} was the user {USER}'s, and is root's again; root does not believe what that user left to be ended: it is in {}",
            aside.display()
        ))),
        Err(error) => Some(Err(format!("{folder}: {error}"))),
    }
}

fn refuse(short: &[String]) -> Result<(), CageError> {
    if short.is_empty() { Ok(()) } else { Err(CageError::Short(short.join(", nor "))) }
}

/// What it could not do of this.
fn refused(account: &Account, wanted: &[&Wanted]) -> Result<Vec<String>, RightsError> {
    let asked: Vec<_> = wanted.iter().flat_map(|wanted| wanted.uses()).collect();
    let refused = account.cannot(&asked)?;
    let mut short: Vec<_> =
        refused.into_iter().map(|(path, wanted)| format!("{} {}", verb(wanted), path.display())).collect();
    short.sort_unstable();
    short.dedup();
    Ok(short)
}

const fn verb(wanted: Use) -> &'static str {
    match wanted {
        Use::Read => "read",
        Use::Write => "write to",
        Use::Fill => "make files in",
    }
}
