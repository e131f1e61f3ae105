//! `nftrap allow`: who is never blocked.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use ipnet::IpNet;
use serde_json::Value;

use super::ask::{self, Instance};
use super::change::{self, Change, How, reason};
use super::plain::{json_line, printable};
use super::table::{Align, Table};
use super::whom;
use crate::control::client;
use crate::control::wire::{Allowed, Request};
use crate::event::plain;

/// Add to the allow list, take from it, or show it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(Add),
    Remove(Remove),
    List(List),
}

/// Never block these addresses; blocks of sources there end.
#[derive(Debug, clap::Args)]
struct Add {
    /// Whom: addresses, or networks.
    #[arg(required = true, value_name = "ADDR[/N]", value_parser = whom::some)]
    whom: Vec<IpNet>,
    /// Why, for those who find it later.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    reason: String,
    /// Also after a restart of nftrap: it is kept in a file beside the journal.
    #[arg(long)]
    save: bool,
    #[command(flatten)]
    how: How,
}

/// Take back what `allow add` permitted.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Whose: as they were added.
    #[arg(required = true, value_name = "ADDR[/N]", value_parser = whom::any)]
    whom: Vec<IpNet>,
    #[command(flatten)]
    how: How,
}

/// Say who is never blocked, and why.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    instance: Instance,
    /// One JSON object a line for each.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Add(add) => {
            let (reason, save) = (&add.reason, add.save);
            each(&add.how, &add.whom, &|prefix| Request::Allow { prefix, reason: reason.clone(), save })
        }
        Command::Remove(remove) => each(&remove.how, &remove.whom, &|prefix| Request::Disallow { prefix }),
        Command::List(list) => show(list),
    }
}

fn each(how: &How, whom: &[IpNet], request: &dyn Fn(IpNet) -> Request) -> ExitCode {
    let changes = whom.iter().map(|prefix| Change { whom: plain(prefix), request: request(*prefix) });
    change::each(how, &changes.collect::<Vec<_>>(), None)
}

fn show(list: &List) -> ExitCode {
    let table = match list.instance.config() {
        Ok(config) => config.table,
        Err(problem) => return super::complain(&problem),
    };
    let mut parts = Vec::new();
    let answered = client::ask(&table, &Request::AllowList, &mut |part| {
        parts.push(part);
        ControlFlow::Continue(())
    });
    let allowed = answered.and_then(|()| parts.iter().map(ask::read).collect::<Result<Vec<Allowed>, _>>());
    match allowed {
        Ok(_) if list.json => super::written(json(&mut super::page(), &parts)),
        Ok(allowed) => super::written(text(&mut super::page(), &allowed)),
        Err(error) => super::complain(&ask::problem(&error)),
    }
}

fn json(out: &mut impl Write, parts: &[Value]) -> io::Result<()> {
    parts.iter().try_for_each(|part| writeln!(out, "{}", json_line(part)))?;
    out.flush()
}

fn text(out: &mut impl Write, allowed: &[Allowed]) -> io::Result<()> {
    if allowed.is_empty() {
        writeln!(out, "nobody is on the allow list, and nobody is needed")?;
    }
    let columns = ["prefix", "why", "lasts", "reason"].map(|head| (head, Align::Left));
    let mut table = Table::new(out, columns);
    for Allowed { prefix, why, reason, lasting } in allowed {
        let lasts = match (*lasting, why.as_str()) {
            (true, _) => "for good",
            (false, "operator") => "until nftrap ends",
            (false, _) => "while it is so",
        };
        let reason = reason.as_deref().map(printable).unwrap_or_default();
        table.row([printable(prefix), printable(why), lasts.to_owned(), reason])?;
    }
    table.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allow_list_says_why_and_for_how_long() {
        let of = |prefix: &str, why: &str, reason: Option<&str>, lasting| Allowed {
            prefix: prefix.into(),
            why: why.into(),
            reason: reason.map(Into::into),
            lasting,
        };
        let allowed = [
            of("192.0.2.0/24", "config", None, true),
            of("2001:db8::1", "operator", Some("our \u{1b}scanner"), false),
            of("198.51.100.1", "default gateway", None, false),
        ];
        let mut out = Vec::new();
        text(&mut out, &allowed).unwrap();
        let expected = "\
prefix        why              lasts              reason
192.0.2.0/24  config           for good
2001:db8::1   operator         until nftrap ends  our \u{fffd}scanner
198.51.100.1  default gateway  while it is so
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        text(&mut out, &[]).unwrap();
        assert_eq!(out, b"nobody is on the allow list, and nobody is needed\n");
    }
}
