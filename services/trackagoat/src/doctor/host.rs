//! This machine: programs for private servers, limits, the environment.

use std::collections::BTreeSet;

use clap::CommandFactory;
use runtime::local::programs;
use runtime::telemetry::chain;
use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Findings};
use crate::Cli;
use crate::arguments::SECRET_VARIABLES;

/// Each connection is a descriptor; the accept loop takes 8,192.
const OPEN_FILES: u64 = 16_384;

/// Variables that are read by other parts than the command line: private servers, scripts, tests.
const OTHER_VARIABLES: &[&str] = &[
    "TGA_POSTGRES_BIN",
    "TGA_NATS_SERVER",
    "TGA_API_KEY",
    "TGA_BINARY",
    "TGA_BROWSER_NPM",
    "TGA_BROWSER_WORK",
    "TGA_CHROMIUM",
    "TGA_CLIENTS_SECONDS",
    "TGA_CLIENTS_SEED",
    "TGA_DEEP",
    "TGA_DOCUMENT",
    "TGA_FIGURES_SECONDS",
    "TGA_FIGURES_SEED",
    "TGA_FOLLOW",
    "TGA_FUZZ_ONLY",
    "TGA_FUZZ_OUT",
    "TGA_FUZZ_SECONDS",
    "TGA_FUZZ_SEED",
    "TGA_FUZZ_STATE",
    "TGA_GUESSES",
    "TGA_KEY",
    "TGA_MUTATION_SHARD",
    "TGA_PROOF_SUMMARY",
    "TGA_READY_FILE",
    "TGA_REAL_DATA",
    "TGA_RIG_CUTS",
    "TGA_RIG_FAULTS",
    "TGA_RIG_MUTANT_BINARY",
    "TGA_RIG_ROWS",
    "TGA_RIG_SEED",
    "TGA_RIG_SOAK_SECONDS",
    "TGA_SIM_MUTANTS",
    "TGA_SIM_SEED",
    "TGA_SIM_SEEDS",
    "TGA_WRITE_EVENT_FILES",
];

/// Looks for the servers that `trackagoat dev` starts.
pub fn look_for_programs(findings: &mut Findings) {
    for (program, found) in programs() {
        findings.add(match found {
            Ok(binary) => Finding::fine(program, binary.display()),
            Err(error) => Finding::warning(program, chain(&error))
                .mend("deploy/run installs what `trackagoat dev` needs"),
        });
    }
}

/// Looks at this machine.
pub fn look(findings: &mut Findings) {
    let most = getrlimit(Resource::Nofile).maximum;
    findings.add(match most {
        Some(most) if most < OPEN_FILES => Finding::warning(
            "open files",
            format_args!("{most} at most: as many connections and no more"),
        )
        .mend(format_args!("ulimit -Hn {OPEN_FILES}")),
        _ => Finding::fine("open files", "enough"),
    });
    let given = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in unknown_variables(given) {
        findings.add(
            Finding::warning("environment", format_args!("nothing reads {name}")).mend(
                format_args!("unset {name}, or see `trackagoat <command> --help`"),
            ),
        );
    }
}

/// Variables that look like ours and that nothing reads: misspelt settings have no effect.
fn unknown_variables(given: impl Iterator<Item = String>) -> Vec<String> {
    let others = OTHER_VARIABLES.iter().chain(SECRET_VARIABLES);
    let mut known: BTreeSet<_> = others.map(|name| (*name).to_owned()).collect();
    collect(&Cli::command(), &mut known);
    given
        .filter(|name| name.starts_with("TGA_") && !known.contains(name))
        .collect()
}

fn collect(command: &clap::Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for subcommand in command.get_subcommands() {
        collect(subcommand, known);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    use super::unknown_variables;
    use crate::arguments::SECRET_VARIABLES;

    const STREAMS: [&str; 2] = ["TGA_CHECKPOINTS", "TGA_EVENTS"];

    fn unknown<'a>(given: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        unknown_variables(given.into_iter().map(str::to_owned))
    }

    #[test]
    fn only_variables_that_nothing_reads_are_named() {
        let given = [
            "TGA_LISTEN",
            "TGA_DATABASE_URL_FILE",
            "TGA_POSTGRES_BIN",
            "PATH",
            "TGA_LEESE",
        ];
        assert_eq!(unknown(given), ["TGA_LEESE"]);
    }

    #[test]
    fn secrets_may_be_given_without_a_file() {
        assert!(SECRET_VARIABLES.contains(&"TGA_NATS_URL"));
        let files = SECRET_VARIABLES.iter().map(|name| format!("{name}_FILE"));
        assert!(unknown_variables(files).is_empty());
        assert_eq!(unknown(SECRET_VARIABLES.iter().copied()), [""; 0]);
    }

    #[test]
    fn what_scripts_read_is_known() {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let read: Vec<_> = texts(&deploy).iter().flat_map(|text| ours(text)).collect();
        assert!(read.iter().any(|name| name == "TGA_REAL_DATA"), "{read:?}");
        assert_eq!(unknown(read.iter().map(String::as_str)), [""; 0]);
    }

    fn texts(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let text = |path: &Path| fs::read_to_string(path).into_iter().collect();
        entries
            .flat_map(|entry| match entry.path() {
                path if path.is_dir() => texts(&path),
                path => text(&path),
            })
            .collect()
    }

    /// Words that begin as our variables do, but for the names of streams in NATS.
    fn ours(text: &str) -> impl Iterator<Item = String> {
        text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .filter(|word| word.starts_with("TGA_") && !STREAMS.contains(word))
            .map(str::to_owned)
    }
}
