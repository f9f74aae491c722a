//! Calls on invitations.

pub(super) mod answer;
pub(super) mod create;
pub(super) mod revoke;

use api::input::issue::Invalid;
use api::input::node::Node;
use domain::event::Role;

/// A role.
pub(super) fn role(node: Node<'_>) -> Result<Role, Invalid> {
    node.one_of(&Role::ALL, Role::name)
}
