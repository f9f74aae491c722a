//! The read side: gate, projector, v1 reads, response cache.
