//! What is done about an offender: `[block]`.

use super::{BOTH, Convert, keys};
use crate::config::Act;
use crate::import::Version;
use crate::import::conf::Entry;
use crate::import::draft::{Section, text};
use crate::import::firewall::only_firewall;
use crate::import::key::Key;
use crate::import::lines::atoi;
use crate::import::modes::{Protocol, Watch};

impl Convert<'_> {
    pub(super) fn block(&mut self) {
        self.draft.remark(
            Section::Block,
            "PortSentry's blocks never ended. nftrap's last 10m, each further one of the same source twice as long, up to 2h, for an \
             address changes hands and can be forged. For longer ones set `time` and `longest`, up to \"365days\".",
        );
        for protocol in BOTH {
            if self.is_watched(protocol) || self.conf.entry(keys(protocol).block).is_some() {
                let act = self.act(protocol);
                self.blocks |= act == Act::Block;
                self.explain(protocol);
                self.draft.set(Section::Block, protocol.name(), &text(word(act)));
            }
        }
        if self.observes() {
            self.blocks = false;
            let why = "PortSentry only reported, and so does this. When you trust what it reports, write \"enforce\" here, and \
                       \"block\" for tcp and udp in [block].";
            self.draft.set_top("mode", &text("observe"), why);
        }
        if self.blocks {
            self.means();
        }
    }

    fn is_watched(&self, protocol: Protocol) -> bool {
        match self.modes.of(protocol).watch {
            Watch::Nothing => false,
            Watch::Low => true,
            Watch::Listed | Watch::Listening => self.conf.entry(keys(protocol).list).is_some(),
        }
    }

    /// Whether all that is watched is only reported.
    fn observes(&self) -> bool {
        let mut watched = BOTH.into_iter().filter(|protocol| self.is_watched(*protocol)).peekable();
        watched.peek().is_some() && watched.all(|protocol| self.act(protocol) == Act::Observe)
    }

    fn act(&self, protocol: Protocol) -> Act {
        let command = self.conf.filled(Key::KillRunCmd).is_some();
        match self.conf.entry(keys(protocol).block).map(|entry| atoi(&entry.value)) {
            Some(1) => Act::Block,
            Some(2) if command => Act::Command,
            Some(_) | None => Act::Observe,
        }
    }

    fn explain(&mut self, protocol: Protocol) {
        let key = keys(protocol).block;
        let name = protocol.name();
        let mode = if self.observes() { "mode = \"enforce\", and " } else { "" };
        let Some(entry) = self.conf.entry(key) else {
            self.draft.remark(Section::Block, &format!("{} is not there: PortSentry then only reports", key.name()));
            let why = format!(
                "not there, and then PortSentry only reports: {name} = \"observe\" in [block]; to block, write {mode}\"block\" there"
            );
            self.note_absence(key, &why);
            return;
        };
        self.quote(Section::Block, key, entry);
        let why = match (atoi(&entry.value), self.act(protocol)) {
            (_, Act::Block | Act::Command) => return,
            (0, Act::Observe) => format!(
                "PortSentry only reported, and so does nftrap: to block, write {mode}{name} = \"block\" in [block]"
            ),
            (2, Act::Observe) => "it is to run KILL_RUN_CMD, which is not there: \"observe\" in [block]".to_owned(),
            (_, Act::Observe) => {
                format!("PortSentry only reports with anything but 1 and 2: {name} = \"observe\" in [block]")
            }
        };
        self.note(key, entry, &why);
    }

    /// What PortSentry blocked with.
    fn means(&mut self) {
        let route = self.conf.filled(Key::KillRoute);
        let deny = self.conf.filled(Key::KillHostsDeny);
        let why = match (route, deny) {
            (Some(_), _) => return,
            (None, Some(_)) => {
                "PortSentry blocked by hosts.deny alone, which TCP wrappers' services read; nftrap blocks everything that an offender starts"
            }
            (None, None) => "PortSentry had nothing to block with; nftrap blocks in the kernel by itself",
        };
        self.note_absence(Key::KillRoute, &format!("not there: {why}"));
    }

    /// What PortSentry ran to block: nftrap's own sets do that, unless it did something else.
    pub(super) fn route(&mut self) -> Option<String> {
        let key = Key::KillRoute;
        let entry = self.conf.filled(key)?;
        if let Some(firewall) = only_firewall(&entry.value) {
            self.quote(Section::Block, key, entry);
            let remark = format!("    the work of {firewall} is done by nftrap's own sets in the kernel");
            self.draft.remark(Section::Block, &remark);
            if !self.blocks {
                self.draft.remark(Section::Block, "    not used: PortSentry only reports");
                return None;
            }
            let log = if logs(&entry.value) {
                " Its logging of packets has no counterpart: the log has each block."
            } else {
                ""
            };
            let why = format!(
                "not run any more: nftrap blocks by itself.{log} What it has blocked so far stays in the firewall until you take it \
                 out there; if something else relies on what {firewall} is told, put the line into `block` of [command]"
            );
            self.note(key, entry, &why);
            return None;
        }
        if !entry.value.contains("$TARGET$") {
            let why = "left out: without $TARGET$ PortSentry does not run it";
            self.quote(Section::Block, key, entry);
            self.draft.remark(Section::Block, &format!("    {why}"));
            self.note(key, entry, why);
            return None;
        }
        self.quote(Section::Command, key, entry);
        let why = "run beside nftrap's own block; nothing undoes it when that block ends: write into `unblock` of [command] what does";
        self.note(key, entry, why);
        self.note_rights(key, entry);
        Some(entry.value.clone())
    }

    /// What a command meets here that it did not meet there.
    pub(super) fn note_rights(&mut self, key: Key, entry: &Entry) {
        self.note(
            key,
            entry,
            "it was run as root, and is run as the user of nftrap's service now. That runs only what a line ExecPaths= in `systemctl edit \
             nftrap` permits: name /bin/sh there, and each program that the command starts. Setuid and setgid ones, such as \
             the sendmail behind mail, have no rights there: use SMTP to localhost, or follow `nftrap events --json` from another service",
        );
        let Some(why) = self.macros(&entry.value) else { return };
        self.note(key, entry, &why);
    }

    /// What stands for something else in a command now.
    fn macros(&self, command: &str) -> Option<String> {
        let mode = match self.conf.version {
            Version::Two => Some("$MODE$ was stealth or connect, and is stcp, sudp, atcp, audp, tcp or udp now"),
            Version::One if self.any(Watch::Low) => Some(
                "$MODE$ was atcp or audp for all ports below a number, and is stcp or sudp for a range of triggers now",
            ),
            Version::One => None,
        };
        let target = match self.conf.version {
            Version::One => "$TARGET$ may be an IPv6 network such as 2001:db8::/64 now: PortSentry 1.2 knew no IPv6",
            Version::Two => "$TARGET$ is an IPv6 network such as 2001:db8::/64 now, where it was an address",
        };
        let mode = mode.filter(|_| command.contains("$MODE$"));
        let target = Some(target).filter(|_| command.contains("$TARGET$"));
        let said: Vec<_> = mode.into_iter().chain(target).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// As nftrap.toml has it.
const fn word(act: Act) -> &'static str {
    match act {
        Act::Block => "block",
        Act::Observe => "observe",
        Act::Command => "command",
    }
}

/// Whether a firewall's rule writes packets to the log.
fn logs(rule: &str) -> bool {
    let words = || rule.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ';'));
    words().any(|word| ["log", "nflog", "ulog"].iter().any(|log| word.eq_ignore_ascii_case(log)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_logs_is_known_by_a_word_of_its_own() {
        for rule in ["iptables -I INPUT -s $TARGET$ -j LOG --log-prefix 'x'", "echo 'block in log on eth0' | ipf -f -"]
        {
            assert!(logs(rule), "{rule}");
        }
        assert!(!logs("iptables -I INPUT -s $TARGET$ -j DROP > /var/log/x --log-level 1"));
    }
}
