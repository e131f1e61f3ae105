//! What nft says for `doctor`: its version, and the whole ruleset, read as it comes and no further than fits.

use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};

use crate::doctor::BE_ROOT;
use crate::doctor::facts::{Listing, Unseen};

/// A listing longer than this is not read into memory.
const ENOUGH: u64 = 64 << 20;

/// What `nft --version` prints.
pub(super) fn version() -> Option<String> {
    let output = start(&["--version"]).ok()?.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The ruleset, without the elements of sets.
pub(super) fn ruleset() -> Listing {
    listing().unwrap_or_else(|error| {
        let reason = format!("nft cannot be run ({error})");
        Listing::NotSeen(Unseen { reason, remedy: "install package nftables" })
    })
}

fn listing() -> io::Result<Listing> {
    let mut nft = start(&["-j", "-t", "list", "ruleset"])?;
    let mut json = Vec::new();
    if let Some(stdout) = nft.stdout.take() {
        stdout.take(ENOUGH).read_to_end(&mut json)?;
    }
    // What is longer is cut off here, and nft then ends for want of a reader.
    let complete = nft.wait()?.success();
    Ok(if complete { Listing::Json(json) } else { Listing::NotSeen(why_not(&json)) })
}

fn why_not(json: &[u8]) -> Unseen {
    let too_long = u64::try_from(json.len()).is_ok_and(|length| length >= ENOUGH);
    let (reason, remedy) = if too_long {
        ("its listing is longer than 64 MiB", "look at our own table alone: `nft list table inet` and its name")
    } else {
        ("nft may not list it for us", BE_ROOT)
    };
    Unseen { reason: String::from(reason), remedy }
}

/// Starts nft. What it complains of is of no use: beside rules of iptables it warns on every listing.
#[expect(clippy::disallowed_methods, reason = "nft is started here to look, and in nft.rs to change something")]
fn start(arguments: &[&str]) -> io::Result<Child> {
    // Debian keeps nft where an ordinary user's PATH does not look.
    let start = |program| {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn()
    };
    start("nft").or_else(|_| start("/usr/sbin/nft"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_was_cut_off_and_one_that_was_refused_have_remedies_of_their_own() {
        assert_eq!(why_not(b"").remedy, BE_ROOT);
        assert!(why_not(&vec![b' '; 64 << 20]).reason.contains("64 MiB"));
    }
}
