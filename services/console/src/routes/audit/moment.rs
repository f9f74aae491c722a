//! A moment as it was filled in: by the clocks of the org, or exactly.

use api::v1::Timestamp;
use chrono::{LocalResult, NaiveDateTime, SecondsFormat, TimeZone};
use chrono_tz::Tz;

/// As browsers send a day with a time of it, without and with seconds.
const FORMS: [&str; 2] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// The clocks of the org were put forward over that time.
#[derive(Debug, PartialEq, Eq)]
pub struct Skipped;

/// As the API takes it. What is no moment is passed on as it is: the API says what is wrong with it.
pub fn instant(text: &str, zone: Tz) -> Result<String, Skipped> {
    if Timestamp::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let mut forms = FORMS.into_iter();
    let Some(local) = forms.find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) else {
        return Ok(text.to_owned());
    };
    match zone.from_local_datetime(&local) {
        // Of a time that there was twice, the second: everything of the first is in it.
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => {
            Ok(at.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true))
        }
        LocalResult::None => Err(Skipped),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::{Skipped, instant};

    #[test]
    fn a_moment_is_one_of_the_orgs_clocks() {
        let zone: Tz = "Europe/Berlin".parse().expect("a zone");
        for (text, expected) in [
            ("2026-01-05T06:37", Ok("2026-01-05T05:37:00Z")),
            ("2026-07-05T06:37:08", Ok("2026-07-05T04:37:08Z")),
            ("2026-10-25T02:30", Ok("2026-10-25T01:30:00Z")),
            ("2026-03-29T02:30", Err(Skipped)),
            (
                "2026-01-05T05:37:52.685771Z",
                Ok("2026-01-05T05:37:52.685771Z"),
            ),
            ("yesterday", Ok("yesterday")),
        ] {
            assert_eq!(
                instant(text, zone),
                expected.map(ToOwned::to_owned),
                "{text}"
            );
        }
    }
}
