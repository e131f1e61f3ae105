//! A laboratory: hosts made of network namespaces, packets made by hand, and the daemon among them.

#![allow(dead_code, clippy::allow_attributes, reason = "tests and benchmark each use a part of it")]

pub(crate) mod beside;
pub(crate) mod daemon;
pub(crate) mod desk;
pub(crate) mod hosts;
pub(crate) mod netns;
pub(crate) mod packet;
pub(crate) mod patience;
pub(crate) mod strain;
pub(crate) mod wire;
