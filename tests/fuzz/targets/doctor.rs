//! What nft lists, with the rules of other tools, as `nftrap doctor` reads it.
//!
//! Input: the listing's JSON.

use nftrap::config::Config;
use nftrap::doctor::examine;
use nftrap::doctor::facts::{Facts, Listing};

pub(super) fn target(input: &[u8]) {
    let facts = Facts { ruleset: Listing::Json(input.to_owned()), ..Facts::default() };
    let report = examine(&facts, &Config::default());
    assert!(!report.checks.is_empty());
    for check in report.checks {
        assert!(!check.name.is_empty() && !check.finding.is_empty());
    }
}
