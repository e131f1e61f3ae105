//! A laboratory: hosts made of network namespaces, packets made by hand, and the daemon among them.

pub(crate) mod daemon;
pub(crate) mod hosts;
pub(crate) mod netns;
pub(crate) mod packet;
pub(crate) mod patience;
pub(crate) mod wire;
