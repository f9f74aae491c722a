//! The write side: v1 commands, decide, append, mirror, barrier.
