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

    /// Where scripts reach the API, for the examples that people copy, such as https://app.example.com.
    #[arg(long = "public-url", env = "TGA_PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Where agents reach the MCP server; without it no example for agents is shown.
    #[arg(long = "mcp-public-url", env = "TGA_MCP_PUBLIC_URL")]
    pub mcp_url: Option<Url>,
}
