//! What a credential was used for, folded in memory until it is flushed.

use chrono::NaiveDate;
use domain::scope::Scope;
use domain::time::Timestamp;

/// Counts of one credential and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// The UTC day.
    pub day: NaiveDate,
    /// Requests admitted.
    pub requests: u64,
    /// Requests refused with 429.
    pub refused: u64,
    /// The newest of them.
    pub last_used_at: Timestamp,
}

/// What a request was for, as a key's owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// GET, POST, PATCH or DELETE.
    pub method: &'static str,
    /// The path, ids as names.
    pub route: &'static str,
    /// The scope that it needs; none: any credential may call it.
    pub scope: Option<Scope>,
}

/// Admitted requests of one credential, day and route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// The UTC day.
    pub day: NaiveDate,
    /// What they were for.
    pub purpose: Purpose,
    /// How many.
    pub requests: u64,
    /// The newest of them.
    pub last_used_at: Timestamp,
}

/// Counts that are not flushed yet. Of routes there are no more than the services have.
#[derive(Debug, Default)]
pub struct Usage {
    /// Almost always none or one day; two around midnight, more while Postgres is away.
    days: Vec<Folded>,
    calls: Vec<Calls>,
    seen: bool,
}

/// What was taken of [`Usage`] to be flushed.
#[derive(Debug, Default)]
pub struct Taken {
    /// By day.
    pub days: Vec<Folded>,
    /// By day and route.
    pub calls: Vec<Calls>,
}

impl Taken {
    /// Rows that it takes to store it.
    pub fn rows(&self) -> usize {
        self.days.len() + self.calls.len()
    }
}

impl Usage {
    /// Counts a request; says whether it is the first one this process saw.
    pub fn count(&mut self, at: Timestamp, admitted: bool) -> bool {
        let folded = self.of(at);
        if admitted {
            folded.requests += 1;
        } else {
            folded.refused += 1;
        }
        !std::mem::replace(&mut self.seen, true)
    }

    /// Counts what an admitted request was for.
    pub fn call(&mut self, purpose: Purpose, at: Timestamp) {
        self.add(Calls {
            day: at.date(),
            purpose,
            requests: 1,
            last_used_at: at,
        });
    }

    /// Takes everything, to be flushed.
    pub fn take(&mut self) -> Taken {
        Taken {
            days: std::mem::take(&mut self.days),
            calls: std::mem::take(&mut self.calls),
        }
    }

    /// Puts back what could not be flushed.
    pub fn put_back(&mut self, taken: Taken) {
        for folded in taken.days {
            let own = self.of(folded.last_used_at);
            own.requests += folded.requests;
            own.refused += folded.refused;
        }
        for calls in taken.calls {
            self.add(calls);
        }
    }

