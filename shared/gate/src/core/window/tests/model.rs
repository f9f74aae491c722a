//! The window beside a list of all that was admitted and heard.

use proptest::prelude::*;

use super::super::*;
use super::told;

/// What is heard of others counts from the end of its half second.
const STEP: u64 = 500_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Empty,
    Exact,
    Bucketed,
}

#[derive(Debug, Default)]
struct Model {
    last: u64,
    form: Form,
    /// The microsecond from which each of its own counts.
    own: Vec<u64>,
    /// The same of what it heard.
    heard: Vec<u64>,
}

impl Model {
    fn take(&mut self, now: u64, limit: u32, part: Part) -> Taken {
        let now = self.expire(now);
        self.forget_heard(now);
        if limit > 6_000 {
            self.form = Form::Bucketed;
            // Those of this very microsecond are in its bucket.
            self.own.iter_mut().for_each(|from| *from = now.min(*from));
        } else if self.form == Form::Empty {
            self.form = Form::Exact;
        }
        let (whole, room) = (limit as usize, self.room(limit, part));
        if room > 0 {
            // A reading was cut to the microsecond.
            let cut = u64::from(self.form == Form::Exact);
            self.own.push(now + cut);
        }
        let mut all = self.own_leave();
        all.extend(self.heard.iter().map(|from| from + WINDOW_MICROS));
        all.sort_unstable();
        let reset_micros = match part {
            Part::Whole => until_below(&all, whole.min(all.len()), now),
            Part::Share(share) => {
                let own = self.own_since(share);
                let most = self.share(limit, share).max(1);
                until_below(&all, whole, now).max(until_below(
                    &self.own_leave(),
                    own.min(most),
                    now,
                ))
            }
        };
        Taken {
            admitted: room > 0,
            remaining: u32::try_from(room.saturating_sub(1)).unwrap(),
            reset_micros,
        }
    }

    fn hear(&mut self, count: u32, now: u64) {
        self.forget_heard(now);
        let newest = self.heard.last().copied().unwrap_or_default();
        let from = ((now / STEP + 1) * STEP).max(newest);
        self.heard.extend((0..count).map(|_| from));
    }

    fn recent(&mut self, now: u64) -> u32 {
        self.expire(now);
        u32::try_from(self.own.len()).unwrap()
    }

    fn release_if_idle(&mut self, now: u64) -> bool {
        if now.saturating_sub(self.last) > WINDOW_MICROS + BUCKET_MICROS {
            self.form = Form::Empty;
            self.own.clear();
        }
        self.forget_heard(now);
        self.form == Form::Empty && self.heard.is_empty()
    }

    fn room(&self, limit: u32, part: Part) -> usize {
        match part {
            Part::Whole => (limit as usize).saturating_sub(self.own.len() + self.heard.len()),
            Part::Share(share) => self
                .share(limit, share)
                .saturating_sub(self.own_since(share)),
        }
    }

    fn share(&self, limit: u32, share: Share) -> usize {
        let until = (micros(share.heard_until) / STEP + 1) * STEP;
        let heard = self.heard.iter().filter(|from| **from <= until).count();
        let before = self.own.len() - self.own_since(share);
        let left = (limit as usize).saturating_sub(before + heard);
        (left / share.among.max(1) as usize).max(left.min(1))
    }

    fn own_since(&self, share: Share) -> usize {
        let since = micros(share.since);
        let is_since = |from: u64| match self.form {
            Form::Bucketed => from / BUCKET_MICROS >= since / BUCKET_MICROS,
            Form::Exact | Form::Empty => from >= since,
        };
        self.own.iter().filter(|from| is_since(**from)).count()
    }

    fn own_leave(&self) -> Vec<u64> {
        self.own.iter().map(|from| self.leaves(*from)).collect()
    }

    /// In buckets it counts as long as anything of its bucket may.
    fn leaves(&self, from: u64) -> u64 {
        match self.form {
            Form::Bucketed => (from / BUCKET_MICROS + 1) * BUCKET_MICROS + WINDOW_MICROS,
            Form::Exact | Form::Empty => from + WINDOW_MICROS,
        }
    }

