//! `nftrap block`: an operator's own block.

use std::process::ExitCode;

use ipnet::IpNet;

use super::change::{self, Change, How, Length, length, reason};
use super::whom;
use crate::control::wire::Request;
use crate::event::plain;

/// An address changes hands, and what is forgotten stays: for ever is for those who say so.
const BY_DEFAULT: Length = Length::Seconds(3600);
const NOTE: &str = "for 1h, since `--for` did not say";

/// Block addresses or networks.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Whom: addresses, or networks.
    #[arg(required = true, value_name = "ADDR[/N]", value_parser = whom::some)]
    whom: Vec<IpNet>,
    /// For how long: 30m, 2h, 7d, or forever [default: 1h].
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Length>,
    /// Why, for those who find it later.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let seconds = match arguments.length.unwrap_or(BY_DEFAULT) {
        Length::Seconds(seconds) => Some(seconds),
        Length::ForEver => None,
    };
    let note = arguments.length.is_none().then_some(NOTE);
    let change = |prefix: &IpNet| Change {
        whom: plain(prefix),
        request: Request::Block { prefix: *prefix, seconds, reason: arguments.reason.clone() },
    };
    change::each(&arguments.how, &arguments.whom.iter().map(change).collect::<Vec<_>>(), note)
}
