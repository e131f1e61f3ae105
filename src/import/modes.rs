//! How PortSentry watched TCP and UDP. Its conf does not say: 1.2 was told on its command line, on Debian out of two shell variables.

use super::conf::Conf;
use super::lines::printable;
use super::notes::{Notes, Refusal};
use super::{Question, ReadFile, Version, short};

mod debian;

/// A mode of PortSentry 1.2, for one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TCP, listening on its ports.
    Tcp,
    /// TCP, looking at packets for its ports.
    Stcp,
    /// TCP, looking at packets for all low ports.
    Atcp,
    /// UDP, listening on its ports.
    Udp,
    /// UDP, looking at packets for its ports.
    Sudp,
    /// UDP, looking at packets for all low ports.
    Audp,
}

impl Mode {
    const ALL: [Self; 6] = [Self::Tcp, Self::Stcp, Self::Atcp, Self::Udp, Self::Sudp, Self::Audp];

    /// As its command line has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Stcp => "stcp",
            Self::Atcp => "atcp",
            Self::Udp => "udp",
            Self::Sudp => "sudp",
            Self::Audp => "audp",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    const fn protocol(self) -> Protocol {
        match self {
            Self::Tcp | Self::Stcp | Self::Atcp => Protocol::Tcp,
            Self::Udp | Self::Sudp | Self::Audp => Protocol::Udp,
        }
    }

    const fn watch(self) -> Watch {
        match self {
            Self::Tcp | Self::Udp => Watch::Listening,
            Self::Stcp | Self::Sudp => Watch::Listed,
            Self::Atcp | Self::Audp => Watch::Low,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What of a protocol was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Nothing,
    /// The listed ports, by listening on them.
    Listening,
    /// The listed ports, by looking at packets.
    Listed,
    /// All ports below a number, by looking at packets.
    Low,
}

/// How one protocol was watched, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) watch: Watch,
    pub(super) because: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) tcp: Watched,
    pub(super) udp: Watched,
}

impl Modes {
    pub(super) const fn of(&self, protocol: Protocol) -> &Watched {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        }
    }

    fn both(watch: Watch, because: &str) -> Self {
        let watched = || Watched { watch, because: because.to_owned() };
        Self { tcp: watched(), udp: watched() }
    }
}

/// How both protocols were watched.
pub(super) fn modes(
    conf: &Conf,
    question: &Question,
    read: &mut ReadFile<'_>,
    notes: &mut Notes,
) -> Result<Modes, Refusal> {
    note_unused(conf, question, notes);
    match conf.version {
        Version::Two => Ok(of_two(question)),
        Version::One if !question.modes.is_empty() => Ok(named(&question.modes)),
        Version::One => {
            if let Some(path) = &question.default {
                let file = short(path, read)?;
                if let Some(modes) = debian::modes(&file, notes)? {
                    return Ok(modes);
                }
            }
            let why = "nothing says which modes PortSentry was started with: taken for stcp and sudp; say --mode tcp, \
                       for instance, or name the file that sets TCP_MODE and UDP_MODE with --default";
            notes.add(&conf.path, None, "", why);
            Ok(Modes::both(Watch::Listed, "assumed to be stealth, since nothing says the mode"))
        }
    }
}

/// What was said of the other version's start.
fn note_unused(conf: &Conf, question: &Question, notes: &mut Notes) {
    match (conf.version, &question.default) {
        (Version::One, _) if question.connect => {
            notes.add(&conf.path, None, "--connect", "not used: PortSentry 1.2 is told --mode tcp or udp for that");
        }
        (Version::Two, _) if !question.modes.is_empty() => {
            notes.add(&conf.path, None, "--mode", "not used: PortSentry 2 has --connect, or is stealthy");
        }
        // Nobody need have named it: it is looked for where Debian has it.
        (Version::Two, Some(path)) => {
            let path = printable(&path.display().to_string());
            notes.add(&path, None, "", "not read: it is PortSentry 1.2 that is started by it");
        }
        (Version::One | Version::Two, _) => {}
    }
}

fn of_two(question: &Question) -> Modes {
    if question.connect {
        Modes::both(Watch::Listening, "mode connect, as --connect says")
    } else {
        Modes::both(Watch::Listed, "mode stealth, PortSentry 2's usual one")
    }
}

fn named(modes: &[Mode]) -> Modes {
    let of = |protocol: Protocol| {
        let mode = modes.iter().find(|mode| mode.protocol() == protocol);
        mode.map_or_else(
            || Watched { watch: Watch::Nothing, because: format!("no --mode names one for {}", protocol.name()) },
            |mode| Watched { watch: mode.watch(), because: format!("mode {}, as --mode says", mode.name()) },
        )
    };
    Modes { tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }
}
