//! A line through points, broken where there are none.

use std::fmt::{self, Write};

/// A place in a picture.
pub type Place = (f64, f64);

/// Path data. A point between two gaps becomes a line of no length, which round ends make a dot.
pub fn path(points: &[Option<Place>]) -> String {
    let mut data = String::new();
    for run in points.split(Option::is_none) {
        for (n, (x, y)) in run.iter().flatten().enumerate() {
            let command = if n == 0 { 'M' } else { 'L' };
            let (x, y) = (At(*x), At(*y));
            // Writing to a string does not fail.
            let _ = write!(data, "{command}{x} {y}");
        }
        if run.len() == 1 {
            data.push_str("h0");
        }
    }
    data
}

/// A coordinate, written with one decimal if it needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct At(pub f64);

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.1}", self.0);
        formatter.write_str(match text.strip_suffix(".0") {
            Some("-0") => "0",
            Some(whole) => whole,
            None => &text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{At, path};

    #[test]
    fn a_gap_breaks_the_line_and_a_lonely_point_is_a_dot() {
        let points = |text: &str| -> Vec<_> {
            let points = text.chars().zip([0.0, 10.0, 20.0, 30.0, 40.0]);
            points
                .map(|(is, x)| (is == '*').then_some((x, 5.25)))
                .collect()
        };
        for (there, expected) in [
            ("", ""),
            ("---", ""),
            ("*", "M0 5.2h0"),
            ("**-**", "M0 5.2L10 5.2M30 5.2L40 5.2"),
            ("-*-*-", "M10 5.2h0M30 5.2h0"),
            ("***--", "M0 5.2L10 5.2L20 5.2"),
        ] {
            assert_eq!(path(&points(there)), expected, "{there}");
        }
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(At(-0.01).to_string(), "0");
        assert_eq!(At(12.0).to_string(), "12");
        assert_eq!(At(-3.26).to_string(), "-3.3");
    }
}
