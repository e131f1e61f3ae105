//! The daemon in network namespaces, with real packets and nothing mocked.
//!
//! Needs root, nftables and iproute2; nmap for the tests that are named after it. Each test makes its own hosts, so
//! that they can run side by side. Set `NFTRAP_BIN` to test another binary than the one that cargo built.

#![expect(
    clippy::disallowed_methods,
    reason = "the laboratory starts processes, reads files and waits for them on a real clock"
)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and says why"
)]

#[path = "lab/lab.rs"]
mod lab;

#[path = "namespaces/flood.rs"]
mod flood;
#[path = "namespaces/flows.rs"]
mod flows;
#[path = "namespaces/full_disk.rs"]
mod full_disk;
#[path = "namespaces/gateway.rs"]
mod gateway;
#[path = "namespaces/honest.rs"]
mod honest;
#[path = "namespaces/life.rs"]
mod life;
#[path = "namespaces/neighbours.rs"]
mod neighbours;
#[path = "namespaces/nmap.rs"]
mod nmap;
#[path = "namespaces/probes.rs"]
mod probes;
#[path = "namespaces/sources.rs"]
mod sources;
#[path = "namespaces/trouble.rs"]
mod trouble;
#[path = "namespaces/unserved.rs"]
mod unserved;
