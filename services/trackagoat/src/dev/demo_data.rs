//! Synthetic creators, videos and readings: enough to look at, the same on every machine but for
//! the dates, which end on a given day.

use chrono::{NaiveDate, TimeDelta};
use domain::ids::CreatorId;
use domain::org::NewCreator;
use domain::platform::{Handle, Platform};
use domain::time::Timestamp;
use runtime::entropy::Entropy;
use serde_json::{Value, json};

/// Creators of the demo.
pub const CREATORS: usize = 240;
/// Videos of each.
const VIDEOS_EACH: usize = 3;
/// Days of history.
const DAYS: i64 = 30;
/// The generator's seed: everyone sees the same goats.
const SEED: u64 = 0x90a7;

const FIRST: [&str; 16] = [
    "alpine", "brave", "clever", "dapper", "eager", "fuzzy", "gentle", "happy", "jolly", "keen",
    "lucky", "merry", "nimble", "plucky", "quick", "sunny",
];
const SECOND: [&str; 15] = [
    "bleats", "browser", "climber", "curds", "fleece", "herder", "hooves", "horns", "kid",
    "meadow", "milker", "nanny", "pasture", "ram", "shepherd",
];

/// The demo's data for one day of the calendar.
pub struct DemoData {
    last_day: NaiveDate,
}

impl DemoData {
    /// Data that ends on `last_day`.
    pub fn ending(last_day: NaiveDate) -> Self {
        Self { last_day }
    }

    /// The creators, to be followed from the beginning of time.
    pub fn creators(now: Timestamp, ids: &Entropy) -> Vec<NewCreator> {
        (0..CREATORS)
            .map(|n| NewCreator {
                creator_id: CreatorId::generate(now, ids.bytes()),
                platform: platform(n),
                handle: Handle::parse(platform(n), &handle(n)).expect("made to fit"),
                tracking_mode: None,
                tracking_start_date: Some(None),
                display_name: None,
                readme: None,
                metadata: None,
            })
            .collect()
    }

    /// Lines for ingest, oldest day first, so that videos are found before they are read.
    pub fn lines(&self) -> Vec<Value> {
        let random = Entropy::seeded(SEED);
        let creators: Vec<Account> = (0..CREATORS).map(|n| Account::new(n, &random)).collect();
        let mut lines = Vec::new();
        for age in (0..DAYS).rev() {
            let day = self.last_day - TimeDelta::days(age);
            for creator in &creators {
                creator.day(day, DAYS - age, &mut lines);
            }
        }
        lines
    }
}

struct Account {
    n: usize,
    followers: u64,
    daily_followers: u64,
    videos: Vec<Clip>,
}

struct Clip {
    id: String,
    posted_on: i64,
    views: u64,
}

impl Account {
    fn new(n: usize, random: &Entropy) -> Self {
        let size = 1_000 * (1 + random.u64() % 500);
        let videos = (0..VIDEOS_EACH)
            .map(|k| Clip {
                id: video_id(platform(n), n * VIDEOS_EACH + k),
                posted_on: i64::try_from(random.u64() % 20).unwrap_or(0) + 1,
                views: size / 10 + random.u64() % size,
            })
            .collect();
        Self {
            n,
            followers: size,
            daily_followers: size / 200,
            videos,
        }
    }

    fn day(&self, day: NaiveDate, nth: i64, lines: &mut Vec<Value>) {
        let observed_at = format!("{day}T00:{:02}:00Z", self.n % 60);
        let platform = platform(self.n).name();
        let handle = handle(self.n);
        let elapsed = u64::try_from(nth).unwrap_or(0);
        let mut profile = json!({
            "kind": "creator_profile", "platform": platform, "handle": handle,
            "observed_at": observed_at,
            "follower_count": self.followers + self.daily_followers * elapsed,
        });
        if nth == 1 {
            profile["display_name"] = json!(title_case(&name(self.n)));
        }
        lines.push(profile);
        for clip in self.videos.iter().filter(|clip| clip.posted_on <= nth) {
            if clip.posted_on == nth {
                lines.push(json!({
                    "kind": "video", "platform": platform, "platform_video_id": clip.id,
                    "creator_handle": handle, "observed_at": observed_at,
                    "posted_at": format!("{day}T00:00:00Z"),
                    "title": format!("A day in the life of {}", title_case(&name(self.n))),
                }));
            }
            lines.push(clip.reading(platform, &observed_at, nth));
        }
    }
}

impl Clip {
    /// Views grow fast at first and level off.
    fn reading(&self, platform: &str, observed_at: &str, nth: i64) -> Value {
        let age = u64::try_from(nth - self.posted_on).unwrap_or(0);
        let views = self.views * (age + 1) / (age + 4);
        json!({
            "kind": "video_stats", "platform": platform, "platform_video_id": self.id,
            "observed_at": observed_at, "view_count": views, "like_count": views / 20,
            "comment_count": views / 400, "share_count": views / 900, "save_count": views / 700,
        })
    }
}

fn platform(n: usize) -> Platform {
    match n % 4 {
        0 => Platform::Youtube,
        1 => Platform::Instagram,
        _ => Platform::Tiktok,
    }
}

fn name(n: usize) -> String {
    format!(
        "{} {}",
        FIRST[n % FIRST.len()],
        SECOND[n / FIRST.len() % SECOND.len()]
    )
}

fn handle(n: usize) -> String {
    match platform(n) {
        Platform::Youtube => format!("UCdemo{n:018}"),
        _ => name(n).replace(' ', "_"),
    }
}

fn video_id(platform: Platform, n: usize) -> String {
    match platform {
        Platform::Youtube => format!("demo{n:07}"),
        Platform::Instagram => format!("demo-{n:06}"),
        Platform::Tiktok => format!("73{n:017}"),
    }
}

fn title_case(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use domain::observation::parse_line;

    use super::*;

    #[test]
    fn every_line_is_one_that_ingest_reads_and_every_creator_another() {
        let now = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let data = DemoData::ending(now.date());
        let lines = data.lines();
        for line in &lines {
            parse_line(line.to_string().as_bytes(), now).unwrap();
        }
        assert!(lines.len() > 20_000);
        assert_eq!(
            lines,
            DemoData::ending(now.date()).lines(),
            "the same every time"
        );
        let creators = DemoData::creators(now, &Entropy::seeded(1));
        let handles: HashSet<_> = creators
            .iter()
            .map(|c| (c.platform, c.handle.folded(c.platform)))
            .collect();
        assert_eq!(handles.len(), CREATORS);
    }
}
