//! The rules of the house that neither compiler nor clippy can see. Every rule is a function of plain data, so that each
//! is shown a wrong example as well as the checkout.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crates of ours each crate may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("runtime", &[]),
    ("api", &["domain"]),
    ("event-log", &["domain", "runtime"]),
    ("gate", &["domain", "event-log", "runtime"]),
    ("read-model", &["domain", "event-log", "runtime"]),
    ("testkit", &["domain", "event-log", "runtime"]),
    (
        "command",
        &["api", "domain", "event-log", "gate", "runtime"],
    ),
    (
        "query",
        &[
            "api",
            "domain",
            "event-log",
            "gate",
            "read-model",
            "runtime",
        ],
    ),
    ("console", &["api", "runtime"]),
    (
        "trackagoat",
        &[
            "api",
            "command",
            "console",
            "domain",
            "event-log",
            "gate",
            "query",
            "read-model",
            "runtime",
        ],
    ),
];
/// Named only under `[dev-dependencies]`, by anyone.
const TEST_ONLY: &str = "testkit";

/// What does IO, and so stays out of `domain` and of the core of `gate`.
const IO_CRATES: &[&str] = &[
    "async-nats",
    "axum",
    "hyper",
    "moka",
    "reqwest",
    "sqlx",
    "tokio",
];

/// Lines of production code in one file, without comments, blank lines and tests.
const FILE_LINES_MAX: usize = 500;
/// Files that may be longer: path, lines, why.
const LONGER_FILES: &[(&str, usize, &str)] = &[];

/// Beside these, only what is hidden; `target` is Cargo's.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "deploy",
    "migrations",
    "services",
    "shared",
    "target",
];

/// One module for each benchmark that deploy/bench knows.
const BENCHMARKS: &str = "services/trackagoat/src/bench/";

/// Written in halves, so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[", "ignore"),
];
const SLEEPS: &[&str] = &[concat!("time::", "sleep("), concat!("thread::", "sleep(")];

#[test]
fn crates_depend_only_along_the_arrows() {
    let wrong = wrong_arrows(&workspace_arrows());
    assert!(
        wrong.is_empty(),
        "arrows that design.md does not have: {wrong:#?}"
    );
}

#[test]
fn a_wrong_arrow_is_found() {
    let arrow = |from: &str, to: &str, dev| Arrow {
        from: from.into(),
        to: to.into(),
        ours: true,
        dev,
    };
    let right = [
        arrow("query", "gate", false),
        arrow("domain", TEST_ONLY, true),
        Arrow {
            from: "domain".into(),
            to: "uuid".into(),
            ours: false,
            dev: false,
        },
        Arrow {
            from: "domain".into(),
            to: "tokio".into(),
            ours: false,
            dev: true,
        },
    ];
    assert!(wrong_arrows(&right).is_empty());
    let wrong = [
        arrow("api", "event-log", false),
        arrow("api", "event-log", true),
        arrow("query", TEST_ONLY, false),
        arrow("unknown", "domain", false),
        Arrow {
            from: "domain".into(),
            to: "tokio".into(),
            ours: false,
            dev: false,
        },
    ];
    assert_eq!(wrong_arrows(&wrong).len(), wrong.len());
}

#[test]
fn the_core_of_gate_does_no_io() {
    for file in sources().filter(|file| file.path.starts_with("shared/gate/src/core")) {
        let found = io_in(&file.text);
        assert!(found.is_empty(), "{} uses {found:?}", file.path);
    }
}

#[test]
fn io_in_a_core_is_found() {
    assert!(io_in("use std::time::Duration;\n// unlike sqlx, this stores nothing\n").is_empty());
    assert_eq!(
        io_in("use async_nats::Client;\nlet n = tokio::time::Instant::now();"),
        ["async-nats", "tokio"]
    );
}

#[test]
fn files_stay_within_their_budget() {
    let sizes: Vec<_> = sources()
        .filter(|file| !is_test(&file.path))
        .map(|file| (code_lines(&file.text), file.path))
        .collect();
    let wrong = over_budget(&sizes, LONGER_FILES);
    assert!(
        wrong.is_empty(),
        "split these, or list them with a reason: {wrong:#?}"
    );
}

