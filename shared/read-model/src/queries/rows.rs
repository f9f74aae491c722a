//! Rows of summaries: in an order of their own, from any place on.

use std::cmp::Reverse;

/// Which of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Most of them.
    pub limit: u64,
    /// How many are passed over.
    pub offset: u64,
}

/// The rows asked for, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<T> {
    /// Those asked for.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub total_count: u64,
}

impl Rows {
    pub(super) fn limit_as_i64(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }

    pub(super) fn offset_as_i64(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }

    /// The highest first, `None` last, ties by id; of these the ones asked for.
    pub(super) fn of<T, K: Ord, I: Ord + Copy>(
        self,
        mut all: Vec<T>,
        key: impl Fn(&T) -> (Option<K>, I),
    ) -> Ranked<T> {
        all.sort_by_cached_key(|one| {
            let (key, id) = key(one);
            (Reverse(key), id)
        });
        let total_count = all.len() as u64;
        let rows = all
            .into_iter()
            .skip(usize::try_from(self.offset).unwrap_or(usize::MAX))
            .take(usize::try_from(self.limit).unwrap_or(usize::MAX));
        Ranked {
            rows: rows.collect(),
            total_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    #[test]
    fn the_highest_come_first_null_last_and_ties_by_id() {
        let all = vec![
            (Some(1), 5),
            (None, 1),
            (Some(7), 4),
            (Some(7), 2),
            (None, 0),
        ];
        let rows = |limit, offset| Rows { limit, offset }.of(all.clone(), |one| *one);
        assert_eq!(rows(3, 0).rows, [(Some(7), 2), (Some(7), 4), (Some(1), 5)]);
        assert_eq!(rows(3, 3).rows, [(None, 0), (None, 1)]);
        assert_eq!((rows(3, 9).rows.len(), rows(3, 9).total_count), (0, 5));
    }
}