    fn expire(&mut self, now: u64) -> u64 {
        let now = now.max(self.last);
        if now - self.last > WINDOW_MICROS + BUCKET_MICROS {
            self.form = Form::Empty;
            self.own.clear();
        }
        self.own = std::mem::take(&mut self.own)
            .into_iter()
            .filter(|from| self.leaves(*from) > now)
            .collect();
        self.last = now;
        now
    }

    fn forget_heard(&mut self, now: u64) {
        self.heard.retain(|from| from + WINDOW_MICROS > now);
    }
}

/// Until fewer than `count` of these are still there.
fn until_below(leave: &[u64], count: usize, now: u64) -> u64 {
    let over = (leave.len() + 1).saturating_sub(count);
    let last = over.checked_sub(1).and_then(|last| leave.get(last));
    last.map_or(0, |at| at - now)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Take {
        times: u32,
        limit: u32,
        part: Option<(u32, u64, u64)>,
    },
    Hear(u32),
    Recent,
    Release,
}

/// Microseconds that are, or just miss, something that matters.
fn length() -> impl Strategy<Value = u64> {
    let near = |edge: u64| edge - 1..=edge + 1;
    prop_oneof![
        4 => Just(0),
        4 => 0..3_u64,
        4 => near(BUCKET_MICROS),
        4 => near(STEP),
        4 => near(1_000_000),
        2 => near(20_000_000),
        2 => near(WINDOW_MICROS),
        1 => near(WINDOW_MICROS + BUCKET_MICROS),
        1 => 0..70_000_000_u64,
        // The times that are remembered are cut to 32 bits.
        1 => near(1 << 32),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u64, u64, Step)>> {
    let limit = prop_oneof![8 => 1..12_u32, 1 => 6_000..=6_002_u32];
    let part = prop::option::of((0..4_u32, length(), length()));
    let take =
        (1..6_u32, limit, part).prop_map(|(times, limit, part)| Step::Take { times, limit, part });
    let step = prop_oneof![
        8 => take,
        2 => (1..4_u32).prop_map(Step::Hear),
        1 => Just(Step::Recent),
        1 => Just(Step::Release),
    ];
    // Readings of two threads may come in the other order.
    let late = prop_oneof![9 => Just(0), 1 => length()];
    prop::collection::vec((length(), late, step), 1..60)
}

fn at(micros: u64) -> Boottime {
    Boottime::from_nanos(micros * 1_000 + 999)
}

fn part(part: Option<(u32, u64, u64)>, now: u64) -> Part {
    part.map_or(Part::Whole, |(among, ago, late)| {
        let since = now.saturating_sub(ago);
        Part::Share(Share {
            among,
            since: at(since),
            heard_until: at(since + late),
        })
    })
}

proptest! {
    /// To the microsecond, whatever comes in whatever order.
    #[test]
    fn the_window_says_what_a_list_of_all_admissions_says(
        start in (0..1_000_u64, 0..3_u64), steps in steps()
    ) {
        let (mut window, mut model) = (Window::default(), Model::default());
        let (mut clock, mut count) = (start.0 * BUCKET_MICROS + start.1, 0);
        for (gap, late, step) in steps {
            clock += gap;
            let now = clock.saturating_sub(late);
            match step {
                Step::Take { times, limit, part: of } => {
                    let part = part(of, now);
                    for _ in 0..times {
                        let taken = window.take_part(at(now), limit, part);
                        prop_assert_eq!(taken, model.take(now, limit, part));
                    }
                }
                Step::Hear(more) => {
                    count += u64::from(more);
                    window.hear(Slot(1), told(count, more), at(now));
                    model.hear(more, now);
                }
                Step::Recent => prop_assert_eq!(window.recent(at(now)), model.recent(now)),
                Step::Release => {
                    prop_assert_eq!(window.release_if_idle(at(now)), model.release_if_idle(now));
                }
            }
        }
    }
}
