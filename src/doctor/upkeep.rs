//! What keeps it going from one day to the next: the start at boot, the folder for state, the clock.

use super::facts::{Facts, Folder, Started, Unit};
use super::{BE_ROOT, Check};
use crate::config::Config;

/// Whether it starts with the machine.
pub(super) fn unit(facts: &Facts) -> Check {
    const NAME: &str = "start at boot";
    let by_hand = facts.daemon.is_some_and(|daemon| daemon.started == Started::Otherwise);
    let units = facts.units;
    if !units.systemd {
        return Check::ok(NAME, "systemd does not run here: see that your own init starts nftrap");
    }
    if units.nftrap == Unit::Absent {
        let remedy = "install the unit nftrap.service, then `systemctl enable --now nftrap`";
        return Check::warning(NAME, "systemd knows no nftrap.service: nothing starts nftrap after a reboot", remedy);
    }
    if units.nftrap == Unit::Installed {
        let finding = "nftrap.service is not enabled: nothing starts nftrap after a reboot";
        return Check::warning(NAME, finding, "`systemctl enable nftrap`");
    }
    if by_hand {
        let finding =
            "nftrap.service is enabled, but the nftrap that runs was started by hand, perhaps with another config";
        return Check::warning(NAME, finding, "stop that one, then `systemctl start nftrap`");
    }
    Check::ok(NAME, "nftrap.service is enabled")
}

/// Whether state can be kept, and by us alone.
pub(super) fn folder(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "state folder";
    const OTHERS_MAY_WRITE: u32 = 0o002;
    const ENOUGH: u64 = 64; // MiB: some hundred thousand events
    let Some(path) = config.state_folder() else {
        let finding = "no journal is kept: blocks outlive a restart, not a reboot";
        return Check::ok(NAME, finding);
    };
    let path = path.display();
    let Folder::Present { mode, writable, free } = facts.folder else {
        return match facts.folder {
            Folder::NotSeen => Check::unknown(NAME, format!("{path} cannot be looked at"), BE_ROOT),
            Folder::Absent | Folder::Present { .. } => Check::ok(NAME, format!("there is no {path} yet")),
        };
    };
    if mode & OTHERS_MAY_WRITE != 0 {
        let finding = format!("anybody may write into {path}: what nftrap remembers could be forged");
        return Check::problem(NAME, finding, format!("`chmod o-w {path}`"));
    }
    if free < ENOUGH {
        let finding = format!("{free} MiB are free for {path}: soon nothing can be remembered there");
        return Check::warning(NAME, finding, "make room on that disk");
    }
    if !writable {
        return Check::unknown(NAME, format!("{path} is not writable for who asks"), BE_ROOT);
    }
    Check::ok(NAME, format!("{path} is writable, {free} MiB are free"))
}

/// Whether the daemon that runs can write down what happens.
pub(super) fn journal(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "journal";
    match (&facts.journal_problem, config.journal_file()) {
        (Some(problem), _) => {
            let finding = format!("{problem}; until then what happens is not remembered, and blocking goes on");
            Check::warning(NAME, finding, "see that nftrap can write there; it tries again by itself, twice a minute")
        }
        (None, None) => Check::ok(NAME, "none is kept"),
        (None, Some(_)) if facts.daemon.is_none() => Check::ok(NAME, "nftrap does not run, and writes none"),
        (None, Some(file)) => Check::ok(NAME, format!("nftrap writes {}, as far as it says", file.display())),
    }
}

/// Whether other programs get what the config promises them.
pub(super) fn untold(facts: &Facts) -> Check {
    const NAME: &str = "files, commands and metrics";
    if facts.untold.is_empty() {
        return Check::ok(NAME, "nothing is said to be wrong with them");
    }
    let finding = format!("of the nftrap that runs: {}", facts.untold.join("; "));
    let remedy = "mend that: for files nftrap tries again twice a minute, for metrics and decoys when it is restarted";
    Check::warning(NAME, finding, remedy)
}

