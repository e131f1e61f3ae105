//! Capture files → the detector: what a host or gateway guarded by `nftrap run` would have made of this traffic.

pub mod capture;
pub mod flows;
pub mod order;
pub mod recent;
pub mod rules;
pub mod seen;
pub mod survey;
