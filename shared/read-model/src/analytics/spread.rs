//! How views are spread (v1-contract.md 16: view-distribution).

use super::decimal::Decimal4;

/// The percentiles that are told.
const PERCENTS: [usize; 7] = [10, 25, 50, 75, 90, 95, 99];
/// Lower edges of the logarithmic bins: 0 and the powers of ten up to a thousand million.
const LOG_EDGES: [i64; 11] = [
    0,
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// How bins are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// At 0, 1, 10, 100 and so on; the last bin has no end.
    Log,
    /// Into so many equal ones, from the lowest to the highest figure.
    Linear(u8),
}

/// One bin: from its lower edge on, below its upper one; the last linear one with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Lower edge.
    pub from: Decimal4,
    /// Upper edge; `None` if it has no end.
    pub to: Option<Decimal4>,
    /// How many figures lie in it.
    pub count: u64,
}

/// What there is to say of figures; everything but the count is `None` where there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// How many figures.
    pub count: u64,
    /// The lowest.
    pub min: Option<i64>,
    /// The highest.
    pub max: Option<i64>,
    /// Their mean.
    pub mean: Option<Decimal4>,
    /// How many lie where. Linear ones of no figures are none, of equal figures one.
    pub bins: Vec<Bin>,
    /// The 10th, 25th, 50th, 75th, 90th, 95th and 99th percentile: by nearest rank, the p-th of n
    /// is the ceil(p n / 100)-th smallest (Hyndman and Fan 1996, definition 1).
    pub percentiles: [Option<i64>; 7],
}

/// Of ascending figures.
pub(crate) fn spread(sorted: &[i64], scale: Scale) -> Spread {
    let sum: i128 = sorted.iter().copied().map(i128::from).sum();
    let nearest = |percent: usize| {
        let rank = (percent * sorted.len()).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).copied()
    };
    Spread {
        count: sorted.len() as u64,
        min: sorted.first().copied(),
        max: sorted.last().copied(),
        mean: Decimal4::quotient(sum, sorted.len() as i128),
        bins: match scale {
            Scale::Log => logarithmic(sorted),
            Scale::Linear(bins) => linear(sorted, bins.into()),
        },
        percentiles: PERCENTS.map(nearest),
    }
}

fn logarithmic(sorted: &[i64]) -> Vec<Bin> {
    let below = |edge: i64| sorted.partition_point(|figure| *figure < edge);
    let bin = |(place, from): (usize, &i64)| {
        let to = LOG_EDGES.get(place + 1);
        let upper = to.map_or(sorted.len(), |to| below(*to));
        Bin {
            from: Decimal4::whole(*from),
            to: to.map(|to| Decimal4::whole(*to)),
            count: (upper - below(*from)) as u64,
        }
    };
    LOG_EDGES.iter().enumerate().map(bin).collect()
}

fn linear(sorted: &[i64], bins: i128) -> Vec<Bin> {
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let (min, width) = (i128::from(min), i128::from(max) - i128::from(min));
    if width == 0 {
        let edge = Decimal4::quotient(min, 1).unwrap_or_default();
        return vec![Bin {
            from: edge,
            to: Some(edge),
            count: sorted.len() as u64,
        }];
    }
    // Edge i is min + i * width / bins; compared as integers, so that it is exact.
    let below = |edge: i128| {
        sorted.partition_point(|figure| (i128::from(*figure) - min) * bins < edge * width)
    };
    let edge = |edge: i128| Decimal4::quotient(min * bins + edge * width, bins).unwrap_or_default();
    let bin = |place: i128| {
        let upper = if place + 1 == bins {
            sorted.len()
        } else {
            below(place + 1)
        };
        Bin {
            from: edge(place),
            to: Some(edge(place + 1)),
            count: (upper - below(place)) as u64,
        }
    };
    (0..bins).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bin, Scale, Spread, spread};

    fn bins(found: &Spread) -> Vec<(String, String, u64)> {
        let edge = |bin: &Bin| {
            bin.to
                .map_or_else(|| "null".to_owned(), |to| to.to_string())
        };
        let bins = found.bins.iter();
        bins.map(|bin| (bin.from.to_string(), edge(bin), bin.count))
            .collect()
    }

    #[test]
    fn logarithmic_bins_end_at_powers_of_ten_and_the_last_has_no_end() {
        let views = [0, 0, 1, 9, 10, 999_999_999, 1_000_000_000, 5_000_000_000];
        let found = bins(&spread(&views, Scale::Log));
        assert_eq!(found.len(), 11);
        assert_eq!(found[0], ("0".to_owned(), "1".to_owned(), 2));
        assert_eq!(found[1], ("1".to_owned(), "10".to_owned(), 2));
        assert_eq!(found[2], ("10".to_owned(), "100".to_owned(), 1));
        assert_eq!(found[9].2, 1);
        assert_eq!(found[10], ("1000000000".to_owned(), "null".to_owned(), 2));
    }

    #[test]
    fn linear_bins_are_equal_and_the_highest_lies_in_the_last() {
        let found = bins(&spread(&[0, 1, 2, 3, 5, 10], Scale::Linear(3)));
        assert_eq!(
            found,
            [
                ("0".to_owned(), "3.3333".to_owned(), 4),
                ("3.3333".to_owned(), "6.6667".to_owned(), 1),
                ("6.6667".to_owned(), "10".to_owned(), 1),
            ]
        );
        // An edge belongs to the bin that it begins.
        let found = bins(&spread(&[0, 5, 10], Scale::Linear(2)));
        assert_eq!((found[0].2, found[1].2), (1, 2));
        let found = bins(&spread(&[7, 7], Scale::Linear(20)));
        assert_eq!(found, [("7".to_owned(), "7".to_owned(), 2)]);
    }

    #[test]
    fn percentiles_are_figures_that_were_there() {
        let views: Vec<i64> = (1..=10).collect();
        let found = spread(&views, Scale::Log);
        assert_eq!(found.percentiles, [1, 3, 5, 8, 9, 10, 10].map(Some));
        assert_eq!(
            found.mean.map(|mean| mean.to_string()).as_deref(),
            Some("5.5")
        );
        assert_eq!((found.min, found.max), (Some(1), Some(10)));
        assert_eq!(spread(&[4], Scale::Log).percentiles, [Some(4); 7]);
    }

    #[test]
    fn of_nothing_there_is_only_the_count() {
        for scale in [Scale::Log, Scale::Linear(5)] {
            let found = spread(&[], scale);
            assert_eq!(
                (found.count, found.min, found.max, found.mean),
                (0, None, None, None)
            );
            assert_eq!(found.percentiles, [None; 7]);
            assert!(found.bins.iter().all(|bin| bin.count == 0));
        }
        assert_eq!(spread(&[], Scale::Linear(5)).bins, []);
    }
}
