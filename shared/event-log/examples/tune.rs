#![allow(warnings, clippy::all, clippy::pedantic)]
//! Scratch benchmark, not committed.
use domain::event::*;
use domain::ids::*;
use domain::text::*;
use event_log::*;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::*;
use runtime::local::*;
use sqlx::postgres::*;
use sqlx::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn event(bytes: usize) -> Event {
    let id = ProjectId::from_uuid(Entropy::os().uuid_v4());
    if bytes < 100 {
        return Event::ProjectRemoved(ProjectRemoved { project_id: id });
    }
    Event::ProjectAdded(ProjectAdded {
        project_id: id,
        name: ProjectName::parse("bench").unwrap(),
        readme: Some(Readme::parse(&"x".repeat(bytes - 95)).unwrap()),
        metadata: Metadata::empty(),
    })
}
fn req(org: OrgId, e: Event) -> AppendRequest {
    AppendRequest {
        org_id: org,
        expected: None,
        events: vec![e],
        actor: Actor::System,
        correlation_id: "0192f0c1-2b7e-7c00-8000-00000000abcd".into(),
        idempotency: None,
        guard: None,
    }
}
fn cpu() -> (f64, f64) {
    let (mut me, mut pg) = (0.0, 0.0);
    let my = std::process::id().to_string();
    for e in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = e.file_name().into_string().unwrap();
        let Ok(st) = std::fs::read_to_string(e.path().join("stat")) else {
            continue;
        };
        let Some((l, r)) = st.rsplit_once(')') else {
            continue;
        };
        let f: Vec<&str> = r.split_whitespace().collect();
        let t: f64 = (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) * 10_000.0;
        if name == my {
            me = t
        } else if l.ends_with("(postgres") {
            pg += t
        }
    }
    (me, pg)
}
fn pct(v: &mut Vec<u64>, p: f64) -> f64 {
    v.sort_unstable();
    if v.is_empty() {
        return 0.0;
    };
    v[((v.len() - 1) as f64 * p) as usize] as f64 / 1000.0
}

