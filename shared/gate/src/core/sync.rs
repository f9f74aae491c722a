//! The atomics and locks that requests share with the apply task: the standard library's; or, for
//! one test, loom's, which try in every order what one thread may see of another.

pub use std::sync::atomic::Ordering;

#[cfg(feature = "loom")]
pub use loom::sync::atomic::{AtomicU32, AtomicU64};
#[cfg(feature = "loom")]
pub use loom::sync::{Mutex, MutexGuard};
#[cfg(not(feature = "loom"))]
pub use once_cell::race::OnceBox;
#[cfg(not(feature = "loom"))]
pub use std::sync::atomic::{AtomicU32, AtomicU64};
#[cfg(not(feature = "loom"))]
pub use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "loom")]
pub use self::once::OnceBox;

#[cfg(feature = "loom")]
mod once {
    use super::{AtomicU32, Ordering};

    /// `once_cell::race::OnceBox` as loom sees it: the value is published by `is_there`.
    #[derive(Debug)]
    pub struct OnceBox<T> {
        value: once_cell::race::OnceBox<T>,
        is_there: AtomicU32,
    }

    impl<T> OnceBox<T> {
        pub fn new() -> Self {
            Self {
                value: once_cell::race::OnceBox::new(),
                is_there: AtomicU32::new(0),
            }
        }

        /// Who does not see the value makes one; the first that was made stays.
        pub fn get_or_init(&self, make: impl FnOnce() -> Box<T>) -> &T {
            if self.is_there.load(Ordering::Acquire) == 0 {
                let _ = self.value.set(make());
                self.is_there.fetch_max(1, Ordering::AcqRel);
            }
            self.value.get().expect("it is there")
        }
    }
}
