//! What to send, in which order: a later phase may build on everything of an earlier one.

use std::collections::HashMap;

use domain::limits::{INGEST_BODY_BYTES, INGEST_LINE_BYTES, INGEST_LINES};
use domain::platform::Platform;
use domain::time::Timestamp;
use serde::Serialize;

use super::rows::{Row, Source};

/// One request's body and where its lines come from.
pub struct Batch {
    pub body: Vec<u8>,
    pub sources: Vec<Source>,
}

/// Everything to send.
pub struct Plan {
    /// Every channel id of every row, once.
    pub channels: Vec<String>,
    /// Lines by phase: names of channels and the first sight of each video, later changes of
    /// videos, readings.
    pub phases: [Vec<Batch>; 3],
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    CreatorProfile {
        platform: Platform,
        handle: &'a str,
        observed_at: Timestamp,
        display_name: &'a str,
    },
    Video {
        platform: Platform,
        platform_video_id: &'a str,
        creator_handle: &'a str,
        observed_at: Timestamp,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        posted_at: Option<Timestamp>,
    },
    VideoStats {
        platform: Platform,
        platform_video_id: &'a str,
        observed_at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        view_count: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        like_count: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        comment_count: Option<u64>,
    },
}

const PLATFORM: Platform = Platform::Youtube;

impl Plan {
    /// Rows are ordered by time. A name or a title that did not change is not sent again.
    pub fn of(rows: &[Row]) -> Self {
        let mut channels = Vec::new();
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut videos: HashMap<&str, (&str, Option<Timestamp>)> = HashMap::new();
        let [mut first, mut changes, mut readings] = [(); 3].map(|()| Batches::default());
        for row in rows {
            let channel = row.channel.as_str();
            let known = names.insert(channel, &row.channel_title);
            if known.is_none() {
                channels.push(channel.to_owned());
            }
            if known != Some(row.channel_title.as_str()) && !row.channel_title.trim().is_empty() {
                first.push(&profile(row), row.source);
            }
            let details = (row.title.as_str(), row.published_at);
            match videos.insert(row.video.as_str(), details) {
                None => first.push(&video(row), row.source),
                Some(before) if before != details => changes.push(&video(row), row.source),
                Some(_) => {}
            }
            if row.views.or(row.likes).or(row.comments).is_some() {
                readings.push(&stats(row), row.source);
            }
        }
        Self {
            channels,
            phases: [first, changes, readings].map(Batches::finish),
        }
    }

    /// Lines of all phases.
    pub fn lines_to_send(&self) -> usize {
        self.phases
            .iter()
            .flatten()
            .map(|batch| batch.sources.len())
            .sum()
    }
}

fn profile(row: &Row) -> Line<'_> {
    Line::CreatorProfile {
        platform: PLATFORM,
        handle: row.channel.as_str(),
        observed_at: row.fetched_at,
        display_name: &row.channel_title,
    }
}

fn video(row: &Row) -> Line<'_> {
    Line::Video {
        platform: PLATFORM,
        platform_video_id: row.video.as_str(),
        creator_handle: row.channel.as_str(),
        observed_at: row.fetched_at,
        title: &row.title,
        posted_at: row.published_at,
    }
}

fn stats(row: &Row) -> Line<'_> {
    Line::VideoStats {
        platform: PLATFORM,
        platform_video_id: row.video.as_str(),
        observed_at: row.fetched_at,
        view_count: row.views,
        like_count: row.likes,
        comment_count: row.comments,
    }
}

/// Lines cut into bodies that the API takes.
#[derive(Default)]
struct Batches {
    full: Vec<Batch>,
    body: Vec<u8>,
    sources: Vec<Source>,
}

impl Batches {
    fn push(&mut self, line: &Line<'_>, source: Source) {
        let is_full = self.sources.len() == INGEST_LINES
            || self.body.len() + INGEST_LINE_BYTES >= INGEST_BODY_BYTES;
        if is_full {
            self.cut();
        }
        serde_json::to_writer(&mut self.body, line).expect("lines are plain JSON values");
        self.body.push(b'\n');
        self.sources.push(source);
    }

    fn cut(&mut self) {
        let body = std::mem::take(&mut self.body);
        let sources = std::mem::take(&mut self.sources);
        self.full.push(Batch { body, sources });
    }

    fn finish(mut self) -> Vec<Batch> {
        if !self.sources.is_empty() {
            self.cut();
        }
        self.full
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::observation::{Line as Parsed, parse_line};
    use domain::platform::{Handle, PlatformVideoId};

    use super::*;

    fn row(channel: &str, title: &str, day: u32) -> Row {
        Row {
            channel: Handle::parse(PLATFORM, channel).unwrap(),
            channel_title: "Goats".to_owned(),
            video: PlatformVideoId::parse(PLATFORM, "tHVDy4vYApA").unwrap(),
            title: title.to_owned(),
            published_at: None,
            fetched_at: Timestamp::parse(&format!("2026-01-{day:02}T05:00:00Z")).unwrap(),
            views: Some(u64::from(day)),
            likes: None,
            comments: None,
            source: Source {
                file: 0,
                line: u64::from(day),
            },
        }
    }

    #[test]
    fn what_did_not_change_is_sent_once_and_a_video_keeps_its_first_channel() {
        let a = "UC9ChdqQRCaZmTCwSJ49tcbw";
        let b = "UCQJWtTnAHhEG5w4uN0udnUQ";
        let plan = Plan::of(&[
            row(a, "x", 1),
            row(a, "x", 2),
            row(b, "y", 3),
            row(b, "y", 4),
        ]);
        assert_eq!(plan.channels, [a, b]);
        let lines = plan.phases.each_ref().map(|phase| phase[0].sources.len());
        assert_eq!(lines, [3, 1, 4]);
    }

    #[test]
    fn every_line_is_one_that_the_service_reads() {
        let now = Timestamp::parse("2026-02-01T00:00:00Z").unwrap();
        let plan = Plan::of(&[row("UC9ChdqQRCaZmTCwSJ49tcbw", "a \"b\"\n", 1)]);
        let bodies = plan
            .phases
            .iter()
            .flatten()
            .map(|batch| batch.body.as_slice());
        let lines: Vec<Parsed> = bodies
            .flat_map(|body| {
                body.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
            })
            .map(|line| parse_line(line, now).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn bodies_stay_within_the_apis_limits() {
        let long = "x".repeat(15_000);
        let rows: Vec<Row> = (0..1_000_u32)
            .map(|n| {
                row(
                    "UC9ChdqQRCaZmTCwSJ49tcbw",
                    &format!("{n}{long}"),
                    n % 28 + 1,
                )
            })
            .collect();
        let plan = Plan::of(&rows);
        assert!(plan.phases[1].len() > 1);
        for batch in plan.phases.iter().flatten() {
            assert!(batch.body.len() <= INGEST_BODY_BYTES && batch.sources.len() <= INGEST_LINES);
        }
    }
}
