//! How far a limit is used, as a meter and in words.

use api::v1::{LimitAnswer, LimitUnit};

use crate::text;

/// From this many hundredths on, a limit is nearly used up: as the service warns.
const NEARLY: u64 = 80;

/// How far it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is room, or nothing is counted.
    Free,
    Nearly,
    Full,
    /// The limit was lowered below what is there.
    Over,
    /// There is to be none of it.
    Absent,
}

/// A limit as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// `3 of 50`, `12 hours`.
    pub text: String,
    pub state: State,
    pub meter: Option<Meter>,
}

/// Numbers of a meter, in its order of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    pub value: u64,
    pub max: u64,
    /// The last number before it is nearly used up.
    pub nearly: u64,
    /// The last before it is used up.
    pub full: u64,
}

impl Gauge {
    /// Of a limit.
    pub fn of(limit: &LimitAnswer) -> Self {
        let counted = matches!(limit.unit, LimitUnit::Count | LimitUnit::PerDay);
        let Some(current) = limit.current.filter(|_| counted) else {
            return Self {
                text: value(limit.max, limit.unit),
                state: State::Free,
                meter: None,
            };
        };
        let Some(max) = limit.max else {
            return Self {
                text: format!("{}, unlimited", text::number(current)),
                state: State::Free,
                meter: None,
            };
        };
        Self {
            text: format!("{} of {}", text::number(current), text::number(max)),
            state: State::of(current, max),
            meter: (max > 0).then(|| Meter::of(current, max)),
        }
    }
}

impl State {
    fn of(current: u64, max: u64) -> Self {
        if current > max {
            Self::Over
        } else if max == 0 {
            Self::Absent
        } else if current == max {
            Self::Full
        } else if current >= nearly(max) {
            Self::Nearly
        } else {
            Self::Free
        }
    }

    /// In words; nothing as long as there is room.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::Nearly => "nearly used up",
            Self::Full => "used up",
            Self::Over => "over the limit",
            Self::Absent => "not included",
        }
    }

    /// As styles call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Nearly => "nearly",
            Self::Full | Self::Over => "full",
            Self::Absent => "absent",
        }
    }
}

impl Meter {
    fn of(current: u64, max: u64) -> Self {
        Self {
            value: current.min(max),
            max,
            nearly: nearly(max) - 1,
            full: max - 1,
        }
    }
}

/// From which number on a limit is nearly used up; of one that is not 0, at least 1.
fn nearly(max: u64) -> u64 {
    let part = (u128::from(max) * u128::from(NEARLY)).div_ceil(100);
    u64::try_from(part).unwrap_or(max)
}

/// What holds, where nothing is counted against it.
pub fn value(max: Option<u64>, unit: LimitUnit) -> String {
    let Some(max) = max else {
        return "unlimited".to_owned();
    };
    match unit {
        LimitUnit::Count | LimitUnit::PerDay | LimitUnit::PerMinute => text::number(max),
        LimitUnit::Hours => text::plural(max, "hour"),
        LimitUnit::Days => text::plural(max, "day"),
    }
}

#[cfg(test)]
mod tests {
    use api::v1::{LimitAnswer, LimitKey, LimitUnit};

    use super::{Gauge, Meter, State};

    fn limit(unit: LimitUnit, current: Option<u64>, max: Option<u64>) -> LimitAnswer {
        LimitAnswer {
            key: LimitKey::MaxProjectsPerOrg,
            current,
            max,
            plan_max: max,
            override_: None,
            unit,
            resets_at: None,
        }
    }

    #[test]
    fn from_four_fifths_on_it_is_nearly_used_up() {
        let state =
            |current, max| Gauge::of(&limit(LimitUnit::Count, Some(current), Some(max))).state;
        assert_eq!(state(0, 5), State::Free);
        assert_eq!(state(3, 5), State::Free);
        assert_eq!(state(4, 5), State::Nearly);
        assert_eq!(state(5, 5), State::Full);
        assert_eq!(state(6, 5), State::Over);
        assert_eq!(state(0, 0), State::Absent);
        assert_eq!(state(1, 0), State::Over);
        assert_eq!(state(0, 1), State::Free);
    }

    #[test]
    fn a_meter_changes_colour_where_the_words_change() {
        let meter =
            |current, max| Gauge::of(&limit(LimitUnit::PerDay, Some(current), Some(max))).meter;
        assert_eq!(
            meter(12, 10),
            Some(Meter {
                value: 10,
                max: 10,
                nearly: 7,
                full: 9
            })
        );
        let of_one = meter(1, 1).expect("a meter");
        assert!(of_one.value > of_one.full && of_one.nearly == of_one.full);
        assert_eq!(meter(0, 0), None);
    }

    #[test]
    fn what_is_not_counted_is_told_with_its_unit() {
        let text = |unit, current, max| Gauge::of(&limit(unit, current, max)).text;
        assert_eq!(text(LimitUnit::Hours, Some(12), Some(12)), "12 hours");
        assert_eq!(text(LimitUnit::Days, None, Some(365)), "365 days");
        assert_eq!(text(LimitUnit::Days, None, None), "unlimited");
        assert_eq!(text(LimitUnit::PerMinute, None, Some(60)), "60");
        assert_eq!(
            text(LimitUnit::Count, Some(1_200), None),
            "1,200, unlimited"
        );
        assert_eq!(text(LimitUnit::Count, Some(3), Some(50)), "3 of 50");
    }
}