#[test]
fn a_file_over_budget_is_found() {
    let text = "//! Doc.\n\nfn one() {}\n// why\nfn two() {}\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";
    assert_eq!(code_lines(text), 2);
    assert_eq!(code_lines("#[cfg(test)]\nuse a::b;\nfn one() {}\n"), 3);
    let sizes = [
        (FILE_LINES_MAX, "a.rs".into()),
        (FILE_LINES_MAX + 1, "b.rs".into()),
    ];
    assert_eq!(over_budget(&sizes, &[]).len(), 1);
    assert_eq!(
        over_budget(&sizes, &[("b.rs", FILE_LINES_MAX + 1, "a table")]).len(),
        0
    );
    // Exceptions that are too small, not needed, or unexplained.
    assert_eq!(
        over_budget(&sizes, &[("b.rs", FILE_LINES_MAX, "a table")]).len(),
        1
    );
    assert_eq!(
        over_budget(&sizes[..1], &[("a.rs", 900, "a table")]).len(),
        1
    );
    assert_eq!(over_budget(&sizes, &[("b.rs", 900, "")]).len(), 1);
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    let wrong: Vec<_> = texts().flat_map(|file| unfinished(&file)).collect();
    assert!(wrong.is_empty(), "finish these: {wrong:#?}");
}

#[test]
fn what_is_unfinished_is_found() {
    for mark in UNFINISHED {
        let file = TextFile {
            path: "src/a.rs".into(),
            text: format!("fn a() {{\n    {mark}\n}}\n"),
        };
        assert_eq!(unfinished(&file), [format!("src/a.rs:2: {mark}")]);
    }
    for sleep in SLEEPS {
        let text = format!("    {sleep}pause)\n");
        assert_eq!(
            unfinished(&TextFile {
                path: "a/tests/it/b.rs".into(),
                text: text.clone()
            })
            .len(),
            1
        );
        assert!(
            unfinished(&TextFile {
                path: "a/src/b.rs".into(),
                text
            })
            .is_empty()
        );
    }
}

#[test]
fn the_top_level_is_fixed() {
    let names: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let stray = stray_entries(&names);
    assert!(stray.is_empty(), "does not belong at the top: {stray:?}");
}

#[test]
fn a_stray_entry_is_found() {
    let names = ["README.md", ".ci", "services", "docs", "Makefile"].map(str::to_owned);
    assert_eq!(stray_entries(&names), ["docs", "Makefile"]);
}

#[test]
fn every_library_says_what_it_does_not_know() {
    let silent: Vec<_> = sources()
        .filter(|file| file.path.ends_with("/src/lib.rs") && !states_invariant(&file.text))
        .map(|file| file.path)
        .collect();
    assert!(
        silent.is_empty(),
        "open these with their job and `Architecture invariant:` {silent:?}"
    );
}

#[test]
fn a_library_without_its_invariant_is_found() {
    assert!(states_invariant(
        "//! The log.\n//!\n//! Architecture invariant: it knows no HTTP.\n"
    ));
    assert!(!states_invariant(
        "//! The log.\n\nmod a;\n// Architecture invariant: too late\n"
    ));
}

#[test]
fn every_benchmark_has_an_aim() {
    let bench = fs::read_to_string(root().join("deploy/bench")).unwrap();
    let modules: Vec<_> = sources()
        .filter(|file| file.path.starts_with(BENCHMARKS))
        .collect();
    let without = benchmarks_without_aim(&bench, &modules);
    assert!(
        modules.is_empty() || without.is_empty(),
        "benchmarks without an aim: {without:?}"
    );
}

#[test]
fn a_benchmark_without_an_aim_is_found() {
    let script = "set -e\nknown=\"append read mirror\"\n";
    let module = |name: &str, text: &str| TextFile {
        path: format!("{BENCHMARKS}{name}"),
        text: text.into(),
    };
    let modules = [
        module("append.rs", "const AIMS: &[Aim] = &[Aim::at_least(1.0)];"),
        module("read/mod.rs", "const AIMS: &[Aim] = &[];"),
    ];
    assert_eq!(benchmarks_without_aim(script, &modules), ["read", "mirror"]);
}

struct Arrow {
    from: String,
    to: String,
    ours: bool,
    dev: bool,
}

struct TextFile {
    /// From the top of the checkout, with forward slashes.
    path: String,
    text: String,
}

fn wrong_arrows(arrows: &[Arrow]) -> Vec<String> {
    let allowed = |arrow: &&Arrow| {
        if !arrow.ours {
            return arrow.dev || arrow.from != "domain" || !IO_CRATES.contains(&&*arrow.to);
        }
        let known = ARROWS.iter().find(|(from, _)| *from == arrow.from);
        known
            .is_some_and(|(_, to)| to.contains(&&*arrow.to) || (arrow.dev && arrow.to == TEST_ONLY))
    };
    let wrong = arrows.iter().filter(|arrow| !allowed(arrow));
    wrong
        .map(|arrow| format!("{} -> {}", arrow.from, arrow.to))
        .collect()
}

