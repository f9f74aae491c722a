//! What proves what the log holds (v1-contract.md 19.2).

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The newest signed head of the tree over all events of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "origin": "trackagoat", "tree_size": 184_467,
    "root_hash": "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    "signed_at": "2026-01-05T05:37:52.685771Z", "key_name": "trackagoat",
    "public_key": "trackagoat+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    "note": "trackagoat\n184467\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\nepoch 0192f0c1-2b7e-7c00-8000-00000000abcd\ntime 2026-01-05T05:37:52.685771Z\n\n\u{2014} trackagoat Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
}))]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Events of the log, of all orgs: the position of the last.
    pub tree_size: u64,
    /// Root of the Merkle tree over their hashes (RFC 6962), hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub root_hash: String,
    /// When it was signed; at most 10 s ago.
    #[schema(value_type = DateTime<Utc>)]
    pub signed_at: Timestamp,
    /// The name of the key, which is the log's.
    pub key_name: String,
    /// The public key as tools for signed notes take it: name, id, and base64 of a byte 1 and the key.
    /// Whoever verifies should have it by another way than this.
    pub public_key: String,
    /// All of that under an Ed25519 signature (c2sp.org/tlog-checkpoint), with two lines more: `epoch`,
    /// the life of the log, which is another one after a restore, and `time`.
    pub note: String,
}

/// A proof of RFC 6962.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Proof {
    /// For a `position`.
    Inclusion(InclusionProof),
    /// For `from_size` and `to_size`.
    Consistency(ConsistencyProof),
}

/// That an event stands in the log as of a tree size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "leaf_index": 0, "leaf_hash": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "tree_size": 2, "root_hash": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "hashes": ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"]
}))]
pub struct InclusionProof {
    /// The event's place in the tree: its position less one.
    pub leaf_index: u64,
    /// SHA-256 of a zero byte and the 32 bytes of the event's `hash`, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub leaf_hash: String,
    /// Events under the root.
    pub tree_size: u64,
    /// The root, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub root_hash: String,
    /// The audit path, from the leaf up, hex.
    pub hashes: Vec<String>,
}

/// That one tree is the beginning of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "from_size": 1, "to_size": 2,
    "hashes": ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"]
}))]
pub struct ConsistencyProof {
    /// Events of the smaller tree.
    pub from_size: u64,
    /// Events of the larger tree.
    pub to_size: u64,
    /// The proof, hex.
    pub hashes: Vec<String>,
}
