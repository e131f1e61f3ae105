//! The control socket: what an operator's commands ask of the running daemon, and how it answers.
//!
//! One request is one line of JSON; so is each part of the answer, and the last part says how it went. The socket is abstract:
//! it belongs to the network namespace that is guarded, so a command reaches the daemon of the namespace that it is run in;
//! there is no file to be left over, pre-created or linked elsewhere. Who asks is known from the kernel (`SO_PEERCRED`), and so is
//! who answers.

pub mod client;
pub mod peer;
pub mod server;
pub mod wire;
