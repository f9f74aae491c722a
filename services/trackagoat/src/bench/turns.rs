//! Whoever comes first finds the machine as the last one left it: so two contestants change places
//! from repeat to repeat.

use super::error::BenchError;

/// A measurement that is made beside another one.
pub trait InTurn<T>: Future<Output = Result<T, BenchError>> + Sized {
    /// Makes both, one after the other: this one first in even repeats.
    async fn in_turn_with<U>(
        self,
        other: impl Future<Output = Result<U, BenchError>>,
        repeat: usize,
    ) -> Result<(T, U), BenchError> {
        if repeat.is_multiple_of(2) {
            let own = self.await?;
            Ok((own, other.await?))
        } else {
            let other = other.await?;
            Ok((self.await?, other))
        }
    }
}

impl<T, F: Future<Output = Result<T, BenchError>>> InTurn<T> for F {}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn each_comes_first_in_every_other_repeat() -> Result<(), BenchError> {
        let order = RefCell::new(String::new());
        let measure = async |name| {
            order.borrow_mut().push(name);
            Ok(name)
        };
        for repeat in 0..3 {
            let both = measure('a').in_turn_with(measure('b'), repeat).await?;
            assert_eq!(both, ('a', 'b'));
        }
        assert_eq!(order.into_inner(), "abbaab");
        Ok(())
    }
}
