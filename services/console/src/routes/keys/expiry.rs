//! When a key ends, as a form asks for it.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};

use crate::form::Fields;
use crate::page::Errors;

/// How long keys live, to choose from: name, days, and how it reads.
pub const SPANS: [(&str, i64, &str); 4] = [
    ("30", 30, "30 days"),
    ("90", 90, "90 days"),
    ("365", 365, "1 year"),
    ("730", 730, "2 years"),
];
/// What a new key's form has chosen.
pub const OF_NEW: &str = "90";
/// What the form of a key has chosen that is there: nothing changes.
pub const KEPT: &str = "keep";
/// A day that is entered.
const DAY: &str = "date";
const NEVER: &str = "never";

/// An end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// As it is.
    Kept,
    Never,
    /// At this instant.
    At(String),
}

impl Expiry {
    /// As a form was sent that had `preset` chosen. A day that was entered counts, as long as nothing else was
    /// chosen for it.
    ///
    /// # Errors
    /// What is wrong with it, at `expires_at`.
    pub fn sent(fields: &Fields, preset: &str, now: DateTime<Utc>) -> Result<Self, Errors> {
        let wrong = |text| Err(Errors::of_field("expires_at", text));
        let chosen = fields.some("expiry").unwrap_or(preset);
        match (chosen, fields.some("expiry_date")) {
            (DAY, None) => wrong("Enter the last day, or choose something else."),
            (chosen, Some(day)) if chosen == DAY || chosen == preset => match end_of(day) {
                Some(end) => Ok(Self::At(end)),
                None => wrong("Enter the last day like 2026-12-31."),
            },
            (_, Some(_)) => wrong(
                "You entered a day, and chose something else. Choose the day of your own, or clear it.",
            ),
            (KEPT, None) => Ok(Self::Kept),
            (NEVER, None) => Ok(Self::Never),
            (span, None) => match in_days(span, opened_at(fields, now)) {
                Some(end) => Ok(Self::At(end)),
                None => wrong("Choose when the key ends."),
            },
        }
    }

    /// What the form has chosen when it is shown again.
    pub fn chosen(fields: &Fields, preset: &str) -> String {
        let chosen = fields.some("expiry").unwrap_or(preset);
        let is_day = chosen == preset && fields.some("expiry_date").is_some();
        if is_day { DAY } else { chosen }.to_owned()
    }
}

/// The last second of a day in UTC.
fn end_of(day: &str) -> Option<String> {
    let day = day.parse::<NaiveDate>().ok()?;
    Some(format!("{day}T23:59:59Z"))
}

fn in_days(name: &str, from: DateTime<Utc>) -> Option<String> {
    let (_, days, _) = SPANS.iter().find(|(span, ..)| *span == name)?;
    from.checked_add_signed(TimeDelta::days(*days)).map(instant)
}

/// Spans count from when the form was opened: sent twice it says the same twice.
fn opened_at(fields: &Fields, now: DateTime<Utc>) -> DateTime<Utc> {
    fields.text("opened_at").parse().unwrap_or(now)
}

/// As the API takes it.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::{Expiry, KEPT, OF_NEW};
    use crate::form::Fields;

    fn sent(body: &str, preset: &str) -> Result<Expiry, String> {
        let fields = Fields::parse(format!("opened_at=2026-01-01T00:00:00Z&{body}").as_bytes());
        let now = "2026-01-02T00:00:00Z".parse().expect("an instant");
        let expiry = Expiry::sent(&fields, preset, now);
        expiry.map_err(|errors| errors.of("expires_at").unwrap_or_default().to_owned())
    }

    fn at(end: &str) -> Expiry {
        Expiry::At(end.to_owned())
    }

    #[test]
    fn a_day_counts_whether_or_not_its_button_is_chosen() {
        let day = "expiry_date=2026-03-04";
        for preset in [OF_NEW, KEPT] {
            for chosen in [preset, "date"] {
                let body = format!("expiry={chosen}&{day}");
                assert_eq!(
                    sent(&body, preset),
                    Ok(at("2026-03-04T23:59:59Z")),
                    "{body}"
                );
            }
        }
    }

    #[test]
    fn a_day_beside_another_choice_is_refused() {
        for chosen in ["never", "365"] {
            let body = format!("expiry={chosen}&expiry_date=2026-03-04");
            let said = sent(&body, OF_NEW).expect_err("two ends");
            assert!(said.contains("You entered a day"), "{said}");
        }
    }

    #[test]
    fn a_day_that_is_none_is_refused() {
        for body in [
            "expiry=date",
            "expiry=date&expiry_date=2026-02-30",
            "expiry_date=soon",
        ] {
            assert!(sent(body, OF_NEW).is_err(), "{body}");
        }
    }

    #[test]
    fn spans_count_from_when_the_form_was_opened() {
        assert_eq!(sent("expiry=90", OF_NEW), Ok(at("2026-04-01T00:00:00Z")));
        assert_eq!(sent("", OF_NEW), Ok(at("2026-04-01T00:00:00Z")));
        assert!(sent("expiry=91", OF_NEW).is_err());
    }

    #[test]
    fn what_is_left_alone_stays() {
        assert_eq!(sent("expiry=keep", KEPT), Ok(Expiry::Kept));
        assert_eq!(sent("", KEPT), Ok(Expiry::Kept));
        assert_eq!(sent("expiry=never", KEPT), Ok(Expiry::Never));
    }

    #[test]
    fn a_form_shown_again_has_chosen_what_counts() {
        let chosen = |body: &str| Expiry::chosen(&Fields::parse(body.as_bytes()), OF_NEW);
        assert_eq!(chosen("expiry=90&expiry_date=2026-03-04"), "date");
        assert_eq!(chosen("expiry=90"), "90");
        assert_eq!(chosen("expiry=never&expiry_date=2026-03-04"), "never");
    }
}
