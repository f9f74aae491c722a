use std::net::{Ipv4Addr, TcpListener};

use super::LocalError;
use crate::entropy::Entropy;

/// Below Linux's ephemeral ports, so that no outgoing connection takes a port while the server that
/// owns it restarts.
const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;
const TRIES: usize = 100;

/// A loopback port nobody listens on just now. Another process may take it first: whoever uses it
/// tries again with another.
pub(super) fn free_port(entropy: &Entropy) -> u16 {
    (0..TRIES)
        .map(|_| FIRST + u16::from_le_bytes(entropy.bytes()) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or(FIRST)
}

/// Whether a server ended because another process had taken its port.
pub(super) fn was_taken(error: &LocalError) -> bool {
    matches!(error, LocalError::Ended { log, .. }
        if log.to_ascii_lowercase().contains("address already in use"))
}
