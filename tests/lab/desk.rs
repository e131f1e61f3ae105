//! An operator's desk at a guarded host: its config and journal, which outlive the daemon, and the commands.

use std::sync::Arc;

use serde_json::Value;

use super::daemon::{ConfigFile, Daemon, nftrap};
use super::hosts::Lab;
use super::netns::Namespace;

/// One host's.
pub(crate) struct Desk<'lab> {
    pub(crate) host: &'lab Namespace,
    pub(crate) file: Arc<ConfigFile>,
}

impl<'lab> Desk<'lab> {
    /// At the server of a lab.
    pub(crate) fn at(lab: &'lab Lab, config: &str) -> Self {
        Self::of(&lab.server, config)
    }

    pub(crate) fn of(host: &'lab Namespace, config: &str) -> Self {
        Self { host, file: Arc::new(ConfigFile::new(config)) }
    }

    /// Starts the daemon, with what an earlier one left; returns when it is ready.
    pub(crate) fn start(&self) -> Daemon<'lab> {
        let daemon = Daemon::launch_with(self.host, &self.file);
        daemon.wait_for_line("ready");
        daemon
    }

    /// Another config in force.
    pub(crate) fn reload(&self, config: &str) -> String {
        self.file.write(config);
        self.done("reload")
    }

    /// What a command says, and whether it went well. Its words are as a shell would part them.
    pub(crate) fn says(&self, command: &str) -> (bool, String) {
        self.host.feed(nftrap().args(command.split_whitespace()), "")
    }

    /// What a command says that goes well.
    pub(crate) fn done(&self, command: &str) -> String {
        let (done, said) = self.says(command);
        assert!(done, "`nftrap {command}` failed: {said}");
        said
    }

    /// What a command says that is refused.
    pub(crate) fn refused(&self, command: &str) -> String {
        let (done, said) = self.says(command);
        assert!(!done, "`nftrap {command}` went well: {said}");
        said
    }

    /// The lines of JSON that a command says.
    pub(crate) fn json(&self, command: &str) -> Vec<Value> {
        let said = self.done(&format!("{command} --json"));
        said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Who is listed as blocked, with by whom, in order.
    pub(crate) fn listed(&self) -> Vec<String> {
        let mut listed: Vec<_> =
            self.json("list").iter().map(|block| format!("{} {}", text(block, "source"), text(block, "by"))).collect();
        listed.sort();
        listed
    }

    /// What the journal has of these kinds, earliest first.
    pub(crate) fn history(&self, kinds: &str) -> Vec<Value> {
        let config = self.file.path().display();
        let kinds = if kinds.is_empty() { String::new() } else { format!("--kind {kinds}") };
        self.json(&format!("history --oldest-first {kinds} --config {config}"))
    }
}

/// A text in an object.
pub(crate) fn text<'json>(object: &'json Value, key: &str) -> &'json str {
    object[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {object}"))
}
