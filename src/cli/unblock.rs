//! `nftrap unblock`: ends blocks before their time.

use std::process::ExitCode;

use ipnet::IpNet;

use super::change::{self, Change, EVERYBODY, How};
use super::whom;
use crate::control::wire::Request;
use crate::event::plain;

/// End blocks, and forget what their sources did.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// Whose: addresses, or networks with all that is blocked in them.
    #[arg(value_name = "ADDR[/N]", value_parser = whom::any)]
    whom: Vec<IpNet>,
    /// Everybody's.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Whom { whom, all } = &arguments.whom;
    let change = |prefix: &IpNet| Change { whom: plain(prefix), request: Request::Unblock { prefix: *prefix } };
    let changes = if *all {
        vec![Change { whom: EVERYBODY.to_owned(), request: Request::UnblockAll }]
    } else {
        whom.iter().map(change).collect()
    };
    change::each(&arguments.how, &changes, None)
}
