//! What an operator may set about a console.

use clap::Args;
use url::Url;

/// Settings of the console; every flag is also an environment variable.
#[derive(Args, Clone, Debug)]
#[group(id = "console_config")]
#[command(next_help_heading = "Console")]
pub struct Config {
    /// Where query services answer; the console's reads go there.
    #[arg(
        long = "query-url",
        env = "TGA_QUERY_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub query_url: Url,

    /// Where command services answer. They must name this console's address in --trusted-proxies, so
    /// that the brake on guessing sees people's own addresses.
    #[arg(
        long = "command-url",
        env = "TGA_COMMAND_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    pub command_url: Url,

    /// Where scripts reach the API, for the examples that people copy, such as `https://app.example.com`.
    /// Without it they name port 8080 of the reader's own machine, and say that this is to be changed.
    #[arg(long = "public-url", env = "TGA_PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Where agents reach the MCP server; without it no example for agents is shown.
    #[arg(long = "mcp-public-url", env = "TGA_MCP_PUBLIC_URL")]
    pub mcp_url: Option<Url>,

    /// How people sign in beside their passwords.
    #[command(flatten)]
    pub sign_in: SignInConfig,
}

/// How people sign in beside their passwords.
#[derive(Args, Clone, Debug)]
#[group(id = "sign_in_config")]
#[command(next_help_heading = "Console")]
pub struct SignInConfig {
    /// What people know the OpenID Connect provider of --oidc-issuer as: the console shows "Sign in with
    /// NAME". Command services must be told of the provider.
    #[arg(
        long = "oidc-name",
        env = "TGA_OIDC_NAME",
        value_name = "NAME",
        value_parser = provider_name
    )]
    pub oidc_name: Option<String>,
}

/// Most characters of a provider's name.
const NAME_CHARS: usize = 40;

fn provider_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_long = name.chars().count() > NAME_CHARS;
    if name.is_empty() || is_long || name.chars().any(char::is_control) {
        return Err(format!(
            "must have 1 to {NAME_CHARS} characters, none of them a control character"
        ));
    }
    Ok(name.to_owned())
}
