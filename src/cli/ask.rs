//! Asking a daemon: which one, with what words when it does not answer, and how an answer is read.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::plain::printable;
use super::run::config_of;
use crate::config::Config;
use crate::control::client::{self, ClientError};
use crate::control::wire::Request;
use crate::report::logger::with_causes;

/// As long as the config lets the name of a table be.
const MAX_TABLE: usize = 31;

/// Which daemon, where several run side by side.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Instance {
    /// The table of the nftrap that is asked, where several run in this network namespace [default: nftrap].
    #[arg(long, value_name = "NAME", conflicts_with = "config", value_parser = table)]
    table: Option<String>,
    /// The config of the nftrap that is asked: it names the table.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Instance {
    /// The config, or one that knows the table alone.
    pub(super) fn config(&self) -> Result<Config, String> {
        let mut config = config_of(self.config.as_deref()).map_err(|problems| problems.to_string())?;
        if let Some(table) = &self.table {
            config.table.clone_from(table);
        }
        Ok(config)
    }
}

/// What the config would take; it is also handed to nft, which must not read more than a name in it.
fn table(text: &str) -> Result<String, &'static str> {
    let well_formed = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.len() <= MAX_TABLE;
    well_formed.then(|| text.to_owned()).ok_or("write a letter, then letters, digits or `_`, at most 31 in all")
}

/// Asks for what is answered in one part.
pub(super) fn one(table: &str, request: &Request) -> Result<Value, ClientError> {
    let mut answer = None;
    client::ask(table, request, &mut |part| {
        answer.get_or_insert(part);
        ControlFlow::Continue(())
    })?;
    answer.ok_or_else(|| not_understood(&"it is empty"))
}

/// What a part of an answer says.
pub(super) fn read<T: DeserializeOwned>(part: &Value) -> Result<T, ClientError> {
    T::deserialize(part).map_err(|error| not_understood(&error))
}

fn not_understood(why: &dyn std::fmt::Display) -> ClientError {
    let text = format!("its answer is not understood ({why}): is the daemon of another version?");
    ClientError::Socket(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// What went wrong, and what to do about it.
pub(super) fn problem(error: &ClientError) -> String {
    let text = with_causes(error);
    let remedy = match error {
        ClientError::NotRunning(_) => ": start it with `systemctl start nftrap` or `nftrap run`",
        ClientError::Broken => ": its log says why (`journalctl -u nftrap`)",
        ClientError::Silent => ": `systemctl restart nftrap`",
        ClientError::Socket(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            ": ask as root or through sudo"
        }
        ClientError::Socket(_) | ClientError::Stranger { .. } | ClientError::Refused { .. } => "",
    };
    // What is wrong with a config has several lines.
    format!("{text}{remedy}").split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_says_what_to_do() {
        let refused = |remedy: &str| ClientError::Refused { problem: "no".into(), remedy: Some(remedy.into()) };
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, text) in [
            (
                ClientError::NotRunning("nftrap".into()),
                "nftrap does not run in this network namespace (table inet nftrap): start it with \
                 `systemctl start nftrap` or `nftrap run`",
            ),
            (refused("ask nicely\u{1b}\n  here"), "no: ask nicely\u{fffd}\n  here"),
            (ClientError::Broken, "nftrap ended before its answer did: its log says why (`journalctl -u nftrap`)"),
            (ClientError::Socket(denied), "cannot ask nftrap: permission denied: ask as root or through sudo"),
        ] {
            assert_eq!(problem(&error), text);
        }
        let strange = read::<u8>(&Value::from("x")).unwrap_err();
        assert!(problem(&strange).contains("of another version"), "{}", problem(&strange));
    }

    #[test]
    fn a_table_is_a_name_and_nothing_that_nft_would_obey() {
        assert_eq!(table("nftrap_2"), Ok("nftrap_2".to_owned()));
        for text in ["", "2", "a b", "a;flush", "a\n", &"a".repeat(32)] {
            assert!(table(text).is_err(), "{text}");
        }
    }
}
