//! `nftrap run`: the daemon, in the foreground.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use log::error;

use crate::config::{Config, LogFormat, load};
use crate::daemon::{self, cage};
use crate::report::logger::{self, with_causes};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file; without it, the built-in defaults: the shipped file shows them all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of the log on standard error, whatever the config says.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json, Self::PortSentry]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, _) = Self::ALL.into_iter().find(|(_, format)| format == self)?;
        let help = match self {
            Self::Text => "Lines for people",
            Self::Json => "One JSON object a line",
            Self::PortSentry => "As text, but offences in PortSentry's words",
        };
        Some(PossibleValue::new(word).help(help))
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match config_of(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(problems) => return super::complain(&problems.to_string()),
    };
    let kept = match cage::close(&config, arguments.config.as_deref(), programs()) {
        Ok(kept) => kept,
        Err(error) => return super::complain(&with_causes(&error)),
    };
    let format = arguments.log_format.unwrap_or(config.report.log);
    let log = match logger::set_up(format) {
        Ok(log) => log,
        Err(error) => return super::complain(&format!("cannot start a thread for the log: {error}")),
    };
    let status = match daemon::run(config, arguments.config.as_deref(), format, kept) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            error!("{}", with_causes(&stopped));
            ExitCode::FAILURE
        }
    };
    log.finish();
    status
}

/// Where nft is looked for.
fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

pub(super) fn config_of(file: Option<&Path>) -> Result<Config, load::Problems> {
    file.map_or_else(|| Ok(Config::default()), load::load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_log_have_the_words_that_the_config_has() {
        let words = LogFormat::value_variants().iter().map(|format| format.to_possible_value().unwrap());
        let words: Vec<_> = words.map(|word| word.get_name().to_owned()).collect();
        assert_eq!(words, LogFormat::ALL.map(|(word, _)| word));
        for (word, format) in LogFormat::ALL {
            assert_eq!(LogFormat::from_str(word, false), Ok(format));
        }
    }
}
