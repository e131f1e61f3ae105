//! `nftrap import`: an nftrap.toml out of what another program was configured with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::load;
use crate::import::{self, Mode, Question, Version};

/// Print a config made from another program's.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Portsentry(Portsentry),
}

/// Print a config that does what PortSentry 1.2 or 2.x did.
///
/// The config goes to standard output, each key below the line that it comes from; what was lost or is different now goes to standard
/// error, with its place. Nothing else is written, and no command in these files is run.
#[derive(Debug, clap::Args)]
struct Portsentry {
    /// Its configuration [default: /etc/portsentry/portsentry.conf, or below /usr/local/psionic].
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Whom it ignored [default: what the configuration says].
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,
    /// What sets `TCP_MODE` and `UDP_MODE` for 1.2 [default: /etc/default/portsentry, if there].
    #[arg(long, value_name = "FILE")]
    default: Option<PathBuf>,
    /// Whom it blocked: shown as commands at the end, to be run or not. Once for each file.
    #[arg(long, value_name = "FILE")]
    blocked: Vec<PathBuf>,
    /// Whose configuration it is, where that cannot be told from it.
    #[arg(long, value_name = "1|2", value_parser = version)]
    version: Option<Version>,
    /// What 1.2 was started with, once for TCP and once for UDP: tcp, stcp or atcp; udp, sudp or audp.
    #[arg(long, value_name = "MODE", value_parser = mode, conflicts_with_all = ["default", "connect"])]
    mode: Vec<Mode>,
    /// 2.x was started with `--connect`.
    #[arg(long, conflicts_with = "default")]
    connect: bool,
    /// Log offenders as PortSentry does, for programs that read its log.
    #[arg(long)]
    keep_log: bool,
}

/// Where Debian has it, and where its authors had it.
const CONFS: [&str; 2] = ["/etc/portsentry/portsentry.conf", "/usr/local/psionic/portsentry/portsentry.conf"];
const DEFAULT: &str = "/etc/default/portsentry";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let From::Portsentry(asked) = &arguments.from;
    match import::portsentry(&question(asked), &mut load::read_file) {
        Ok(imported) => {
            super::complain(imported.notes.to_string().trim_end());
            super::answer(&imported.toml)
        }
        Err(refusal) => super::complain(&refusal.to_string()),
    }
}

fn question(asked: &Portsentry) -> Question {
    let there = |path: &&str| Path::new(path).exists();
    let usual = || CONFS.iter().find(|path| there(path)).unwrap_or(&CONFS[0]);
    Question {
        conf: asked.conf.clone().unwrap_or_else(|| PathBuf::from(usual())),
        ignore: asked.ignore.clone(),
        default: asked.default.clone().or_else(|| Some(DEFAULT).filter(there).map(PathBuf::from)),
        blocked: asked.blocked.clone(),
        version: asked.version,
        modes: asked.mode.clone(),
        connect: asked.connect,
        keep_log: asked.keep_log,
    }
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "1" | "1.2" => Ok(Version::One),
        "2" => Ok(Version::Two),
        _ => Err("1 or 2"),
    }
}

fn mode(text: &str) -> Result<Mode, &'static str> {
    Mode::named(text).ok_or("none of tcp, stcp, atcp, udp, sudp, audp")
}
