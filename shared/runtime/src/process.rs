//! What a process that holds secrets and serves strangers asks of the system at its start.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

/// Has this process told to stop (SIGTERM) when the one that started it is gone, however it went.
///
/// # Errors
/// If the system refuses.
pub fn end_with_parent() -> io::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have gone before it was asked for.
    if getppid() == parent {
        return Ok(());
    }
    Err(io::Error::other("the parent is gone already"))
}

/// Forbids dumps of this process's memory, where secrets live, and lets it open as many
/// descriptors as it may: each connection is one.
///
/// # Errors
/// If the system refuses.
pub fn harden() -> io::Result<()> {
    let no_dumps = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, no_dumps)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let files = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: files.maximum,
        ..files
    };
    setrlimit(Resource::Nofile, most)?;
    Ok(())
}
