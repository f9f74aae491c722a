//! Fields that several of these bodies have.

use api::input::issue::Invalid;
use api::input::node::Node;

use crate::people::{OneTimeToken, Password};

/// A password that somebody chooses.
pub(super) fn chosen(node: Node<'_>) -> Result<Password, Invalid> {
    node.parse(Password::chosen)
}

/// A password that somebody presents.
pub(super) fn presented(node: Node<'_>) -> Result<Password, Invalid> {
    node.parse(Password::presented)
}

/// A token that somebody was given.
pub(super) fn token(node: Node<'_>) -> Result<OneTimeToken, Invalid> {
    node.parse(OneTimeToken::parse)
}
