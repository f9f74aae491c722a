//! What an operator may set about a query service.

use std::time::Duration;

use clap::Args;

/// One mebibyte.
const MIB: u64 = 1024 * 1024;

/// Settings of the query service; every flag is also an environment variable.
#[derive(Args, Clone, Debug)]
#[group(id = "query_config")]
#[command(next_help_heading = "Query service")]
pub struct Config {
    /// Mebibytes of answers to keep; 0 keeps none.
    #[arg(
        long = "response-cache-mib",
        env = "TGA_RESPONSE_CACHE_MIB",
        default_value_t = 128,
        value_parser = clap::value_parser!(u64).range(0..=1_048_576)
    )]
    pub response_cache_mib: u64,

    /// Mebibytes of credentials to keep; a million take about 400.
    #[arg(
        long = "credential-cache-mib",
        env = "TGA_CREDENTIAL_CACHE_MIB",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u64).range(1..=1_048_576)
    )]
    pub credential_cache_mib: u64,

    /// The replica's name, for people.
    #[arg(
        long = "replica-name",
        env = "TGA_REPLICA_NAME",
        default_value = "query"
    )]
    pub replica_name: String,

    /// Seconds for which a replica may trust its cache without hearing from the primary; at most
    /// what the database allows (2 unless it was raised).
    #[arg(
        long = "lease",
        env = "TGA_LEASE",
        value_name = "SECONDS",
        default_value = "2",
        value_parser = parse_lease
    )]
    pub lease: Duration,

    /// Whether this service may project: of all that may, one does.
    #[arg(
        long = "projector",
        env = "TGA_PROJECTOR",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub projector: bool,
}

impl Config {
    /// Bytes of answers to keep.
    pub const fn response_cache_bytes(&self) -> u64 {
        self.response_cache_mib * MIB
    }

    /// The environment in which another query service has the same settings, but for its name.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            (
                "TGA_RESPONSE_CACHE_MIB",
                self.response_cache_mib.to_string(),
            ),
            (
                "TGA_CREDENTIAL_CACHE_MIB",
                self.credential_cache_mib.to_string(),
            ),
            ("TGA_LEASE", self.lease.as_secs_f64().to_string()),
            ("TGA_PROJECTOR", self.projector.to_string()),
        ]
    }

    /// Bytes of credentials to keep.
    pub const fn credential_cache_bytes(&self) -> u64 {
        self.credential_cache_mib * MIB
    }
}

/// A lease's term on a command line: seconds, with a fraction if need be.
///
/// # Errors
/// If it is no number, or not between 0.1 and 60.
pub fn parse_lease(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if (0.1..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be between 0.1 and 60 seconds".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        query: Config,
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = Cli::try_parse_from(["query"]).unwrap().query;
        assert_eq!(config.response_cache_bytes(), 128 * MIB);
        assert_eq!(config.lease, Duration::from_secs(2));
        assert!(config.projector);
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in [
            ("--lease", "0"),
            ("--lease", "soon"),
            ("--credential-cache-mib", "0"),
        ] {
            let Err(error) = Cli::try_parse_from(["query", flag, value]) else {
                panic!("{flag} {value} is accepted");
            };
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
