//! The keys of portsentry.conf.

/// What a line of portsentry.conf sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    TcpPorts,
    UdpPorts,
    AdvancedPortsTcp,
    AdvancedPortsUdp,
    AdvancedExcludeTcp,
    AdvancedExcludeUdp,
    IgnoreFile,
    HistoryFile,
    BlockedFile,
    ResolveHost,
    BlockUdp,
    BlockTcp,
    KillRoute,
    KillHostsDeny,
    KillRunCmdFirst,
    KillRunCmd,
    ScanTrigger,
    PortBanner,
}

impl Key {
    /// Those of 1.2.
    pub(super) const OF_ONE: [Self; 18] = [
        Self::TcpPorts,
        Self::UdpPorts,
        Self::AdvancedPortsTcp,
        Self::AdvancedPortsUdp,
        Self::AdvancedExcludeTcp,
        Self::AdvancedExcludeUdp,
        Self::IgnoreFile,
        Self::HistoryFile,
        Self::BlockedFile,
        Self::ResolveHost,
        Self::BlockUdp,
        Self::BlockTcp,
        Self::KillRoute,
        Self::KillHostsDeny,
        Self::KillRunCmdFirst,
        Self::KillRunCmd,
        Self::ScanTrigger,
        Self::PortBanner,
    ];
    /// Those that only 1.2 has: 2.x does not start with one of them.
    pub(super) const ONLY_OF_ONE: [Self; 4] =
        [Self::AdvancedPortsTcp, Self::AdvancedPortsUdp, Self::AdvancedExcludeTcp, Self::AdvancedExcludeUdp];
    /// Those of 2.x, in the order in which it compares them: of a shortened key, the first one is meant.
    pub(super) const OF_TWO: [Self; 14] = [
        Self::BlockTcp,
        Self::BlockUdp,
        Self::ResolveHost,
        Self::ScanTrigger,
        Self::KillRoute,
        Self::KillHostsDeny,
        Self::KillRunCmd,
        Self::KillRunCmdFirst,
        Self::BlockedFile,
        Self::HistoryFile,
        Self::IgnoreFile,
        Self::TcpPorts,
        Self::UdpPorts,
        Self::PortBanner,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TcpPorts => "TCP_PORTS",
            Self::UdpPorts => "UDP_PORTS",
            Self::AdvancedPortsTcp => "ADVANCED_PORTS_TCP",
            Self::AdvancedPortsUdp => "ADVANCED_PORTS_UDP",
            Self::AdvancedExcludeTcp => "ADVANCED_EXCLUDE_TCP",
            Self::AdvancedExcludeUdp => "ADVANCED_EXCLUDE_UDP",
            Self::IgnoreFile => "IGNORE_FILE",
            Self::HistoryFile => "HISTORY_FILE",
            Self::BlockedFile => "BLOCKED_FILE",
            Self::ResolveHost => "RESOLVE_HOST",
            Self::BlockUdp => "BLOCK_UDP",
            Self::BlockTcp => "BLOCK_TCP",
            Self::KillRoute => "KILL_ROUTE",
            Self::KillHostsDeny => "KILL_HOSTS_DENY",
            Self::KillRunCmdFirst => "KILL_RUN_CMD_FIRST",
            Self::KillRunCmd => "KILL_RUN_CMD",
            Self::ScanTrigger => "SCAN_TRIGGER",
            Self::PortBanner => "PORT_BANNER",
        }
    }
}