fn io_in(text: &str) -> Vec<&'static str> {
    let code: Vec<_> = text.lines().filter(|line| is_code(line)).collect();
    let named = |name: &&&str| {
        let path = format!("{}::", name.replace('-', "_"));
        code.iter().any(|line| line.contains(&path))
    };
    IO_CRATES.iter().filter(named).copied().collect()
}

/// Up to the inline tests, which stand last.
fn code_lines(text: &str) -> usize {
    let production = text
        .find("#[cfg(test)]\nmod ")
        .map_or(text, |tests| &text[..tests]);
    production.lines().filter(|line| is_code(line)).count()
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

fn over_budget(sizes: &[(usize, String)], exceptions: &[(&str, usize, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (lines, path) in sizes {
        let exception = exceptions.iter().find(|(listed, ..)| listed == path);
        let budget = exception.map_or(FILE_LINES_MAX, |(_, lines_max, _)| *lines_max);
        if *lines > budget {
            wrong.push(format!("{path}: {lines} lines, {budget} are allowed"));
        } else if exception.is_some() && *lines <= FILE_LINES_MAX {
            wrong.push(format!("{path}: needs no exception any more"));
        }
    }
    let unexplained = exceptions.iter().filter(|(.., reason)| reason.is_empty());
    wrong.extend(unexplained.map(|(path, ..)| format!("{path}: its exception gives no reason")));
    wrong
}

fn unfinished(file: &TextFile) -> Vec<String> {
    let sleeps = if is_test(&file.path) { SLEEPS } else { &[] };
    let marks = || UNFINISHED.iter().chain(sleeps);
    file.text
        .lines()
        .enumerate()
        .filter(|(_, line)| marks().any(|mark| line.contains(mark)))
        .map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim()))
        .collect()
}

fn stray_entries(names: &[String]) -> Vec<&str> {
    let fits = |name: &str| name.starts_with('.') || TOP_LEVEL.contains(&name);
    names
        .iter()
        .map(String::as_str)
        .filter(|name| !fits(name))
        .collect()
}

/// In the opening documentation, before the first line of code.
fn states_invariant(text: &str) -> bool {
    text.lines()
        .take_while(|line| line.starts_with("//!"))
        .any(|line| line.contains("Architecture invariant:"))
}

/// A benchmark's module declares what it aims at as `AIMS`, which is not empty.
fn benchmarks_without_aim<'a>(script: &'a str, modules: &[TextFile]) -> Vec<&'a str> {
    let known = script
        .lines()
        .find_map(|line| line.strip_prefix("known=\""))
        .unwrap();
    let has_aim = |name: &&str| {
        modules.iter().any(|module| {
            let own = [
                format!("{BENCHMARKS}{name}.rs"),
                format!("{BENCHMARKS}{name}/mod.rs"),
            ];
            own.contains(&module.path)
                && module.text.contains("const AIMS:")
                && !module.text.contains("const AIMS: &[Aim] = &[];")
        })
    };
    known
        .trim_end_matches('"')
        .split(' ')
        .filter(|name| !has_aim(name))
        .collect()
}

fn workspace_arrows() -> Vec<Arrow> {
    let answer = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let mut arrows = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            arrows.push(Arrow {
                from: package["name"].as_str().unwrap().to_owned(),
                to: dependency["name"].as_str().unwrap().to_owned(),
                ours: dependency["path"].is_string(),
                dev: dependency["kind"] == "dev",
            });
        }
    }
    assert!(arrows.iter().any(|arrow| arrow.ours), "no arrow was read");
    arrows
}

/// Our Rust files.
fn sources() -> impl Iterator<Item = TextFile> {
    texts().filter(|file| {
        let ours = file.path.starts_with("services/") || file.path.starts_with("shared/");
        ours && Path::new(&file.path)
            .extension()
            .is_some_and(|it| it == "rs")
    })
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Every file that is text, but for what tools write.
fn texts() -> impl Iterator<Item = TextFile> {
    let mut folders = vec![root()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() {
                files.push(entry.path());
            } else if !matches!(
                &*name,
                ".git" | ".tools" | ".data" | ".sqlx" | "target" | "node_modules"
            ) {
                folders.push(entry.path());
            }
        }
    }
    files.sort();
    files.into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        let path = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        Some(TextFile { path, text })
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
