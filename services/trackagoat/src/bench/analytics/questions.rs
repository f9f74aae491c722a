//! What is asked: of the creator, of the campaign, and of whole projects.

use std::fmt::Write;

use chrono::{NaiveDate, TimeDelta};
use domain::ids::ProjectId;
use uuid::Uuid;

use super::subjects::Subjects;

/// Days by which the range of a question moves from one to the next.
pub const SHIFTS: usize = 7;
/// Letters of an id that are written in another way from one question to the next.
const SPELLED: usize = 16;

/// One kind of question.
pub struct Question {
    pub name: &'static str,
    /// What is asked for is the same at every size.
    pub is_fixed: bool,
    what: What,
}

enum What {
    Series(Series),
    Leaderboard {
        whose: &'static str,
        project: fn(&Subjects) -> ProjectId,
    },
}

struct Series {
    whose: Whose,
    metric: &'static str,
    days: Days,
    tz: &'static str,
    more: &'static str,
}

enum Whose {
    Creator,
    Campaign,
}

/// Over how long.
enum Days {
    /// All that is asked about.
    All,
    /// Half as long, so that as many days before are known too.
    Half,
    Month,
}

pub const CREATOR_VIEWS: &str = "creator, views by days of UTC";
pub const CREATOR_VIEWS_BERLIN: &str = "creator, views by days of Europe/Berlin";
pub const CREATOR_DEAREST: &str = "creator, engagement_rate_by_followers";
pub const CAMPAIGN_VIEWS: &str = "campaign, views by days of UTC";
pub const CAMPAIGN_ENGAGEMENT: &str = "campaign, engagement_rate_by_views";

const MONTH: usize = 30;

const VIEWS: Series = Series {
    whose: Whose::Creator,
    metric: "views",
    days: Days::All,
    tz: "UTC",
    more: "",
};

pub const QUESTIONS: [Question; 12] = [
    series(CREATOR_VIEWS, VIEWS),
    series(
        CREATOR_VIEWS_BERLIN,
        Series {
            tz: "Europe/Berlin",
            ..VIEWS
        },
    ),
    series(
        CREATOR_DEAREST,
        Series {
            metric: "engagement_rate_by_followers",
            ..VIEWS
        },
    ),
    series(
        "creator, views, 30 days",
        Series {
            days: Days::Month,
            ..VIEWS
        },
    ),
    series(
        "creator, views, half as long and as long before",
        Series {
            days: Days::Half,
            more: "&compare=prior_period",
            ..VIEWS
        },
    ),
    series(
        "creator, views by video",
        Series {
            more: "&breakdown=video",
            ..VIEWS
        },
    ),
    series(
        CAMPAIGN_VIEWS,
        Series {
            whose: Whose::Campaign,
            ..VIEWS
        },
    ),
    series(
        CAMPAIGN_ENGAGEMENT,
        Series {
            whose: Whose::Campaign,
            metric: "engagement_rate_by_views",
            ..VIEWS
        },
    ),
    leaderboard("campaigns of a project, 30 days", "campaign", ranked),
    leaderboard("creators of a project, 30 days", "creator", ranked),
    Question {
        is_fixed: false,
        ..leaderboard(
            "campaigns of the project that grows, 30 days",
            "campaign",
            growing,
        )
    },
    Question {
        is_fixed: false,
        ..leaderboard(
            "creators of the project that grows, 30 days",
            "creator",
            growing,
        )
    },
];

impl Question {
    /// The question of that number: each has another path, so that none is answered by what was kept
    /// of another, and asks for as much.
    pub fn path(&self, subjects: &Subjects, days: usize, number: usize) -> String {
        match &self.what {
            What::Series(series) => series.path(subjects, days, number),
            What::Leaderboard { whose, project } => {
                let id = spelled(project(subjects).as_uuid(), number);
                let (from, to) = range(subjects.place.last_day, MONTH.min(days), 0);
                format!(
                    "/api/v1/analytics/aggregate/{whose}-leaderboard?project_id={id}&from={from}\
                     &to={to}&tz=UTC"
                )
            }
        }
    }
}

impl Series {
    fn path(&self, subjects: &Subjects, days: usize, number: usize) -> String {
        let Self {
            metric, tz, more, ..
        } = self;
        let (entity, id) = match self.whose {
            Whose::Creator => ("creator", subjects.creator.as_uuid()),
            Whose::Campaign => ("campaign", subjects.campaign.as_uuid()),
        };
        let id = spelled(id, number / SHIFTS);
        let days = match self.days {
            Days::All => days,
            Days::Half => days / 2,
            // Never as long as all: that would be asked twice.
            Days::Month => MONTH.min(days - 1),
        };
        let (from, to) = range(subjects.place.last_day, days, number % SHIFTS);
        format!(
            "/api/v1/analytics?entity={entity}&entity_id={id}&metric={metric}&from={from}&to={to}\
             &tz={tz}{more}"
        )
    }
}

const fn series(name: &'static str, series: Series) -> Question {
    Question {
        name,
        is_fixed: true,
        what: What::Series(series),
    }
}

const fn leaderboard(
    name: &'static str,
    whose: &'static str,
    project: fn(&Subjects) -> ProjectId,
) -> Question {
    Question {
        name,
        is_fixed: true,
        what: What::Leaderboard { whose, project },
    }
}

fn ranked(subjects: &Subjects) -> ProjectId {
    subjects.place.ranked
}

fn growing(subjects: &Subjects) -> ProjectId {
    subjects.place.project
}

/// So many days that end some days before the last one.
pub fn range(last_day: NaiveDate, days: usize, shift: usize) -> (NaiveDate, NaiveDate) {
    let back = |days: usize| TimeDelta::days(i64::try_from(days).unwrap_or(i64::MAX));
    let to = last_day - back(shift);
    (to - back(days - 1), to)
}

/// One of the ways in which a URL can write an id: the digits that `number` has bits for are
/// percent-encoded.
pub fn spelled(id: Uuid, number: usize) -> String {
    let mut place = 0;
    let mut text = String::new();
    for digit in id.as_hyphenated().to_string().chars() {
        let is_encoded = digit != '-' && place < SPELLED && number >> place & 1 == 1;
        place += usize::from(digit != '-');
        if is_encoded {
            let _ = write!(text, "%{:02X}", u32::from(digit));
        } else {
            text.push(digit);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_written_in_as_many_ways_as_there_are_numbers() {
        let id = Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_abcd);
        assert_eq!(spelled(id, 0), id.to_string());
        assert_eq!(
            spelled(id, 0b101),
            "%301%392f0c1-2b7e-7c00-8000-00000000abcd"
        );
        let all: HashSet<_> = (0..1 << SPELLED)
            .map(|number| spelled(id, number))
            .collect();
        assert_eq!(all.len(), 1 << SPELLED);
    }
}
