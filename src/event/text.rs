//! Values of ours as JSON has them: the text that they are displayed as.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Wall;
use crate::detect::probe::{Kind, Protocol};
use crate::detect::source::Source;

/// A prefix as people write it: a whole address without its length.
#[must_use]
pub fn plain(prefix: &IpNet) -> String {
    if prefix.prefix_len() == prefix.max_prefix_len() { prefix.addr().to_string() } else { prefix.trunc().to_string() }
}

pub(super) fn serialize<S: Serializer>(prefix: &IpNet, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&plain(prefix))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(from)?;
    let address = text.parse::<IpAddr>().map(IpNet::from).ok();
    // An address within a network stands for the network, as when it is written.
    let network = || text.parse::<IpNet>().ok().map(|network| network.trunc());
    address.or_else(network).ok_or_else(|| D::Error::custom("neither an address nor a network"))
}

macro_rules! as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

as_text!(Wall, Source, Protocol, Kind);
