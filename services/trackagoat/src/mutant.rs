//! Which deliberate fault this process has: for the rig alone.

use std::env;

use gate::core::mutant::Mutant;

/// Names it.
const VARIABLE: &str = "TGA_MUTANT";

/// Takes the fault that the environment names, if it names one.
///
/// # Panics
/// If there is no such fault: a test that waits for it would find nothing.
pub fn choose() {
    let Ok(name) = env::var(VARIABLE) else { return };
    let mut all = Mutant::ALL.into_iter();
    let chosen = all.find(|mutant| mutant.name() == name);
    assert!(chosen.is_some(), "there is no fault {name}");
    Mutant::choose(chosen);
}
