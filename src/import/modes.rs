//! How PortSentry watched TCP and UDP. Its conf does not say: 1.2 was told on its command line, on Debian out of two shell variables.

use std::collections::BTreeMap;

use super::conf::Conf;
use super::lines::{lines, shown};
use super::notes::{Notes, Refusal};
use super::{File, Question, ReadFile, Version, short};

/// A mode of `PortSentry` 1.2, for one protocol.
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
    match conf.version {
        Version::Two => Ok(of_two(question)),
        Version::One if !question.modes.is_empty() => Ok(named(&question.modes)),
        Version::One => {
            if let Some(path) = &question.default {
                let file = short(path, read)?;
                if let Some(modes) = of_debian(&file, notes)? {
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

/// What Debian's start script was told; nothing, if the file does not set either variable.
fn of_debian(file: &File, notes: &mut Notes) -> Result<Option<Modes>, Refusal> {
    let mut set = BTreeMap::new();
    for line in lines(&file.content) {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let mut note = |why: &str| notes.add(&file.path, Some(line.number), &shown(line.text), why);
        let (protocol, value) = match assignment(text) {
            Some(("TCP_MODE", value)) => (Protocol::Tcp, value),
            Some(("UDP_MODE", value)) => (Protocol::Udp, value),
            Some(_) => {
                note("left out: PortSentry reads TCP_MODE and UDP_MODE here, and nothing else");
                continue;
            }
            None => {
                note("left out: nothing is executed here; say the modes with --mode if they depend on this line");
                continue;
            }
        };
        let place = format!("{}:{}: {}", file.path, line.number, shown(text));
        set.insert(protocol.name(), watched(protocol, &value, file, (line.number, place))?);
    }
    if set.is_empty() {
        return Ok(None);
    }
    if set.values().all(|watched: &Watched| watched.watch == Watch::Nothing) {
        let help = "set TCP_MODE or UDP_MODE, or say the modes with --mode";
        return Err(Refusal::new(&file.path, None, "it sets no mode: PortSentry does not start with it", help));
    }
    let unset = |protocol: Protocol| Watched {
        watch: Watch::Nothing,
        because: format!("{} sets no mode for {}", file.path, protocol.name()),
    };
    let mut of = |protocol: Protocol| set.remove(protocol.name()).unwrap_or_else(|| unset(protocol));
    Ok(Some(Modes { tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }))
}

fn watched(protocol: Protocol, value: &str, file: &File, (line, place): (usize, String)) -> Result<Watched, Refusal> {
    if value.is_empty() {
        return Ok(Watched { watch: Watch::Nothing, because: place });
    }
    let mode = Mode::named(value).filter(|mode| mode.protocol() == protocol);
    let mode = mode.ok_or_else(|| {
        let reason = format!("{} is no mode of PortSentry 1.2 for {}", shown(value.as_bytes()), protocol.name());
        Refusal::new(&file.path, Some(line), &reason, "mend it, or say the modes with --mode")
    })?;
    Ok(Watched { watch: mode.watch(), because: place })
}

/// A shell's `NAME=value` whose value needs no shell to be known.
fn assignment(line: &[u8]) -> Option<(&str, String)> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_prefix("export ").map_or(text, str::trim_start);
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.strip_prefix(quote)?.split_once(quote)?,
        Some(_) | None => value.split_at_checked(value.find([' ', '\t', ';']).unwrap_or(value.len()))?,
    };
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b' '));
    // A word that goes on, or a second command, changes what the line means.
    let rest_is_comment = rest.is_empty() || rest.starts_with([' ', '\t', ';']);
    let rest = rest.trim_start_matches([' ', '\t', ';']);
    (is_name && plain && rest_is_comment && (rest.is_empty() || rest.starts_with('#')))
        .then(|| (name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_and_nothing_is_executed() {
        for (line, value) in [
            ("TCP_MODE=\"stcp\"", "stcp"),
            ("export TCP_MODE='atcp' # all", "atcp"),
            ("TCP_MODE=tcp;", "tcp"),
            ("TCP_MODE=", ""),
            ("TCP_MODE=\"\"", ""),
        ] {
            assert_eq!(assignment(line.as_bytes()), Some(("TCP_MODE", value.to_owned())), "{line}");
        }
        for line in ["TCP_MODE=$X", "TCP_MODE=\"`id`\"", "TCP_MODE=a'b'", "TCP_MODE=tcp; id", "if x=y", "TCP_MODE=\"a"]
        {
            assert_eq!(assignment(line.as_bytes()), None, "{line}");
        }
    }
}
