//! Which program is run, with which arguments and environment. Pure. The environment is all ours: what the daemon was started with is no
//! program's business.

use super::facts::Facts;

/// What a program finds by: where a system keeps its own.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Every C library has it, and messages are in UTF-8.
const LANG: &str = "C.UTF-8";
const SHELL: &str = "/bin/sh";

/// Which of the operator's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Block,
    Unblock,
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Kind {
    /// As the config calls it.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Block => "block",
            Self::Unblock => "unblock",
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Run => "offence",
            Self::Block => "block",
            Self::Unblock => "unblock",
        }
    }
}

impl Invocation {
    /// Of the command `words`, which is one line where a shell is to read it; nothing, if it is empty.
    pub(super) fn of(words: &[String], shell: bool, kind: Kind, facts: &Facts) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let (program, arguments) = if shell {
            (SHELL.to_owned(), vec!["-c".to_owned(), filled_in(first, facts)])
        } else {
            (first.clone(), rest.iter().map(|word| filled_in(word, facts)).collect())
        };
        let mut environment =
            vec![("PATH", PATH.to_owned()), ("LANG", LANG.to_owned()), ("NFTRAP_EVENT", kind.event().to_owned())];
        environment.extend(facts.variables().into_iter().map(|(name, value)| (name, value.as_str().to_owned())));
        Some(Self { program, arguments, environment })
    }
}

/// `text` with values in the places that `PortSentry` names so.
fn filled_in(text: &str, facts: &Facts) -> String {
    [("$TARGET$", facts.target()), ("$PORT$", facts.port()), ("$MODE$", facts.mode())]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::facts;
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn macros_are_filled_in_each_time_they_stand_in_an_argument() {
        let tell = words(&["/usr/local/bin/tell", "--from=$TARGET$", "$PORT$/$MODE$ $TARGET$", "$HOME $target$"]);
        let invocation = Invocation::of(&tell, false, Kind::Run, &facts("192.0.2.1")).unwrap();
        assert_eq!(invocation.program, "/usr/local/bin/tell");
        assert_eq!(invocation.arguments, ["--from=192.0.2.1", "111/stcp 192.0.2.1", "$HOME $target$"]);
    }

    #[test]
    fn a_shell_gets_one_line_and_no_other_program_is_a_shell() {
        let line = words(&["echo $TARGET$ | mail root"]);
        let invocation = Invocation::of(&line, true, Kind::Block, &facts("2001:db8::/64")).unwrap();
        assert_eq!(invocation.program, "/bin/sh");
        assert_eq!(invocation.arguments, ["-c", "echo 2001:db8::/64 | mail root"]);
        assert_eq!(Invocation::of(&[], true, Kind::Block, &facts("192.0.2.1")), None);
    }

    #[test]
    fn the_environment_is_ours_alone_and_says_what_it_is_about() {
        let tell = words(&["/bin/tell"]);
        for (kind, event) in [(Kind::Run, "offence"), (Kind::Block, "block"), (Kind::Unblock, "unblock")] {
            let environment = Invocation::of(&tell, false, kind, &facts("192.0.2.1")).unwrap().environment;
            let named = |name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
            assert_eq!(named("NFTRAP_EVENT"), Some(event));
            assert_eq!(named("NFTRAP_SOURCE"), Some("192.0.2.1"));
            assert_eq!(named("PATH"), Some("/usr/sbin:/usr/bin:/sbin:/bin"));
            assert!(environment.iter().all(|(key, _)| key.starts_with("NFTRAP_") || ["PATH", "LANG"].contains(key)));
        }
    }
}
