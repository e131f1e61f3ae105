//! nft's JSON listing of a ruleset, as far as it matters here. Tolerant: other versions of nft, and the compatibility layer of
//! iptables-nft, print statements in forms of their own.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Everything that is in the kernel, but for the sets' elements.
#[derive(Debug, Clone, Default)]
pub(super) struct Ruleset {
    pub(super) tables: Vec<Named>,
    pub(super) sets: Vec<Named>,
    pub(super) chains: Vec<Chain>,
    pub(super) rules: Vec<Rule>,
    pub(super) flowtables: Vec<Named>,
}

/// A table, or something in a table: then `table` says in which.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) family: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) table: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Chain {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    /// Only a base chain has it.
    #[serde(default)]
    pub(super) hook: Option<String>,
    #[serde(default)]
    pub(super) prio: Option<i32>,
    #[serde(default)]
    pub(super) policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rule {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) chain: String,
    #[serde(default)]
    pub(super) expr: Vec<Statement>,
}

/// What a statement is for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    Drop,
    NoTrack,
    /// iptables' target CT: a zone, a helper, or `--notrack`; nft does not list which.
    MaybeNoTrack,
    Queue,
    /// One of iptables' own that nft does not name: NFQUEUE, if it is in a chain of ours.
    Compatible,
    /// What changes nothing about the packet's way: counter, log, comment.
    Neutral,
    /// A condition, or anything else.
    Other,
}

impl Ruleset {
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Listing {
            nftables: Vec<Object>,
        }
        #[derive(Deserialize)]
        struct Object {
            table: Option<Named>,
            set: Option<Named>,
            chain: Option<Chain>,
            rule: Option<Rule>,
            flowtable: Option<Named>,
        }
        let listing: Listing = serde_json::from_slice(json).ok()?;
        let mut found = Self::default();
        for object in listing.nftables {
            found.tables.extend(object.table);
            found.sets.extend(object.set);
            found.chains.extend(object.chain);
            found.rules.extend(object.rule);
            found.flowtables.extend(object.flowtable);
        }
        Some(found)
    }

    /// The rules of `chain`. Looks through all that there are: for base chains, of which there are few.
    pub(super) fn rules_of<'a>(&'a self, chain: &'a Chain) -> impl Iterator<Item = &'a Rule> {
        let Chain { family, table, name, .. } = chain;
        self.rules.iter().filter(move |rule| rule.family == *family && rule.table == *table && rule.chain == *name)
    }
}

impl Chain {
    /// `inet filter input`, as nft is told it.
    pub(super) fn full_name(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.name)
    }
}

impl Rule {
    /// Its chain, as nft is told it.
    pub(super) fn chain_name(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.chain)
    }

    /// Whether it does this to whatever comes to it.
    pub(super) fn always(&self, statement: Statement) -> bool {
        self.does(statement) && self.expr.iter().all(|part| [statement, Statement::Neutral].contains(part))
    }

    /// Whether it does this to some packets at least.
    pub(super) fn does(&self, statement: Statement) -> bool {
        self.expr.contains(&statement)
    }
}

impl Statement {
    fn named(name: &str) -> Self {
        match name {
            "drop" => Self::Drop,
            "notrack" => Self::NoTrack,
            "queue" => Self::Queue,
            "counter" | "log" => Self::Neutral,
            _ => Self::Other,
        }
    }

    /// A match or target of iptables', by its own name.
    fn of_iptables(name: &str) -> Self {
        match name {
            "NFQUEUE" => Self::Queue,
            "NOTRACK" => Self::NoTrack,
            "CT" => Self::MaybeNoTrack,
            "comment" | "LOG" => Self::Neutral,
            _ => Self::Other,
        }
    }
}

/// An object with one key, which names it; what is in it does not matter here, and may be very much.
impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByItsKey)
    }
}

struct ByItsKey;

/// `{"type": "target", "name": "NFQUEUE"}`; older versions of nft print null.
#[derive(Deserialize)]
struct Foreign {
    #[serde(default)]
    name: String,
}

