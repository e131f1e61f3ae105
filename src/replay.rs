//! Capture files → the detector: what a host or gateway guarded by `nftrap run` would have made of this traffic.

pub mod capture;
