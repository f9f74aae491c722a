//! Ids, events, the org's state, decide and evolve; knows no IO.
