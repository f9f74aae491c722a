//! Quotients of exact integers, rounded once (v1-contract.md 15.2).

use std::fmt;

const SCALE: i128 = 10_000;

/// A number with four decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal4(i128);

impl Decimal4 {
    /// `numerator / denominator`, rounded half away from zero. `None` if the denominator is 0 or
    /// the numerator too large to be scaled.
    pub fn quotient(numerator: i128, denominator: i128) -> Option<Self> {
        rounded(numerator.checked_mul(SCALE)?, denominator).map(Self)
    }

    /// The same with two decimals.
    pub fn hundredths(numerator: i128, denominator: i128) -> Option<Self> {
        let hundredths = rounded(numerator.checked_mul(100)?, denominator)?;
        hundredths.checked_mul(SCALE / 100).map(Self)
    }

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        // 64 bits and fourteen more.
        Self(number as i128 * SCALE)
    }

    /// The nearest to a finite number, half away from zero.
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
    pub(super) fn nearest(number: f64) -> Self {
        Self((number * 10_000.0).round() as i128)
    }

    /// Without its sign.
    #[must_use]
    pub const fn magnitude(self) -> Self {
        Self(self.0.abs())
    }

    /// The number times 10,000.
    pub const fn scaled(self) -> i128 {
        self.0
    }
}

/// The quotient, rounded half away from zero to an integer.
fn rounded(numerator: i128, denominator: i128) -> Option<i128> {
    if denominator == 0 {
        return None;
    }
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    let is_half_or_more = rest.unsigned_abs() >= denominator.unsigned_abs().div_ceil(2);
    let away = if (numerator < 0) == (denominator < 0) {
        1
    } else {
        -1
    };
    Some(quotient + if is_half_or_more { away } else { 0 })
}

impl fmt::Display for Decimal4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / 10_000, magnitude % 10_000);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:04}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::Decimal4;

    fn text(numerator: i128, denominator: i128) -> String {
        Decimal4::quotient(numerator, denominator)
            .unwrap()
            .to_string()
    }

    #[test]
    fn it_rounds_half_away_from_zero() {
        for (numerator, denominator, expected) in [
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (-2, 3, "-0.6667"),
            (1, 20_000, "0.0001"),
            (-1, 20_000, "-0.0001"),
            (1, 20_001, "0"),
            (-1, 20_001, "0"),
            (1, -20_000, "-0.0001"),
            (5, 1, "5"),
            (0, 7, "0"),
            (15, 10, "1.5"),
            (-12_345_600, 10_000, "-1234.56"),
        ] {
            assert_eq!(text(numerator, denominator), expected);
        }
        assert_eq!(Decimal4::quotient(1, 0), None);
        assert_eq!(Decimal4::quotient(i128::MAX, 1), None);
    }

    proptest! {
        #[test]
        fn it_is_the_nearest(
            numerator in -1_000_000_000_000_i128..1_000_000_000_000,
            denominator in 1_i128..1_000_000,
        ) {
            let rounded = Decimal4::quotient(numerator, denominator).unwrap().scaled();
            // |rounded / 10^4 - n/d| <= 1/2 * 10^-4
            let distance = (rounded * denominator - numerator * 10_000).abs();
            prop_assert!(2 * distance <= denominator);
            if 2 * distance == denominator {
                prop_assert!(rounded.abs() * denominator >= (numerator * 10_000).abs());
            }
        }
    }
}
