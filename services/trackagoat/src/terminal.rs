//! What commands say to whoever ran them.

use std::error::Error;
use std::fmt::Display;

use runtime::telemetry::chain;

/// Prints a line.
#[expect(clippy::print_stdout, reason = "what commands are run for")]
pub fn say(text: impl Display) {
    println!("{text}");
}

/// Prints a text that ends its own lines.
#[expect(clippy::print_stdout, reason = "what commands are run for")]
pub fn say_exactly(text: impl Display) {
    print!("{text}");
}

/// Prints what may interest whoever watches, and nobody who reads the output.
#[expect(
    clippy::print_stderr,
    reason = "what is no result goes beside the output"
)]
pub fn remark(text: impl Display) {
    eprintln!("{text}");
}

/// Prints why a command came to nothing.
#[expect(
    clippy::print_stderr,
    reason = "errors of a command go to the terminal"
)]
pub fn complain(error: &dyn Error) {
    eprintln!("error: {}", chain(error));
}
