//! `trackagoat bench`: what the parts reach, beside ceilings and peers measured in the same run.
//!
//! Absolute figures drift with the machine, ratios of one run count: so contestants take turns,
//! everything is repeated, and each report says under which conditions it was written. Rows of
//! peers and of ceilings are no one's business but the benchmark's, so their SQL stands here.

mod aim;
mod analytics;
mod append;
mod conditions;
mod console;
mod copy;
mod error;
mod export;
mod fanout;
mod fleet;
mod folder;
mod gate;
mod import;
mod keys;
mod load;
mod million;
mod mirror;
mod open_log;
mod pace;
mod peer;
mod product;
mod proofs;
mod quota;
mod read;
mod rebuild;
mod replay;
mod revoke;
mod stats;
mod subscribe;
mod traffic;
mod trail;
mod turns;
mod window;
mod worker;
mod zipf;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;

use self::aim::Report;
use self::folder::BenchFolder;
use self::subscribe::job::{run_follower, run_publisher};
use self::worker::{Job, Parent};

pub use self::error::BenchError;

/// Measure what a part reaches, beside peers; `deploy/bench` installs those and calls this.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    name: Name,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// Answers that no cache has, while what else is held grows a hundredfold.
    Analytics(Options),
    /// Events appended to the log.
    Append(Options),
    /// The console's pages on the demo org.
    Console(Options),
    /// An org's whole trail through the public API, beside what Postgres needs for the same rows.
    Export(Options),
    /// From the commit of an event to a thousand subscribers.
    Fanout(Options),
    /// What a decision about a request costs, and whether refusals can be told apart by their time.
    Gate(Options),
    /// Real readings through the public API, and a projection rebuilt from them.
    Import(Options),
    /// Memory and time that a million active keys take.
    Keys(Options),
    /// Events published to the stream.
    Mirror(Options),
    /// Proofs over HTTP while the log grows, and how fast its tree grows with it.
    Proofs(Options),
    /// What of an org's day is admitted while replicas are killed and Postgres stands still.
    Quota(Options),
    /// Authenticated reads with a million active keys.
    Read(Options),
    /// A projection built anew from the log, and from ten times as much.
    Rebuild(Options),
    /// The whole log told again, beside what Postgres needs for the same rows.
    Replay(Options),
    /// Time from the call that revokes a key until nobody accepts it, without faults and with.
    Revoke(Options),
    /// Events given to a subscriber, and how long they take to reach one.
    Subscribe(Options),
    /// The most that a key is admitted in any trailing window, beside other limiters.
    Window(Options),
    /// For the program itself: a process of a benchmark, told on its standard input what to do.
    #[command(hide = true)]
    Worker,
}

/// What every benchmark takes.
#[derive(Debug, Args)]
struct Options {
    /// The report, JSON. A folder for data is made beside it, on the disk that is measured.
    #[arg(long)]
    out: PathBuf,
    /// Peers that were made ready by `deploy/bench`.
    #[arg(long)]
    peer_dir: Option<PathBuf>,
    /// Everything once and for a moment: to see that it works, not to measure.
    #[arg(long)]
    quick: bool,
    /// With a log of five million events too, for `replay`, and of ten million for `proofs`.
    #[arg(long, env = "TGA_BENCH_LARGE")]
    large: bool,
    /// Folder with the lists of trending videos, for `import`.
    #[arg(long, env = "TGA_BENCH_DATA")]
    data: Option<PathBuf>,
}

/// What a benchmark runs in.
struct Setting {
    folder: BenchFolder,
    clock: Clock,
    entropy: Entropy,
}

impl Bench {
    /// Measures and writes the report. That an aim is missed is no error.
    pub async fn run(self, clock: Clock, entropy: Entropy) -> Result<(), BenchError> {
        match &self.name {
            Name::Worker => Parent::new().work(clock, entropy).await,
            Name::Analytics(options) => {
                let measure = async |setting: &Setting| analytics::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Append(options) => {
                let measure = async |setting: &Setting| append::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Console(options) => {
                let measure = async |setting: &Setting| console::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Export(options) => {
                let measure = async |setting: &Setting| export::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Fanout(options) => {
                let measure = async |setting: &Setting| fanout::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Gate(options) => {
                let measure = async |setting: &Setting| gate::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Import(options) => {
                let measure = async |setting: &Setting| import::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Keys(options) => {
                let measure = async |setting: &Setting| keys::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Mirror(options) => {
                let measure = async |setting: &Setting| mirror::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Proofs(options) => {
                let measure = async |setting: &Setting| proofs::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Quota(options) => {
                let measure = async |setting: &Setting| quota::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Read(options) => {
                let measure = async |setting: &Setting| read::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Rebuild(options) => {
                let measure = async |setting: &Setting| rebuild::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Replay(options) => {
                let measure = async |setting: &Setting| replay::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Revoke(options) => {
                let measure = async |setting: &Setting| revoke::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Subscribe(options) => {
                let measure = async |setting: &Setting| subscribe::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
            Name::Window(options) => {
                let measure = async |setting: &Setting| window::run(options, setting).await;
                options.measure(measure, clock, entropy).await
            }
        }
    }
}

impl Options {
    /// Runs a benchmark between two looks at what it depends on, and writes its report.
    async fn measure(
        &self,
        benchmark: impl AsyncFnOnce(&Setting) -> Result<Report, BenchError>,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), BenchError> {
        let folder = BenchFolder::beside(&self.out)?;
        let setting = Setting {
            folder,
            clock,
            entropy,
        };
        let folder = setting.folder.path();
        let (began, load) = (setting.clock.now(), conditions::load_average());
        let before = conditions::fdatasync(folder, &setting.clock)?;
        let mut report = benchmark(&setting).await?;
        let after = conditions::fdatasync(folder, &setting.clock)?;
        for (name, value) in conditions::machine(folder) {
            report.condition(&name, value);
        }
        report.condition("quick", self.quick);
        report.condition("began", began.to_rfc3339());
        report.condition("ended", setting.clock.now().to_rfc3339());
        report.condition("fdatasync", json!({ "before": before, "after": after }));
        let loads = json!({ "before": load, "after": conditions::load_average() });
        report.condition("load_average", loads);
        if cfg!(debug_assertions) {
            report.not_done("built without optimisation: these figures say nothing");
        }
        report.write(&self.out)
    }

    /// Tells who waits which repeat has begun.
    fn step(&self, what: &str, repeat: usize, repeats: usize) {
        self.say(&format!("{what}: {} of {repeats}", repeat + 1));
    }

    /// Tells who waits what is going on.
    #[expect(
        clippy::print_stderr,
        clippy::unused_self,
        reason = "progress goes to the terminal"
    )]
    fn say(&self, text: &str) {
        eprintln!("{text}");
    }
}

impl Parent {
    /// Does the one job of this process.
    async fn work(mut self, clock: Clock, entropy: Entropy) -> Result<(), BenchError> {
        match self.listen().await? {
            Job::Append(job) => job.run(&mut self, clock, entropy).await,
            Job::Bare(job) => job.run(&mut self).await,
            Job::Keys(job) => job.run(&mut self, clock, entropy).await,
            Job::Follow(servers) => run_follower(servers, &mut self, clock, entropy).await,
            Job::Table(job) => job.run(&self, &clock),
            Job::Publish(servers) => run_publisher(servers, &mut self, clock, entropy).await,
        }
    }
}
