use std::collections::{BTreeMap, BTreeSet};

use domain::ids::OrgId;
use event_log::{AppendError, AppendRequest, Appended, EventLog};
use testkit::postgres;
use tokio::task::JoinSet;

use crate::support::{Process, event, org, request, sound_log, version};

const WRITERS: usize = 100;
const APPENDS: usize = 20;

/// Appends on the expected version until it succeeds, as the command service does.
async fn decide(log: &EventLog, org: OrgId, known: &mut u64) -> Appended {
    loop {
        let attempt = AppendRequest {
            expected: Some(version(*known)),
            ..request(org, vec![event()])
        };
        match log.append(attempt).await {
            Ok(appended) => {
                *known = appended.version.unwrap().get();
                return appended;
            }
            Err(AppendError::Conflict { actual }) => {
                assert_ne!(actual.get(), *known);
                *known = actual.get();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A hundred writers on the processes' logs; returns what each was told.
async fn race(processes: &[Process], org_of: impl Fn(usize) -> OrgId) -> Vec<(OrgId, Appended)> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let log = processes[writer % processes.len()].log.clone();
        let org = org_of(writer);
        writers.spawn(async move {
            let mut known = 0;
            let mut told = Vec::new();
            for _ in 0..APPENDS {
                told.push((org, decide(&log, org, &mut known).await));
            }
            told
        });
    }
    writers.join_all().await.into_iter().flatten().collect()
}

/// What the writers were told is exactly what the log holds.
async fn check(log: &EventLog, told: &[(OrgId, Appended)]) {
    let all = sound_log(log).await;
    assert_eq!(all.len(), WRITERS * APPENDS);
    let positions: BTreeSet<_> = told.iter().map(|(_, appended)| appended.last).collect();
    assert_eq!(positions.len(), told.len());
    let mut versions: BTreeMap<OrgId, BTreeSet<u64>> = BTreeMap::new();
    for (org, appended) in told {
        let event = &all[usize::try_from(appended.last.get()).unwrap() - 1];
        assert_eq!((event.org_id, event.hash), (*org, appended.hashes[0]));
        assert_eq!(Some(event.version), appended.version);
        assert!(
            versions
                .entry(*org)
                .or_default()
                .insert(event.version.get())
        );
    }
    for of_org in versions.values() {
        assert_eq!(of_org.last(), Some(&(of_org.len() as u64)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_on_one_org() {
    let db = postgres().await;
    let processes = [Process::start(db.pool().clone())];
    let one = org();
    let told = race(&processes, |_| one).await;
    check(&processes[0].log, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_on_many_orgs() {
    let db = postgres().await;
    let processes = [Process::start(db.pool().clone())];
    let orgs: Vec<_> = (0..WRITERS).map(|_| org()).collect();
    let told = race(&processes, |writer| orgs[writer]).await;
    check(&processes[0].log, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_race_on_few_orgs() {
    let db = postgres().await;
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    let orgs: Vec<_> = (0..7).map(|_| org()).collect();
    let told = race(&processes, |writer| orgs[writer % 7]).await;
    check(&processes[0].log, &told).await;
}

/// LOG-5: every snapshot of the log is a prefix of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailing_reader_sees_no_gap() {
    let db = postgres().await;
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    let reader = processes[0].log.clone();
    let total = (WRITERS * APPENDS) as u64;
    let tail = async {
        let mut last = domain::ids::GlobalPosition::ZERO;
        while last.get() < total {
            // `read` refuses a page with a gap.
            if let Some(event) = reader.read(last, 500).await.unwrap().last() {
                last = event.position;
            }
        }
    };
    let orgs: Vec<_> = (0..WRITERS).map(|_| org()).collect();
    let ((), told) = tokio::join!(tail, race(&processes, |writer| orgs[writer]));
    check(&processes[1].log, &told).await;
}