    /// Whether there is nothing to flush.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty() && self.calls.is_empty()
    }

    fn add(&mut self, calls: Calls) {
        let is_same = |own: &&mut Calls| own.day == calls.day && own.purpose == calls.purpose;
        match self.calls.iter_mut().find(is_same) {
            Some(own) => {
                own.requests += calls.requests;
                own.last_used_at = own.last_used_at.max(calls.last_used_at);
            }
            None => self.calls.push(calls),
        }
    }

    fn of(&mut self, at: Timestamp) -> &mut Folded {
        let day = at.date();
        let index = self.days.iter().position(|folded| folded.day == day);
        let index = index.unwrap_or_else(|| {
            self.days.push(Folded {
                day,
                requests: 0,
                refused: 0,
                last_used_at: at,
            });
            self.days.len() - 1
        });
        let folded = &mut self.days[index];
        folded.last_used_at = folded.last_used_at.max(at);
        folded
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn days_are_kept_apart_and_the_last_use_only_moves_forward() {
        let mut usage = Usage::default();
        assert!(usage.count(at("2026-01-05T23:59:59Z"), true));
        assert!(!usage.count(at("2026-01-05T23:59:58Z"), false));
        assert!(!usage.count(at("2026-01-06T00:00:01Z"), false));
        let taken = usage.take();
        let counts: Vec<_> = taken
            .days
            .iter()
            .map(|one| (one.requests, one.refused))
            .collect();
        assert_eq!(counts, [(1, 1), (0, 1)]);
        assert_eq!(taken.days[0].last_used_at, at("2026-01-05T23:59:59Z"));
        assert!(usage.is_empty());
        assert!(
            !usage.count(at("2026-01-06T00:00:02Z"), true),
            "seen before"
        );
        usage.put_back(taken);
        let requests = usage
            .take()
            .days
            .iter()
            .map(|one| one.requests)
            .sum::<u64>();
        assert_eq!(requests, 2);
    }

    #[test]
    fn routes_and_days_are_counted_apart_and_what_is_put_back_is_not_lost() {
        let purpose = |route| Purpose {
            method: "GET",
            route,
            scope: Some(Scope::Read),
        };
        let mut usage = Usage::default();
        usage.call(purpose("/projects"), at("2026-01-05T23:59:59Z"));
        usage.call(purpose("/projects"), at("2026-01-05T23:59:58Z"));
        usage.call(purpose("/creators"), at("2026-01-05T23:59:59Z"));
        let taken = usage.take();
        assert_eq!(taken.rows(), 2);
        usage.call(purpose("/projects"), at("2026-01-06T00:00:00Z"));
        usage.call(purpose("/projects"), at("2026-01-05T23:59:59.5Z"));
        usage.put_back(taken);
        let mut counts: Vec<_> = usage
            .take()
            .calls
            .into_iter()
            .map(|calls| {
                let last = calls.last_used_at.to_string();
                (calls.purpose.route, calls.requests, last)
            })
            .collect();
        counts.sort();
        let at = |text: &str| at(text).to_string();
        assert_eq!(
            counts,
            [
                ("/creators", 1, at("2026-01-05T23:59:59Z")),
                ("/projects", 1, at("2026-01-06T00:00:00Z")),
                ("/projects", 3, at("2026-01-05T23:59:59.5Z")),
            ]
        );
        assert!(usage.is_empty());
    }

    #[test]
    fn there_is_something_to_flush_if_a_day_or_a_route_was_counted() {
        let noon = at("2026-01-05T12:00:00Z");
        let purpose = Purpose {
            method: "GET",
            route: "/me",
            scope: None,
        };
        let (mut of_days, mut of_routes) = (Usage::default(), Usage::default());
        assert!(of_days.is_empty());
        of_days.count(noon, false);
        of_routes.call(purpose, noon);
        for usage in [&mut of_days, &mut of_routes] {
            assert!(!usage.is_empty());
            assert_eq!(usage.take().rows(), 1);
            assert!(usage.is_empty());
        }
    }

    /// Whatever was counted meanwhile, and whether or not it was of the same day.
    #[test]
    fn what_could_not_be_flushed_is_as_if_it_had_not_been_taken() {
        let purpose = |method| Purpose {
            method,
            route: "/projects",
            scope: Some(Scope::Read),
        };
        let used = [
            (at("2026-01-05T23:59:58Z"), true, "GET"),
            (at("2026-01-06T00:00:02Z"), true, "GET"),
            (at("2026-01-05T23:59:59Z"), false, "POST"),
            (at("2026-01-06T00:00:01Z"), false, "GET"),
            (at("2026-01-06T00:00:01Z"), true, "POST"),
            (at("2026-01-06T00:00:03Z"), false, "GET"),
        ];
        let all = |put_back_before: usize| {
            let mut usage = Usage::default();
            for (index, (at, admitted, method)) in used.into_iter().enumerate() {
                let taken = (index == put_back_before).then(|| usage.take());
                usage.count(at, admitted);
                usage.call(purpose(method), at);
                usage.put_back(taken.unwrap_or_default());
            }
            let mut all = usage.take();
            assert_eq!(all.rows(), 6);
            all.days.sort_by_key(|day| day.day);
            all.calls
                .sort_by_key(|calls| (calls.day, calls.purpose.method));
            all
        };
        let undisturbed = all(used.len());
        let [first, second] = undisturbed.days[..] else {
            panic!("{undisturbed:?}")
        };
        assert_eq!((first.requests, first.refused), (1, 1));
        assert_eq!(first.last_used_at, at("2026-01-05T23:59:59Z"));
        assert_eq!((second.requests, second.refused), (2, 2));
        assert_eq!(second.last_used_at, at("2026-01-06T00:00:03Z"));
        let calls = undisturbed.calls.iter().map(|calls| calls.requests);
        assert_eq!(calls.collect::<Vec<_>>(), [1, 1, 3, 1]);
        for put_back_before in 0..used.len() {
            let disturbed = all(put_back_before);
            assert_eq!(disturbed.days, undisturbed.days);
            assert_eq!(disturbed.calls, undisturbed.calls);
        }
    }
}
