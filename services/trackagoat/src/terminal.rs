//! What commands say to whoever ran them.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process;

use runtime::telemetry::chain;

/// Prints a line.
pub fn say(text: impl Display) {
    say_exactly(format_args!("{text}\n"));
}

/// Prints a text that ends its own lines. Who reads no further, as `head`, keeps a command from nothing;
/// what cannot be written otherwise ends it.
pub fn say_exactly(text: impl Display) {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&error);
            process::exit(1);
        }
        _ => {}
    }
}

/// Prints what may interest whoever watches, and nobody who reads the output. A command goes on if
/// nobody watches any more.
pub fn remark(text: impl Display) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints why a command came to nothing.
pub fn complain(error: &dyn Error) {
    remark(format_args!("error: {}", chain(error)));
}