impl<'de> Visitor<'de> for ByItsKey {
    type Value = Statement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a statement")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Statement, A::Error> {
        let mut statement = Statement::Other;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            statement = if key == "xt" {
                let foreign: Option<Foreign> = map.next_value()?;
                foreign.map_or(Statement::Compatible, |foreign| Statement::of_iptables(&foreign.name))
            } else {
                map.next_value::<IgnoredAny>()?;
                Statement::named(&key)
            };
        }
        Ok(statement)
    }

    fn visit_str<E>(self, name: &str) -> Result<Statement, E> {
        Ok(Statement::named(name))
    }

    fn visit_unit<E>(self) -> Result<Statement, E> {
        Ok(Statement::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Statement, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Statement::Other)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Statement::{Compatible, Drop, MaybeNoTrack, Neutral, NoTrack, Other, Queue};
    use super::*;

    /// As nft 1.0.6 lists it, recorded on Linux 6.1.
    pub(in crate::doctor) const LISTED: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "nt", "handle": 4}},
        {"set": {"family": "inet", "name": "s", "table": "nt", "type": "ipv4_addr", "handle": 4, "flags": ["timeout"]}},
        {"flowtable": {"family": "inet", "name": "ft", "table": "nt", "handle": 5, "hook": "ingress", "prio": 0, "dev": "lo"}},
        {"chain": {"family": "inet", "table": "nt", "name": "pre", "handle": 1, "type": "filter", "hook": "prerouting", "prio": -320, "policy": "accept"}},
        {"chain": {"family": "inet", "table": "nt", "name": "inp", "handle": 2, "type": "filter", "hook": "input", "prio": -100, "policy": "drop"}},
        {"rule": {"family": "inet", "table": "nt", "chain": "pre", "handle": 6, "expr": [{"notrack": null}]}},
        {"rule": {"family": "inet", "table": "nt", "chain": "inp", "handle": 7, "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, {"accept": null}]}},
        {"rule": {"family": "inet", "table": "nt", "chain": "inp", "handle": 9, "expr": [
            {"counter": {"packets": 0, "bytes": 0}}, {"log": null}, {"drop": null}]}},
        {"rule": {"family": "inet", "table": "nt", "chain": "queue0", "handle": 118, "expr": [
            {"counter": {"packets": 0, "bytes": 0}}, {"xt": {"type": "target", "name": "NFQUEUE"}}]}},
        {"rule": {"family": "inet", "table": "nt", "chain": "queue1", "handle": 2, "expr": [{"queue": {"num": 9}}]}}]}"#;

    #[test]
    fn a_listing_is_read_as_nft_prints_it() {
        let ruleset = Ruleset::parse(LISTED.as_bytes()).unwrap();
        let names = |of: &[Named]| of.iter().map(|named| named.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&ruleset.tables), names(&ruleset.sets)), (vec!["nt".into()], vec!["s".into()]));
        assert_eq!(names(&ruleset.flowtables), ["ft"]);
        let statements: Vec<_> = ruleset.rules.iter().flat_map(|rule| rule.expr.clone()).collect();
        assert_eq!(statements, [NoTrack, Other, Other, Neutral, Neutral, Drop, Neutral, Queue, Queue]);
    }

    /// As iptables-nft's rules are listed: `-t raw -A PREROUTING -p udp --dport 53 -m comment --comment x -j CT --notrack`.
    pub(in crate::doctor) const IPTABLES: &str = r#"{"nftables": [
        {"chain": {"family": "ip", "table": "raw", "name": "PREROUTING", "handle": 1, "type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}},
        {"rule": {"family": "ip", "table": "raw", "chain": "PREROUTING", "handle": 3, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 53}},
            {"xt": {"type": "match", "name": "comment"}}, {"counter": {"packets": 0, "bytes": 0}}, {"xt": {"type": "target", "name": "CT"}}]}}]}"#;

    #[test]
    fn what_iptables_wrote_is_known_by_the_names_of_its_targets() {
        let ruleset = Ruleset::parse(IPTABLES.as_bytes()).unwrap();
        assert_eq!(ruleset.rules[0].expr, [Other, Neutral, Neutral, MaybeNoTrack]);
    }

    #[test]
    fn what_a_rule_does_always_has_no_condition() {
        let ruleset = Ruleset::parse(LISTED.as_bytes()).unwrap();
        let input = &ruleset.chains[1];
        assert_eq!((input.full_name().as_str(), input.prio), ("inet nt inp", Some(-100)));
        let always: Vec<_> = ruleset.rules_of(input).map(|rule| rule.always(Drop)).collect();
        assert_eq!(always, [false, true]);
    }

    #[test]
    fn forms_of_other_versions_are_let_through_and_nonsense_is_not() {
        let odd = br#"{"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr":
            ["notrack", null, [1], {"xt": null}, {}]}}, {"ct helper": {"name": "x"}}, {"chain": {"family": "ip", "table": "t", "name": "c"}}]}"#;
        let ruleset = Ruleset::parse(odd).unwrap();
        assert_eq!(ruleset.rules[0].expr, [NoTrack, Other, Other, Compatible, Other]);
        assert!(Ruleset::parse(b"nothing").is_none());
        assert!(Ruleset::parse(b"").is_none());
    }
}
