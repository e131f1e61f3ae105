//! How log lines look: readable on a terminal, with priorities under systemd, JSON for machines.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write};

use env_logger::fmt::Formatter;
use env_logger::{Builder, Target};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};
use serde_json::Map;

use super::chronicle::TARGET;
use super::outlet::{self, Drain};
use crate::config::LogFormat;
use crate::kernel::clock::wall;

/// Sets up the log, once; `RUST_LOG` can ask for more or less than `info`.
#[expect(clippy::disallowed_methods, reason = "systemd says by a variable that standard error leads to its journal")]
pub fn set_up(format: LogFormat) -> io::Result<Drain> {
    let (outlet, drain) = outlet::start()?;
    let journal = std::env::var("JOURNAL_STREAM").is_ok() && !io::stderr().is_terminal();
    let colour = io::stderr().is_terminal() && std::env::var("NO_COLOR").is_err();
    let mut builder = Builder::new();
    builder
        .filter_level(LevelFilter::Info)
        .parse_default_env()
        .filter_module("mnl", LevelFilter::Warn)
        .target(Target::Pipe(Box::new(outlet)));
    match format {
        LogFormat::Json => builder.format(write_json),
        // The chronicle's lines come in the other words, and everything else as text.
        LogFormat::Text | LogFormat::PortSentry if journal => builder.format(write_journal),
        LogFormat::Text | LogFormat::PortSentry => builder.format(move |out, record| write_text(out, record, colour)),
    };
    builder.init();
    Ok(drain)
}

/// An error and what caused it, on one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn write_text(out: &mut Formatter, record: &Record<'_>, colour: bool) -> io::Result<()> {
    if record.target() == TARGET {
        return writeln!(out, "{} {}", wall(), record.args());
    }
    let (before, after) = match record.level() {
        _ if !colour => ("", ""),
        Level::Error => ("\x1b[31m", "\x1b[0m"),
        Level::Warn => ("\x1b[33m", "\x1b[0m"),
        Level::Info => ("\x1b[32m", "\x1b[0m"),
        Level::Debug | Level::Trace => ("\x1b[2m", "\x1b[0m"),
    };
    write!(out, "{} {before}{:<5}{after} {}", wall(), record.level(), record.args())?;
    write_pairs(out, record)
}

/// The journal adds the time itself, and reads the priority of syslog(3) from the line's start (sd-daemon(3)).
fn write_journal(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let priority = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        // As PortSentry's own are: somebody may have only these sent on.
        Level::Info if record.target() == TARGET => 5,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    write!(out, "<{priority}>{}", record.args())?;
    write_pairs(out, record)
}

fn write_pairs(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    struct Pairs<'a>(&'a mut Formatter);
    impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            Ok(write!(self.0, " {key}={value}")?)
        }
    }
    record.key_values().visit(&mut Pairs(out)).map_err(io::Error::other)?;
    writeln!(out)
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    struct Object(Map<String, serde_json::Value>);
    impl<'kvs> VisitSource<'kvs> for Object {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let value = value.to_u64().map_or_else(|| value.to_string().into(), serde_json::Value::from);
            self.0.insert(key.to_string(), value);
            Ok(())
        }
    }
    let mut object = Object(Map::new());
    object.0.insert("time".into(), wall().to_string().into());
    object.0.insert("level".into(), record.level().as_str().to_lowercase().into());
    object.0.insert("message".into(), record.args().to_string().into());
    record.key_values().visit(&mut object).map_err(io::Error::other)?;
    writeln!(out, "{}", serde_json::Value::Object(object.0))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use log::Log as _;

    use super::*;

    /// What is written, for all who hold it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A line of this form.
    fn line(form: fn(&mut Formatter, &Record<'_>) -> io::Result<()>, target: &str, level: Level) -> String {
        let written = Written::default();
        let mut builder = Builder::new();
        builder.filter_level(LevelFilter::Info).target(Target::Pipe(Box::new(written.clone()))).format(form);
        let message = format_args!("attackalert: x");
        builder.build().log(&Record::builder().target(target).level(level).args(message).build());
        let text = written.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn portsentrys_lines_are_written_as_they_are_and_have_its_priority() {
        assert_eq!(line(write_journal, TARGET, Level::Info), "<5>attackalert: x\n");
        assert_eq!(line(write_journal, TARGET, Level::Error), "<3>attackalert: x\n");
        assert_eq!(line(write_journal, "nftrap", Level::Info), "<6>attackalert: x\n");
        let text = |target| line(|out, record| write_text(out, record, false), target, Level::Info);
        assert!(text(TARGET).ends_with("Z attackalert: x\n"), "{}", text(TARGET));
        assert!(text("nftrap").ends_with("Z INFO  attackalert: x\n"), "{}", text("nftrap"));
    }
}
