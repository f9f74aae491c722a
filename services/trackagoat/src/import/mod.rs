//! `trackagoat import`: real data through the public API, as any client would send it.
//!
//! Creators first, then what the platform says of accounts and videos, then readings. Everything
//! may be sent again: what is known already changes nothing.

mod api;
mod lines;
mod rows;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use domain::ids::ProjectId;
use domain::limits::BULK_ADD_ITEMS;
use futures_util::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::clock::Clock;
use runtime::entropy::Entropy;

use self::api::{Api, ImportError};
use self::lines::{Batch, Plan};
use self::summary::Summary;

/// Requests under way at once.
const IN_FLIGHT: usize = 4;

/// Which data to import.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Daily lists of trending videos on YouTube, one CSV file per country.
    YoutubeTrending(YoutubeTrending),
}

/// Lists of trending videos on YouTube.
#[derive(Debug, Args)]
pub struct YoutubeTrending {
    /// Address of the API, for example http://127.0.0.1:8080/api/v1.
    #[arg(long, env = "TGA_API")]
    api: String,
    /// File that holds the API key (scopes read, write and ingest), or the ready-file of
    /// `trackagoat dev`.
    #[arg(long, env = "TGA_KEY_FILE")]
    key_file: PathBuf,
    /// The project that is to follow the channels.
    #[arg(long)]
    project: ProjectId,
    /// Files, `.csv` or `.csv.zst`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Import {
    /// Imports and prints a summary. `Ok(false)`: something was lost.
    pub async fn run(self, clock: Clock, entropy: Entropy) -> Result<bool, ImportError> {
        let Self::YoutubeTrending(arguments) = self;
        let (rows, skipped) = rows::read_files(&arguments.files)?;
        let plan = Plan::of(&rows);
        let api = Api::new(
            &arguments.api,
            &arguments.key_file,
            arguments.project,
            clock,
            entropy,
        )?;
        let api = Arc::new(api);
        api.check().await?;

        let mut summary = Summary::new(rows.len(), skipped, arguments.files);
        let bar = progress_bar(plan.lines_to_send() + plan.channels.len());
        let ended = send_all(&api, plan, &bar, &mut summary).await;
        bar.finish_and_clear();
        summary.print(api.elapsed(), ended.is_ok());
        ended?;
        Ok(summary.nothing_lost())
    }
}

/// Sends everything in order, and waits until it can be read.
async fn send_all(
    api: &Arc<Api>,
    plan: Plan,
    bar: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    add_creators(api, &plan.channels, bar, summary).await?;
    for phase in plan.phases {
        send(api, phase, bar, summary).await?;
    }
    bar.set_message("waiting for the read side");
    api.wait_until_readable().await
}

/// Several bulks at once.
async fn add_creators(
    api: &Arc<Api>,
    channels: &[String],
    bar: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    let mut answers = futures_util::stream::iter(channels.chunks(BULK_ADD_ITEMS))
        .map(async |channels| (channels.len(), api.add_creators(channels).await))
        .buffer_unordered(IN_FLIGHT)
        .boxed();
    while let Some((count, answer)) = answers.next().await {
        summary.add_creators(answer?);
        bar.inc(count as u64);
    }
    Ok(())
}

/// Sends all batches of a phase, several at once, and none of the next before all are answered.
async fn send(
    api: &Arc<Api>,
    batches: Vec<Batch>,
    bar: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    let mut answers = futures_util::stream::iter(batches.into_iter().map(Ok::<_, ImportError>))
        .map_ok(|batch| {
            let api = Arc::clone(api);
            async move {
                let answer = api.ingest(&batch.body).await?;
                Ok((batch, answer))
            }
        })
        .try_buffer_unordered(IN_FLIGHT)
        .boxed();
    while let Some((batch, answer)) = answers.next().await.transpose()? {
        bar.inc(batch.sources.len() as u64);
        summary.add_lines(&batch, answer);
    }
    Ok(())
}

/// Shown on a terminal only.
fn progress_bar(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} lines {per_sec} {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(lines as u64).with_style(style)
}
