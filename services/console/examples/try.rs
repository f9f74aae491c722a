//! The console alone, over APIs that run elsewhere.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "for trying out")]

use console::{Console, Parts};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::http::{HttpConfig, serve};
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    let (port, api) = (&arguments[1], arguments[2].parse::<url::Url>().unwrap());
    let mut lifecycle = Lifecycle::with_signals(Clock::system()).unwrap();
    let tasks = lifecycle.stage("requests");
    let console = Console::new(Parts {
        query_url: api.clone(),
        command_url: api,
        public_url: None,
        mcp_url: None,
        oidc_name: std::env::var("TGA_OIDC_NAME").ok(),
        clock: Clock::system(),
        entropy: Entropy::os(),
    })
    .unwrap();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    println!("http://127.0.0.1:{port}/");
    let served = serve(
        listener,
        console,
        HttpConfig::new(Entropy::os()),
        tasks.clone(),
    );
    tasks.spawn(runtime::lifecycle::TaskKind::Critical, "http", served);
    lifecycle.run(ShutdownPolicy::default()).await;
}
