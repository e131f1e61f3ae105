//! What can be set of the rights that the daemon keeps.

/// The rights that the daemon keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Whom it becomes, started as root.
    pub user: RunAs,
    /// Whether the kernel holds it to the files and system calls that it needs.
    pub cage: Cage,
}

/// Whom the daemon becomes, started as root. No other name can be set: commands trust what answers as root, or as this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// The user `nftrap`, where there is one and it can do all that the config asks for; else it stays root, and says why.
    Automatic,
    /// The user `nftrap`, or it does not start.
    Nftrap,
    /// It stays root.
    Root,
}

/// Whether the kernel holds the daemon to the files and system calls that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cage {
    /// It does, as far as this kernel can.
    Closed,
    /// It does not.
    Open,
}

impl Default for Rights {
    fn default() -> Self {
        Self { user: RunAs::Automatic, cage: Cage::Closed }
    }
}
