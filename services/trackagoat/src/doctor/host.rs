//! This machine: programs for private servers, limits, the environment.

use std::collections::BTreeSet;

use clap::CommandFactory;
use runtime::local::programs;
use runtime::telemetry::chain;
use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Findings};
use crate::Cli;

/// Each connection is a descriptor; the accept loop takes 8,192.
const OPEN_FILES: u64 = 16_384;

/// Variables that are read by other parts than the command line.
const OTHER_VARIABLES: [&str; 3] = [
    "TGA_POSTGRES_BIN",
    "TGA_NATS_SERVER",
    "TGA_WRITE_EVENT_FILES",
];

pub fn look(findings: &mut Findings) {
    for (program, found) in programs() {
        findings.add(match found {
            Ok(binary) => Finding::fine(program, binary.display()),
            // Services with servers of their own need none here.
            Err(error) => Finding::warning(program, chain(&error))
                .mend("deploy/run installs what `trackagoat dev` needs"),
        });
    }
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
    let mut known = BTreeSet::from(OTHER_VARIABLES.map(str::to_owned));
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
    use super::unknown_variables;

    #[test]
    fn only_variables_that_nothing_reads_are_named() {
        let given = [
            "TGA_LISTEN",
            "TGA_DATABASE_URL_FILE",
            "TGA_POSTGRES_BIN",
            "PATH",
            "TGA_LEESE",
        ];
        let unknown = unknown_variables(given.map(str::to_owned).into_iter());
        assert_eq!(unknown, ["TGA_LEESE"]);
    }
}
