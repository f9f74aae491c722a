//! What needs more than one service, or the whole checkout.

mod tidy;
