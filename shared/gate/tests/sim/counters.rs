//! What a run did: one that never met what it is there for proves nothing (faults.md 5).

macro_rules! counters {
    ($($name:ident: $says:literal),+ $(,)?) => {
        /// How often each thing happened.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counters { $(pub $name: u64),+ }

        impl Counters {
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)+ }

            /// By name.
            pub fn all(&self) -> Vec<(&'static str, u64)> { vec![$(($says, self.$name)),+] }
        }
    };
}

counters! {
    accepted: "accepted from the cache",
    accepted_by_verify: "accepted by VERIFY",
    accepted_while_fenced: "accepted by VERIFY while fenced",
    unavailable_while_fenced: "503 while fenced",
    refused: "refused",
    held_then_refused: "hold ended in a refusal",
    held_then_unavailable: "hold ended in 503",
    revoked: "revocations that returned",
    by_ack: "barrier: replica acknowledged",
    by_row: "barrier: renewal said so",
    by_leaving: "barrier: row gone",
    by_expiry: "barrier: lease ran out",
    renewal_lost: "renewal or its answer lost",
    joined_during_a_revoke: "joined during a revocation",
    stale_load_discarded: "stale load discarded",
    gap_found: "gap found by auth_prev",
    swept: "SWEEP settled",
    collected: "silent row collected",
    tombs_collected: "tombstones collected",
    retried_after_a_crash: "retried after a crash",
    outcome_asked: "outcome of a commit asked for",
    reloaded: "dropped everything and loaded",
    restored: "restored to before",
    slept: "machine slept",
    acted: "events caused with a key",
    act_refused: "event refused to a key that had lost the right",
    probed: "probed right after the return",
}
