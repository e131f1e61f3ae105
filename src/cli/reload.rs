//! `nftrap reload`: the running daemon reads its config again.

use std::process::ExitCode;

use super::change::{self, Change, How};
use crate::control::wire::Request;

/// Have the config read again; one with a mistake changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    how: How,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    change::each(&arguments.how, &[Change { whom: "the config".to_owned(), request: Request::Reload }], None)
}
