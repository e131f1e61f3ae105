//! `nftrap man`: the manual pages. nftrap(8) is the command line's own definition between sections written by hand; nftrap.toml(5) is the
//! shipped config: what can be set, its default and why are written down there, once.

use std::io;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

mod config;

/// Sections that no definition holds, in man's own markup.
const BEFORE: &str = include_str!("man/before.roff");
const AFTER: &str = include_str!("man/after.roff");
const SHIPPED_CONFIG: &str = include_str!("../../nft/nftrap.toml");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which page.
    #[arg(default_value = "nftrap", hide_default_value = true)]
    page: Page,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Page {
    /// The commands: nftrap(8), printed by default.
    Nftrap,
    /// The config file: nftrap.toml(5).
    Config,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let page = match arguments.page {
        Page::Nftrap => commands_page(super::Arguments::command()),
        Page::Config => Ok(config::page(SHIPPED_CONFIG)),
    };
    match page {
        Ok(page) => super::answer(&page),
        Err(error) => super::complain(&format!("cannot make the manual page: {error}")),
    }
}

/// The page's first line: its name, its section, what it belongs to.
fn title(page: &str, section: &str) -> Roff {
    let mut roff = Roff::new();
    // No date: a page that is made twice is the same page. The quotes keep its place.
    roff.control("TH", [page, section, "\"\"", concat!("nftrap ", env!("CARGO_PKG_VERSION")), "nftrap"]);
    roff
}

fn commands_page(mut nftrap: Command) -> io::Result<String> {
    nftrap.build();
    let about = nftrap.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = title("NFTRAP", "8");
    page.control("SH", ["NAME"]);
    page.text([roman(format!("nftrap - {}", uncapitalised(about.trim_end_matches('.'))))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("nftrap"), roman(" "), italic("command"), roman(" ["), italic("argument"), roman(" ...]")]);
    let mut text = [&page.render(), BEFORE, ".SH COMMANDS\n"].concat();
    for command in nftrap.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        text.push_str(&command_section(command)?);
    }
    text.push_str(AFTER);
    Ok(text)
}

/// A command's line, what it does, its options; then the same of the commands below it.
fn command_section(command: &Command) -> io::Result<String> {
    // Every command has --help: once, at the page's end, is enough.
    let shown =
        command.clone().mut_args(|argument| if argument.get_id() == "help" { argument.hide(true) } else { argument });
    let page = Man::new(shown.clone());
    let line = without_heading(|to| page.render_synopsis_section(to))?;
    let what = without_heading(|to| page.render_description_section(to))?;
    let options = without_heading(|to| page.render_options_section(to))?;
    let mut text = format!(".SS {}{what}", line.trim_start().replacen(" \n", "\n", 1));
    // A paragraph of its own for the values, as man has it.
    text.push_str(&options.replace(".br\n\n.br\n", ".sp\n"));
    for below in shown.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        text.push_str(&command_section(below)?);
    }
    Ok(text)
}

/// What `render` writes as a section of its own, from below its heading.
fn without_heading(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut section = Vec::new();
    render(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    Ok(section.split_once(".SH ").and_then(|(_, rest)| rest.split_once('\n')).map_or("", |(_, body)| body).to_owned())
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
