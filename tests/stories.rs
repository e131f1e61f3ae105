//! Replays stories on a virtual clock: text files that say when which packet comes, and what must be decided.
//! `tests/stories/README` explains the form; whoever wants another story adds a file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot be read fails")]
#![expect(clippy::disallowed_methods, reason = "stories are files")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use nftrap::config::{Config, Count};
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::Surroundings;
use nftrap::detect::table::{Effect, ScanTable, Seeds, Threshold};
use nftrap::detect::{Decision, Offence, Rules};
use nftrap::packet::{Packet, TcpFlags, Transport};
use nftrap::time::Moment;

#[test]
fn every_story_ends_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut stories: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.retain(|path| path.extension().is_some_and(|extension| extension == "story"));
    stories.sort();
    assert!(stories.len() >= 8, "only {} stories found", stories.len());
    let wrong: Vec<_> = stories.iter().flat_map(|path| replay(path)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What went otherwise than the story says, line by line.
fn replay(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut world = World::default();
    let mut wrong = Vec::new();
    let mut something_happens = false;
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i.wrapping_add(1), line.trim())) {
        let place = format!("{}:{number}", path.display());
        if line.is_empty() || line.starts_with('#') {
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.contains("->")) {
            world.set(name.trim(), value.trim(), &place);
        } else {
            something_happens = true;
            let (event, expected) = line.split_once("->").unwrap_or_else(|| panic!("{place}: no `->`"));
            let decided = world.see(event.trim(), &place);
            if decided != expected.trim() {
                wrong.push(format!("{place}: {line}\n    decided: {decided}"));
            }
        }
    }
    assert!(something_happens, "{}: nothing happens in this story", path.display());
    wrong
}

struct World {
    rule: Threshold,
    surroundings: Surroundings,
    allow: Vec<IpNet>,
    exempt: Vec<IpNet>,
    guests: Vec<IpNet>,
    udp: Effect,
    /// From the first packet on.
    judge: Option<(Rules, ScanTable)>,
}

impl Default for World {
    fn default() -> Self {
        let config = Config::default();
        Self {
            rule: Rules::of(&config, Moment::ZERO, Duration::from_secs(1)).threshold,
            surroundings: Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() },
            allow: Vec::new(),
            exempt: Vec::new(),
            guests: Vec::new(),
            udp: Effect::Blocked,
            judge: None,
        }
    }
}

impl World {
    fn set(&mut self, name: &str, value: &str, place: &str) {
        assert!(self.judge.is_none(), "{place}: settings come before packets");
        match name {
            "threshold" => self.rule.contacts = value.parse().unwrap(),
            "count" if value == "packets" => self.rule.count = Count::Packets,
            "tcp" if value == "report" => self.rule.effect = Effect::Reported,
            "udp" if value == "report" => self.udp = Effect::Reported,
            "window" => self.rule.window = humantime::parse_duration(value).unwrap(),
            "block" => self.rule.block.first = humantime::parse_duration(value).unwrap(),
            "factor" => self.rule.block.factor = value.parse().unwrap(),
            "longest" => self.rule.block.longest = humantime::parse_duration(value).unwrap(),
            "memory" => self.rule.block.memory = humantime::parse_duration(value).unwrap(),
            "ipv6_prefix" => self.surroundings.ipv6_prefix = value.parse().unwrap(),
            "unserved" => self.rule.unserved = value.parse().unwrap(),
            "exempt" => self.exempt.push(value.parse().unwrap()),
            "guest" => self.guests.push(value.parse().unwrap()),
            "on_link" => self.surroundings.on_link.push(value.parse::<Ipv6Net>().unwrap()),
            "allow" => self.allow.push(value.parse().unwrap()),
            _ => panic!("{place}: no setting `{name}`"),
        }
    }

    fn see(&mut self, event: &str, place: &str) -> String {
        let rules = Rules {
            threshold: self.rule,
            udp: self.udp,
            allow: Prefixes::new(&self.allow),
            ..Rules::of(&Config::default(), Moment::ZERO, Duration::ZERO)
        };
        let (rules, table) = self.judge.get_or_insert_with(|| (rules, ScanTable::new(1024, Seeds(3, 4))));
        let (now, packet) = read_event(event).unwrap_or_else(|| panic!("{place}: cannot read `{event}`"));
        self.surroundings.exempt = Prefixes::new(&self.exempt);
        let guest = self.guests.iter().any(|guest| guest.contains(&packet.source));
        let judge = if guest { Rules::judge_guest } else { Rules::judge };
        match judge(rules, table, now, &packet, &self.surroundings) {
            Decision::Innocent => "innocent".into(),
            Decision::Watch(_, _) => "watch".into(),
            Decision::StillBlocked => "still blocked".into(),
            Decision::Block(offence) => told("block", now, &offence),
            Decision::Report(offence) => told("report", now, &offence),
        }
    }
}

fn told(what: &str, now: Moment, offence: &Offence) -> String {
    let lasts = humantime::format_duration(offence.until.since(now));
    format!("{what} {} {lasts} hits={} kind={}", offence.source, offence.hits, offence.probe.kind)
}

/// `TIME SOURCE:PORT > DESTINATION:PORT udp|hidden|SFRPAU…|.`
fn read_event(event: &str) -> Option<(Moment, Packet)> {
    let words: Vec<_> = event.split_whitespace().collect();
    let [time, from, ">", to, what] = words[..] else { return None };
    let time = Duration::try_from_secs_f64(time.parse().ok()?).ok()?;
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().ok()?, to.parse().ok()?);
    let transport = match what {
        "udp" => Transport::Udp { from: from.port(), to: to.port() },
        "hidden" => Transport::Hidden,
        "icmp" => Transport::Icmp,
        "echo" => Transport::Echo,
        "init" => Transport::SctpInit { to: to.port() },
        number if number.starts_with("protocol-") => Transport::Other(number.strip_prefix("protocol-")?.parse().ok()?),
        flags => Transport::Tcp { from: from.port(), to: to.port(), flags: read_flags(flags)? },
    };
    Some((Moment::from_start(time), Packet { source: from.ip(), destination: to.ip(), transport }))
}

/// Letters as tcpdump has them, and `.` for ACK: `S`, `S.`, `FPU`; `-` is none.
fn read_flags(letters: &str) -> Option<TcpFlags> {
    let mut bits = letters.chars().map(|letter| {
        Some(match letter {
            'F' => 0x01,
            'S' => 0x02,
            'R' => 0x04,
            'P' => 0x08,
            '.' => 0x10,
            'U' => 0x20,
            'E' => 0x40,
            'W' => 0x80,
            '-' => 0,
            _ => return None,
        })
    });
    bits.try_fold(0, |all, bit| Some(all | bit?)).map(TcpFlags)
}
