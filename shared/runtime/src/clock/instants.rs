use std::ops::Add;
use std::time::Duration;

/// Declares a reading of one steady clock, as its own type: readings of two clocks never mix.
macro_rules! steady_instant {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// A reading of so many nanoseconds since the clock's origin.
            pub const fn from_nanos(nanos: u64) -> Self {
                Self(nanos)
            }

            /// Nanoseconds since the clock's origin, which only this machine's boot knows.
            pub const fn as_nanos(self) -> u64 {
                self.0
            }

            /// The time that passed since `earlier`; zero if `earlier` lies ahead.
            pub const fn saturating_since(self, earlier: Self) -> Duration {
                Duration::from_nanos(self.0.saturating_sub(earlier.0))
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;

            /// Saturates: a time too far away to count means "never".
            fn add(self, duration: Duration) -> Self {
                let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                Self(self.0.saturating_add(nanos))
            }
        }
    };
}

steady_instant!(Monotonic, "A reading of CLOCK_MONOTONIC.");
steady_instant!(Boottime, "A reading of CLOCK_BOOTTIME.");
steady_instant!(MonotonicRaw, "A reading of CLOCK_MONOTONIC_RAW.");
