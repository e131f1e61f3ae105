//! Whose traffic would be taken for a scan, and whose never comes by: administrators, services without a socket, ports that are served.

use super::facts::Facts;
use super::{Check, few};
use crate::config::{Config, Exempt, Mode};

/// Whether who administers this host could be shut out of it.
pub(super) fn administrator(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "administrator";
    const ALLOW: &str = "put the address or network that you administer from into `sources` in section [allow]";
    if config.mode == Mode::Observe {
        return Check::ok(NAME, "nobody is shut out while nftrap only observes");
    }
    let Some(peers) = &facts.session_peers else {
        if !config.allow.is_empty() {
            return Check::ok(NAME, "there is an allow list; who is logged in is not seen without logind");
        }
        let finding = "nobody is on the allow list, and without logind nftrap does not see who is logged in";
        return Check::warning(NAME, finding, ALLOW);
    };
    let outside = few(peers.iter().filter(|peer| !config.allow.contains(**peer)).map(ToString::to_string));
    match config.exempt {
        Exempt::Automatic if outside.is_empty() => Check::ok(NAME, "who is logged in is spared"),
        Exempt::Automatic => {
            Check::ok(NAME, format!("logged in from {outside}: spared until they log out, for `automatic` is true"))
        }
        Exempt::AllowListOnly if outside.is_empty() => Check::ok(NAME, "whoever is logged in is on the allow list"),
        Exempt::AllowListOnly => {
            let finding = format!(
                "logged in from {outside}: not on the allow list, and `automatic` is false: a forged packet could shut them out"
            );
            Check::warning(NAME, finding, ALLOW)
        }
    }
}

/// Whether IPVS serves ports without a socket: their clients look like scanners.
pub(super) fn ip_vs(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "ipvs";
    let watched = |(protocol, port): &(&str, u16)| match *protocol {
        "TCP" => config.watched_tcp().contains(*port),
        "UDP" => config.watched_udp().contains(*port),
        _ => false,
    };
    let taken = few(facts.ip_vs.lines().filter_map(virtual_service).filter(watched).map(|(protocol, port)| {
        let protocol = protocol.to_lowercase();
        format!("{protocol} {port}")
    }));
    if taken.is_empty() {
        return Check::ok(NAME, "it serves no port that nftrap watches");
    }
    let finding = format!("it serves {taken} without a socket: their clients are taken for scanners, and blocked");
    Check::problem(NAME, finding, "put these ports into `except_tcp` or `except_udp`, and off the trigger lists")
}

/// `TCP  0A020001:0050 rr` or `TCP  [2001:0db8::1]:0050 wlc`: the port is in hex.
fn virtual_service(line: &str) -> Option<(&str, u16)> {
    let mut words = line.split_whitespace();
    let protocol = words.next().filter(|word| ["TCP", "UDP"].contains(word))?;
    let (_, port) = words.next()?.rsplit_once(':')?;
    Some((protocol, u16::from_str_radix(port, 16).ok()?))
}

/// Trigger ports that are no traps here.
pub(super) fn served_triggers(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "trigger ports";
    let is_trigger = |protocol: &str, port| match protocol {
        "tcp" => config.trigger.tcp.contains(port),
        _ => config.trigger.udp.contains(port),
    };
    let served = facts.served.iter().filter(|served| is_trigger(served.protocol, served.port));
    let served = few(served.map(|served| format!("{} {}", served.protocol, served.port)));
    if served.is_empty() {
        return Check::ok(NAME, "no program listens on one");
    }
    Check::ok(NAME, format!("programs listen on {served}: no traps while they do, nor for a day after"))
}

