//! When requests are sent: each trace is the worst that is known for one way of counting. Times
//! are in windows, from the beginning of one for those who count by the clock.

/// Requests of one key.
#[derive(Clone, Debug)]
pub struct Trace {
    pub name: &'static str,
    pub at: Vec<f64>,
}

/// How many windows a trace lasts at most.
const WINDOWS: usize = 3;
/// The sustained one asks for so many times the limit.
const OVERLOAD: usize = 6;

/// All of them, for a limit.
pub fn all(limit: usize) -> Vec<Trace> {
    let burst = |at, times| vec![at; limit * times];
    // The opening request begins the window of those who count from the first.
    let opening = || vec![0.0];
    let per_window = limit * OVERLOAD;
    vec![
        Trace {
            name: "burst at once",
            at: burst(0.0, 3),
        },
        Trace {
            name: "open then boundary",
            at: [opening(), burst(0.9, 1), burst(1.05, 1)].concat(),
        },
        Trace {
            name: "late second burst",
            at: [opening(), burst(0.9, 1), burst(1.85, 1)].concat(),
        },
        Trace {
            name: "sustained six-fold overload",
            at: (0..WINDOWS * per_window)
                .map(|number| ratio(number, per_window))
                .collect(),
        },
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn ratio(of: usize, to: usize) -> f64 {
    of as f64 / to as f64
}

/// How many an exact log of the last window admits, if all are sent when they are due.
pub fn ideal(at: &[f64], limit: usize) -> usize {
    let mut admitted: Vec<f64> = Vec::new();
    for time in at {
        let oldest = admitted.len().checked_sub(limit);
        if oldest.is_none_or(|index| admitted[index] + 1.0 <= *time) {
            admitted.push(*time);
        }
    }
    admitted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_admits_the_limit_in_each_window_and_no_more() {
        let ideals: Vec<_> = all(100).iter().map(|trace| ideal(&trace.at, 100)).collect();
        assert_eq!(ideals, [100, 101, 101, 300]);
        assert_eq!(ideal(&[0.0, 0.5, 0.99, 1.0, 1.5], 2), 4);
    }

    #[test]
    fn no_trace_is_longer_than_it_says_and_each_goes_forward() {
        for trace in all(100) {
            assert!(trace.at.is_sorted());
            let end = ratio(WINDOWS, 1);
            assert!(trace.at.iter().all(|at| *at < end));
        }
    }
}
