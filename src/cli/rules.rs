//! `nftrap rules`: the ruleset that `run` would load, as text.

use std::path::PathBuf;
use std::process::ExitCode;

use super::run::config_of;
use crate::config::Exempt;
use crate::detect::prefixes::Prefixes;
use crate::kernel::ruleset::{Decoys, Host};
use crate::kernel::{nft, ruleset, surroundings};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file; without it, the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave out the rules that send packets to the queues, as nft must where the kernel has no `nft_queue`.
    #[arg(long)]
    no_queue: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match config_of(arguments.config.as_deref()) {
        Ok(config) => {
            let links = surroundings::on_link_networks().unwrap_or_default();
            let exempt = match config.exempt {
                Exempt::Automatic => surroundings::prefixes(&surroundings::exempt()),
                Exempt::AllowListOnly => Prefixes::default(),
            };
            let host = Host { exempt, decoys: Decoys::assumed(&config), ..nft::host(&links) };
            let queues = if arguments.no_queue { ruleset::disarm(&config) } else { ruleset::arm(&config) };
            super::answer(&[ruleset::table(&config, &host), queues].concat())
        }
        Err(problems) => super::complain(&problems.to_string()),
    }
}