/// Whether anything passes through here that `[protect]` could guard.
pub(super) fn forwarding(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "forwarding";
    let wanted = [
        !config.protect.v4().is_empty() || !config.dark.v4().is_empty(),
        !config.protect.v6().is_empty() || !config.dark.v6().is_empty(),
    ];
    let off = |i: usize| wanted.get(i) == Some(&true) && facts.forwards.get(i) == Some(&Some(false));
    let settings = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
    let off: Vec<_> = settings.into_iter().enumerate().filter(|(i, _)| off(*i)).map(|(_, name)| name).collect();
    if !off.is_empty() {
        let finding = format!("[protect] names networks, but {} is 0: nothing passes to them", off.join(" and "));
        let remedy = format!("`sysctl {}=1` if this is a gateway; else empty section [protect]", off.join("=1 "));
        return Check::problem(NAME, finding, remedy);
    }
    if !wanted.contains(&true) {
        return Check::ok(NAME, "[protect] names no networks: this host alone is guarded");
    }
    let unfiltered = few(facts.unfiltered_links.iter().cloned());
    if unfiltered.is_empty() {
        return Check::ok(NAME, "on, as [protect] needs it");
    }
    Check::ok(NAME, format!("on; who sends on {unfiltered} may name any source, also one from inside: rp_filter is 0"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::facts::Served;
    use super::*;
    use crate::detect::prefixes::Prefixes;

    fn prefixes(texts: &[&str]) -> Prefixes {
        Prefixes::new(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    fn logged_in(peers: &[&str]) -> Facts {
        let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        Facts { session_peers: Some(peers), ..Facts::default() }
    }

    #[test]
    fn an_administrator_who_could_be_shut_out_is_warned() {
        let strict = Config { exempt: Exempt::AllowListOnly, ..Config::default() };
        let check = administrator(&logged_in(&["198.51.100.7"]), &strict);
        assert_eq!(check.state, State::Warning);
        assert!(check.finding.contains("198.51.100.7"), "{check:?}");
        let listed = Config { allow: prefixes(&["198.51.100.0/24"]), ..strict.clone() };
        assert_eq!(administrator(&logged_in(&["198.51.100.7"]), &listed).state, State::Ok);
        let observing = Config { mode: Mode::Observe, ..strict };
        assert_eq!(administrator(&logged_in(&["198.51.100.7"]), &observing).state, State::Ok);
        assert_eq!(administrator(&logged_in(&["198.51.100.7"]), &Config::default()).state, State::Ok);
    }

    #[test]
    fn without_logind_an_empty_allow_list_is_worth_a_warning() {
        assert_eq!(administrator(&Facts::default(), &Config::default()).state, State::Warning);
        let listed = Config { allow: prefixes(&["192.0.2.0/24"]), ..Config::default() };
        assert_eq!(administrator(&Facts::default(), &listed).state, State::Ok);
    }

    /// As the kernel prints it (`net/netfilter/ipvs/ip_vs_ctl.c`).
    const IP_VS: &str = "IP Virtual Server version 1.2.1 (size=4096)\n\
        Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
        TCP  0A020001:0050 rr  \n  -> 0A020002:0050      Masq    1      0          0         \n\
        UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 wlc  \nFWM  00000001 rr  \n";

    #[test]
    fn what_ipvs_serves_must_not_be_watched() {
        let facts = Facts { ip_vs: IP_VS.to_owned(), ..Facts::default() };
        let check = ip_vs(&facts, &Config::default());
        assert_eq!(check.state, State::Problem);
        assert!(check.finding.contains("tcp 80, udp 53 "), "{check:?}");
        let mut excepting = Config::default();
        excepting.unserved.except_tcp = [80].into_iter().collect();
        excepting.unserved.except_udp = [53].into_iter().collect();
        assert_eq!(ip_vs(&facts, &excepting).state, State::Ok);
        assert_eq!(ip_vs(&Facts::default(), &Config::default()).state, State::Ok);
    }

    #[test]
    fn trigger_ports_that_are_served_are_named() {
        let served = vec![
            Served { protocol: "tcp", port: 111 },
            Served { protocol: "tcp", port: 161 },
            Served { protocol: "udp", port: 161 },
        ];
        let check = served_triggers(&Facts { served, ..Facts::default() }, &Config::default());
        assert!(check.finding.contains("tcp 111, udp 161:"), "{check:?}");
        assert_eq!(check.state, State::Ok);
    }

    #[test]
    fn a_gateway_that_does_not_forward_guards_nothing_behind_it() {
        let config = Config { protect: prefixes(&["192.0.2.0/24"]), ..Config::default() };
        for (forwards, state) in [
            ([Some(false), Some(true)], State::Problem),
            ([Some(true), Some(false)], State::Ok),
            ([None, None], State::Ok),
        ] {
            assert_eq!(forwarding(&Facts { forwards, ..Facts::default() }, &config).state, state);
        }
        let on = Facts { forwards: [Some(true); 2], unfiltered_links: vec![String::from("eth0")], ..Facts::default() };
        assert!(forwarding(&on, &config).finding.contains("on eth0 may name any source"));
        let off = Facts { forwards: [Some(false); 2], ..Facts::default() };
        assert_eq!(forwarding(&off, &Config::default()).state, State::Ok);
        let both = Config { dark: prefixes(&["2001:db8::/64"]), ..config };
        let remedy = forwarding(&off, &both).remedy.unwrap();
        assert!(remedy.contains("net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"), "{remedy}");
    }
}
