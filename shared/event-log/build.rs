//! The migrations are embedded by a macro, which alone would not notice that one was added.

#![expect(clippy::print_stdout, reason = "Cargo listens there")]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