/// Whether there is the group that may ask.
pub(super) fn group(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "group that may ask";
    match (&config.control.group, facts.group_known) {
        (None, _) => Check::ok(NAME, "none is named: only root and nftrap's own user may ask"),
        (Some(group), Some(true)) => Check::ok(NAME, format!("members of `{group}` may ask, and change nothing")),
        (Some(group), Some(false)) => Check::warning(
            NAME,
            format!("there is no group `{group}`: nobody but root and nftrap's own user may ask"),
            format!("`groupadd {group}`, or name another one with `group` in section [control]"),
        ),
        (Some(group), None) => Check::unknown(
            NAME,
            format!("whether there is a group `{group}` cannot be told"),
            "see what `getent group` says",
        ),
    }
}

/// Programs that keep a clock right.
const KEEPERS: [&str; 5] = ["chronyd", "ntpd", "openntpd", "ptp4l", "phc2sys"];

/// Whether the log's times can be compared with others'. Blocks do not depend on it: they are counted on a clock that is never set.
pub(super) fn clock(facts: &Facts) -> Check {
    const NAME: &str = "clock";
    if facts.timesync {
        return Check::ok(NAME, "systemd-timesyncd has set it");
    }
    match KEEPERS.iter().find(|keeper| facts.programs.iter().any(|program| program == *keeper)) {
        Some(keeper) => Check::ok(NAME, format!("{keeper} keeps it")),
        None => Check::unknown(
            NAME,
            "no program is seen that keeps it right: times in the log may be off, blocks are not",
            "install chrony, unless the machine that hosts this one sets the clock",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::facts::{Claim, Daemon, Units};
    use super::*;

    #[test]
    fn who_would_not_be_there_after_a_reboot_is_warned_of() {
        let all = Units { systemd: true, nftrap: Unit::Enabled, nftables: Unit::Absent };
        for (units, state) in [
            (all, State::Ok),
            (Units { nftrap: Unit::Installed, ..all }, State::Warning),
            (Units { nftrap: Unit::Absent, ..all }, State::Warning),
            (Units::default(), State::Ok),
        ] {
            assert_eq!(unit(&Facts { units, ..Facts::default() }).state, state, "{units:?}");
        }
        let daemon = Some(Daemon { process: 7, claim: Claim::Proven, started: Started::Otherwise });
        assert_eq!(unit(&Facts { units: all, daemon, ..Facts::default() }).state, State::Warning);
    }

    #[test]
    fn a_folder_must_be_ours_alone_and_have_room() {
        let well = (0o755, true, 900);
        for ((mode, writable, free), state) in [
            (well, State::Ok),
            ((0o777, true, 900), State::Problem),
            ((0o700, true, 10), State::Warning),
            ((0o700, false, 900), State::Unknown),
        ] {
            let facts = Facts { folder: Folder::Present { mode, writable, free }, ..Facts::default() };
            assert_eq!(folder(&facts, &Config::default()).state, state, "{mode:o} {writable} {free}");
        }
        assert_eq!(folder(&Facts::default(), &Config::default()).state, State::Ok);
        assert_eq!(
            folder(&Facts { folder: Folder::NotSeen, ..Facts::default() }, &Config::default()).state,
            State::Unknown
        );
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_warned_of() {
        let facts = Facts { journal_problem: Some(String::from("cannot write")), ..Facts::default() };
        assert_eq!(journal(&facts, &Config::default()).state, State::Warning);
        assert_eq!(journal(&Facts::default(), &Config::default()).state, State::Ok);
    }

    #[test]
    fn what_other_programs_do_not_get_is_warned_of() {
        let facts = Facts { untold: vec![String::from("no metrics are served")], ..Facts::default() };
        assert_eq!(untold(&facts).state, State::Warning);
        assert_eq!(untold(&Facts::default()).state, State::Ok);
    }

    #[test]
    fn a_group_that_does_not_exist_is_warned_of() {
        let mut config = Config::default();
        assert_eq!(group(&Facts::default(), &config).state, State::Ok);
        config.control.group = Some(String::from("watchers"));
        for (group_known, state) in [(Some(true), State::Ok), (Some(false), State::Warning), (None, State::Unknown)] {
            assert_eq!(group(&Facts { group_known, ..Facts::default() }, &config).state, state);
        }
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_not_said_to_be_wrong() {
        assert_eq!(clock(&Facts::default()).state, State::Unknown);
        assert_eq!(clock(&Facts { timesync: true, ..Facts::default() }).state, State::Ok);
        let chrony = Facts { programs: vec![String::from("chronyd")], ..Facts::default() };
        assert_eq!(clock(&chrony).state, State::Ok);
    }
}
