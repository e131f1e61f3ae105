//! The part of the ruleset that hands packets to our decoys: `nft/decoy.nft` with our listeners' ports. Pure.

use crate::config::Config;

/// Its rules, for where the config names ports.
pub(super) const TEMPLATE: &str = include_str!("../../../nft/decoy.nft");
/// Where they are.
const CHAINS: [&str; 5] = ["decoy", "decoyed", "decoy_tcp", "decoy_udp", "decoy_says"];
/// At `input`, what is handed to a decoy is no probe any more; its answer leads to the judgement.
pub(super) const HANDED_OVER: &str = "        tcp dport @tcp_decoys tcp flags & (fin | syn | rst | ack) == syn \
                                      socket transparent 1 return\n        \
                                      udp dport @udp_decoys socket transparent 1 return";

/// Of what comes to `input`: who talks with a decoy is no guest for it.
pub(super) const NO_DECOY: &str = "tcp dport != @tcp_decoys ";

/// Where our decoys listen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoys {
    /// For all ports of TCP.
    pub tcp: Listener,
    /// For each port of UDP.
    pub udp: Vec<(u16, Listener)>,
}

/// Ports of the loopback addresses where one listens; none, where the host does not speak that family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listener {
    /// Of `127.0.0.1`.
    pub v4: Option<u16>,
    /// Of `::1`.
    pub v6: Option<u16>,
}

impl Decoys {
    /// Ports for a ruleset that is only looked at: the real ones are chosen when the daemon starts.
    #[must_use]
    pub fn assumed(config: &Config) -> Self {
        const FIRST: u16 = 50_000;
        let at = |port| Listener { v4: Some(port), v6: Some(port) };
        let udp = config.decoy.udp.ranges().iter().cloned().flatten();
        Self { tcp: at(FIRST), udp: udp.zip(FIRST..).map(|(decoy, port)| (decoy, at(port))).collect() }
    }

    /// Fills in what `TEMPLATE` leaves open.
    pub(super) fn fill_in(&self, template: &str) -> String {
        let udp = self.udp.iter().map(|(decoy, listener)| rules(&format!("udp dport {decoy}"), *listener));
        template
            .replace("%decoy_tcp%", rules("meta l4proto tcp", self.tcp).trim_end())
            .replace("%decoy_udp%", udp.collect::<String>().trim_end())
            .replace("%decoy_says%", self.says().trim_end())
    }

    /// Only our own sockets are transparent: another program's may have the same port some day.
    fn says(&self) -> String {
        let ports = |port: fn(&Listener) -> Option<u16>| {
            let pairs = self.udp.iter().filter_map(move |(decoy, listener)| Some((port(listener)?, *decoy)));
            pairs.map(|(port, decoy)| (port.to_string(), format!("{port} : {decoy}"))).unzip()
        };
        [says("ipv4", &ports(|listener| listener.v4)), says("ipv6", &ports(|listener| listener.v6))].concat()
    }
}

/// Gives what leaves our sockets' ports those that a map has for them.
fn says(family: &str, (ports, map): &(Vec<String>, Vec<String>)) -> String {
    if ports.is_empty() {
        return String::new();
    }
    let (ports, map) = (ports.join(", "), map.join(", "));
    format!(
        "        meta nfproto {family} udp sport {{ {ports} }} socket transparent 1 counter \
         udp sport set udp sport map {{ {map} }}\n"
    )
}

/// Hands what `wanted` selects to `listener`.
fn rules(wanted: &str, listener: Listener) -> String {
    let rule = |family: &str, to: &str, port: u16| {
        format!("        meta nfproto {family} {wanted} tproxy {to}:{port} counter accept\n")
    };
    let v4 = listener.v4.map(|port| rule("ipv4", "ip to 127.0.0.1", port));
    let v6 = listener.v6.map(|port| rule("ipv6", "ip6 to [::1]", port));
    v4.into_iter().chain(v6).collect()
}

/// Hands nothing to the decoys any more.
#[must_use]
pub fn silence(config: &Config) -> String {
    if config.decoy.is_none() { String::new() } else { flush(&config.table) }
}

/// Takes all of its rules out; conntrack and its hooks stay for the sake of ours at `input`.
pub(crate) fn flush(table: &str) -> String {
    CHAINS.map(|chain| format!("flush chain inet {table} {chain}\n")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "%decoy_tcp%\n%decoy_udp%\n%decoy_says%\n";

    #[test]
    fn each_family_that_the_host_speaks_has_its_rule() {
        let tcp = Listener { v4: Some(41_000), v6: None };
        let udp = vec![(7, Listener { v4: Some(42_000), v6: Some(43_000) })];
        let lines = [
            "meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:41000 counter accept",
            "meta nfproto ipv4 udp dport 7 tproxy ip to 127.0.0.1:42000 counter accept",
            "meta nfproto ipv6 udp dport 7 tproxy ip6 to [::1]:43000 counter accept",
            "meta nfproto ipv4 udp sport { 42000 } socket transparent 1 counter udp sport set udp sport map { 42000 : 7 }",
            "meta nfproto ipv6 udp sport { 43000 } socket transparent 1 counter udp sport set udp sport map { 43000 : 7 }",
        ];
        let text = Decoys { tcp, udp }.fill_in(RULES);
        assert_eq!(text.lines().map(str::trim).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn without_listeners_nothing_is_handed_over() {
        assert_eq!(Decoys::default().fill_in(RULES).trim(), "");
    }
}
