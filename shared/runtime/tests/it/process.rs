#![expect(clippy::unwrap_used, reason = "tests")]

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

#[test]
fn a_hardened_process_leaves_no_dump_and_may_open_what_it_can() {
    runtime::process::harden().unwrap();
    assert_eq!(getrlimit(Resource::Core).current, Some(0));
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let files = getrlimit(Resource::Nofile);
    assert_eq!(files.current, files.maximum);
    runtime::process::harden().expect("twice is once");
}
