//! What answers: `[decoy]`.

use super::{Convert, keys};
use crate::config::{MAX_UDP_DECOYS, PortSet};
use crate::import::draft::{Section, ports, text};
use crate::import::key::Key;
use crate::import::modes::{Protocol, Watch};
use crate::import::ports::split;

impl Convert<'_> {
    /// PortSentry listened: a decoy does, and who completes a connection there is an offender, as it was. Ports that are too many for
    /// decoys come back: they are triggers.
    pub(super) fn decoys(&mut self, protocol: Protocol) -> PortSet {
        let told = protocol == Protocol::Udp && self.modes.tcp.watch == Watch::Listening;
        let why = if told {
            "    as above: see [decoy]"
        } else {
            "    PortSentry listened on its ports, and a completed connection counted: see [decoy]. As triggers, here, the same ports \
             would end a scan at its first packet, and be silent."
        };
        self.draft.remark(Section::Trigger, why);
        self.unused(&[keys(protocol).below, keys(protocol).except]);
        let listed = self.list(protocol, Section::Decoy);
        let most = if protocol == Protocol::Udp { MAX_UDP_DECOYS } else { usize::MAX };
        let (decoys, triggers) = split(&listed, most);
        if !triggers.is_empty() {
            let why = format!("triggers, which do not answer: nftrap has {most} decoys of udp at most");
            let line = self.conf.entry(keys(protocol).list).map(|entry| entry.line);
            self.notes.add(&self.conf.path, line, &format!("{}: {triggers}", keys(protocol).list.name()), &why);
        }
        self.answers |= !decoys.is_empty();
        self.draft.set(Section::Decoy, protocol.name(), &ports(&decoys));
        triggers
    }

    /// What a decoy says, and what it needs.
    pub(super) fn decoy(&mut self) {
        if self.answers {
            let why = "as a service, decoys need IPAddressAllow=any and SystemCallFilter=capset below [Service] in `systemctl edit \
                       nftrap`, and your own firewall must let their ports in";
            self.notes.add(&self.conf.path, None, "[decoy]", why);
        }
        let key = Key::PortBanner;
        let Some(entry) = self.conf.filled(key) else {
            return;
        };
        if self.any(Watch::Listening) {
            self.quote(Section::Decoy, key, entry);
            self.draft.set(Section::Decoy, "banner", &text(&entry.value));
        } else {
            self.note(key, entry, "left out: in this mode PortSentry answers nobody; only a decoy has a banner");
        }
    }
}
