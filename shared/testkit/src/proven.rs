//! What a proof came to, for the record of proofs.

use std::env;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Names the file for the record; unset, nothing is written.
const SUMMARY: &str = "TGA_PROOF_SUMMARY";

/// Adds what a proof came to, as a line of JSON, to the file that `TGA_PROOF_SUMMARY` names. Whoever
/// keeps the record (`deploy/test --deep`) adds up the numbers of all lines.
pub fn proven(counts: &[(&str, u64)]) {
    let Some(file) = env::var_os(SUMMARY) else {
        return;
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .expect("the summary of a proof can be written");
    file.write_all(line(counts).as_bytes())
        .expect("the summary of a proof can be written");
}

fn line(counts: &[(&str, u64)]) -> String {
    let mut line = String::from("{");
    for (index, (name, count)) in counts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(line, "{comma}\"{name}\":{count}");
    }
    line.push_str("}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_of_json() {
        assert_eq!(
            line(&[("seeds", 2_000), ("faults", 26)]),
            "{\"seeds\":2000,\"faults\":26}\n"
        );
        assert_eq!(line(&[]), "{}\n");
    }
}