async fn run(
    pools: &[PgPool],
    writers: usize,
    secs: f64,
    streams: usize,
    bytes: usize,
    label: &str,
) {
    let clock = Clock::system();
    let mut logs = vec![];
    let mut lcs = vec![];
    for p in pools {
        let (log, app) = EventLog::new(p.clone(), clock.clone(), Entropy::os(), Config::default());
        let lc = Lifecycle::new(clock.clone());
        let t = lc.handle();
        t.spawn(TaskKind::Critical, "appender", app.run(t.clone()));
        logs.push(log);
        lcs.push(lc);
    }
    let orgs: Arc<Vec<OrgId>> = Arc::new(
        (0..streams.max(1))
            .map(|_| OrgId::from_uuid(Entropy::os().uuid_v7(Clock::system().now())))
            .collect(),
    );
    for l in &logs {
        l.append(req(orgs[0], event(bytes))).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let n = Arc::new(AtomicU64::new(0));
    let c0 = cpu();
    let start = Instant::now();
    let mut hs = vec![];
    for w in 0..writers {
        let (log, orgs, stop, n) = (
            logs[w % logs.len()].clone(),
            orgs.clone(),
            stop.clone(),
            n.clone(),
        );
        hs.push(tokio::spawn(async move {
            let mut lat = Vec::with_capacity(100_000);
            let mut x = w as u64 * 7919 + 1;
            while !stop.load(Ordering::Relaxed) {
                x = x
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let org = if streams == 0 {
                    OrgId::from_uuid(Entropy::os().uuid_v7(Clock::system().now()))
                } else {
                    orgs[(x >> 33) as usize % orgs.len()]
                };
                let t = Instant::now();
                log.append(req(org, event(bytes))).await.unwrap();
                lat.push(t.elapsed().as_micros() as u64);
                n.fetch_add(1, Ordering::Relaxed);
            }
            lat
        }));
    }
    tokio::time::sleep(Duration::from_secs_f64(secs)).await;
    stop.store(true, Ordering::Relaxed);
    let mut lat = vec![];
    for h in hs {
        lat.extend(h.await.unwrap());
    }
    let el = start.elapsed().as_secs_f64();
    let c1 = cpu();
    let k = lat.len() as f64;
    print!(
        "cpu us/event: self {:.1} pg {:.1}  ",
        (c1.0 - c0.0) / k,
        (c1.1 - c0.1) / k
    );
    println!(
        "{label:28} w={writers:4} streams={streams:6} {bytes:4}B: {:8.0}/s  p50 {:.2} ms  p99 {:.2} ms max {:.1}",
        lat.len() as f64 / el,
        pct(&mut lat, 0.5),
        pct(&mut lat, 0.99),
        pct(&mut lat, 1.0)
    );
    let (b, e): (i64, i64) = sqlx::query_as("select count(distinct recorded_at), count(*) from log.events where position > (select max(position) from log.events) - $1").bind(lat.len() as i64).fetch_one(&pools[0]).await.unwrap();
    println!("      avg batch {:.1}", e as f64 / b as f64);
    for lc in lcs {
        lc.shutdown(ShutdownPolicy::default()).await;
    }
}

/// Plain multi-row INSERT of like rows into a like table, one commit each `batch`.
async fn ceiling(pool: &PgPool, secs: f64, batch: usize, bytes: usize) {
    pool.execute(
        "drop table if exists plain; create table plain (like log.events_000000 including all)",
    )
    .await
    .unwrap();
    let mut c = pool.acquire().await.unwrap();
    let c0 = cpu();
    let start = Instant::now();
    let mut pos = 0i64;
    let data = event(bytes).data();
    while start.elapsed().as_secs_f64() < secs {
        let n = batch as i64;
        let p: Vec<i64> = (pos..pos + n).collect();
        pos += n;
        let u: Vec<uuid::Uuid> = p
            .iter()
            .map(|_| Entropy::os().uuid_v7(Clock::system().now()))
            .collect();
        let o: Vec<uuid::Uuid> = p
            .iter()
            .map(|_| Entropy::os().uuid_v7(Clock::system().now()))
            .collect();
        let d: Vec<&str> = p.iter().map(|_| data.as_str()).collect();
        sqlx::query("insert into plain select p, 1, null, now(), 0, 1, u, o, 'project.removed', 'projects/0192f0c1-2b7e-7c00-8000-00000000abcd', 'system', '0192f0c1-2b7e-7c00-8000-00000000abcd', '\\x0000000000000000000000000000000000000000000000000000000000000000', '\\x0000000000000000000000000000000000000000000000000000000000000000', null, d::json from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[]) as x(p,u,o,d)")
            .bind(&p).bind(&u).bind(&o).bind(&d).execute(&mut *c).await.unwrap();
    }
    let c1 = cpu();
    print!(
        "cpu us/event: self {:.1} pg {:.1}  ",
        (c1.0 - c0.0) / pos as f64,
        (c1.1 - c0.1) / pos as f64
    );
    println!(
        "ceiling insert batch={batch:4} {bytes}B: {:8.0}/s",
        pos as f64 / start.elapsed().as_secs_f64()
    );
}

async fn empty_commit(pool: &PgPool) {
    let mut c = pool.acquire().await.unwrap();
    c.execute("create table if not exists tiny (x int)")
        .await
        .unwrap();
    let mut lat = vec![];
    for _ in 0..2000 {
        let t = Instant::now();
        sqlx::query("select pg_current_xact_id()")
            .execute(&mut *c)
            .await
            .unwrap();
        lat.push(t.elapsed().as_micros() as u64);
    }
    println!(
        "xid-only commit: p50 {:.3} p99 {:.3} ms",
        pct(&mut lat, 0.5),
        pct(&mut lat, 0.99)
    );
    let mut lat = vec![];
    for _ in 0..2000 {
        let t = Instant::now();
        sqlx::query("insert into tiny values (1)")
            .execute(&mut *c)
            .await
            .unwrap();
        lat.push(t.elapsed().as_micros() as u64);
    }
    println!(
        "one-row commit: p50 {:.3} p99 {:.3} ms",
        pct(&mut lat, 0.5),
        pct(&mut lat, 0.99)
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let what = std::env::args().nth(1).unwrap_or("all".into());
    let folder = std::env::var("BENCH_DIR").unwrap_or("/tmp/h3bench".into());
    let server = PostgresServer::init(
        PostgresConfig {
            settings: vec![
                ("shared_buffers", "512MB".into()),
                ("max_wal_size", "4GB".into()),
            ],
            ..PostgresConfig::new(&folder)
        },
        &Clock::system(),
        &Entropy::os(),
    )
    .await
    .unwrap();
    let admin = PgPool::connect(&server.url("postgres")).await.unwrap();
    let name = format!("b{}", std::process::id());
    admin
        .execute(AssertSqlSafe(format!("create database {name}")))
        .await
        .unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect(&server.url(&name))
        .await
        .unwrap();
    migrate(&mut *pool.acquire().await.unwrap(), &Clock::system())
        .await
        .unwrap();
    let secs = std::env::var("SECS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(4.0);
    let p1 = [pool.clone()];
    match what.as_str() {
        "lone" => {
            empty_commit(&pool).await;
            run(&p1, 1, secs, 0, 60, "lone new").await;
            run(&p1, 1, secs, 1, 60, "lone one").await;
            empty_commit(&pool).await;
        }
        "ceiling" => {
            for b in [64, 256, 512] {
                ceiling(&pool, secs, b, 200).await;
            }
        }
        "w64" => {
            run(&p1, 64, secs, 0, 200, "new stream each").await;
        }
        "ab" => {
            for _ in 0..5 {
                run(&p1, 64, secs, 0, 200, "new stream each").await;
                ceiling(&pool, secs, 64, 200).await;
                run(&p1, 256, secs, 0, 200, "new stream each").await;
                ceiling(&pool, secs, 256, 200).await;
            }
        }
        "two" => {
            run(
                &[pool.clone(), pool.clone()],
                64,
                secs,
                0,
                200,
                "two processes",
            )
            .await;
        }
        _ => {
            empty_commit(&pool).await;
            run(&p1, 1, secs, 0, 200, "new stream each").await;
            run(&p1, 8, secs, 0, 200, "new stream each").await;
            run(&p1, 64, secs, 0, 200, "new stream each").await;
            ceiling(&pool, secs, 64, 200).await;
            run(&p1, 64, secs, 10_000, 200, "10k streams").await;
            run(&p1, 64, secs, 1, 200, "one stream").await;
            run(&p1, 256, secs, 0, 200, "new stream each").await;
            ceiling(&pool, secs, 256, 200).await;
            run(&p1, 64, secs, 0, 2000, "new stream each").await;
            run(
                &[pool.clone(), pool.clone()],
                64,
                secs,
                0,
                200,
                "two processes",
            )
            .await;
            empty_commit(&pool).await;
        }
    }
    pool.close().await;
    admin
        .execute(AssertSqlSafe(format!("drop database {name} with (force)")))
        .await
        .unwrap();
    drop(server);
}
