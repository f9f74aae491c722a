//! The migrations are embedded by a macro, which alone would not notice that one was added.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
