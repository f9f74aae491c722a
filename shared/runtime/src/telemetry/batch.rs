//! Lines that are written many at once: a system call for each would cost more than the rest of the
//! line.

use std::cell::Cell;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Bytes of lines that are written at once.
const BATCH_BYTES: usize = 32 * 1024;
/// How long a line may wait.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Places where lines wait; a thread has one of them, so that threads seldom meet.
const SHARDS: usize = 16;

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}
/// Threads that have a shard.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Takes whole lines and writes them later, in order for each thread; cheap to clone.
#[derive(Debug)]
pub(super) struct Batched<W>(Arc<Inner<W>>);

#[derive(Debug)]
struct Inner<W> {
    waiting: [Mutex<Vec<u8>>; SHARDS],
    out: Mutex<W>,
}

/// Sees to it that no line waits for long; writes all of them when it is dropped.
#[derive(Debug)]
pub(super) struct Flusher {
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl<W: Write + Send + 'static> Batched<W> {
    /// Writes to `out` from now on.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(out: W) -> io::Result<(Self, Flusher)> {
        let lines = Self(Arc::new(Inner {
            waiting: Default::default(),
            out: Mutex::new(out),
        }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (inner, over) = (Arc::clone(&lines.0), Arc::clone(&is_over));
        let thread = thread::Builder::new()
            .name("request log".to_owned())
            .spawn(move || inner.flush_until(&over))?;
        let flusher = Flusher {
            thread: Some(thread),
            is_over,
        };
        Ok((lines, flusher))
    }
}

impl<W: Write> Inner<W> {
    fn flush_until(&self, is_over: &AtomicBool) {
        loop {
            // Read before the lines are taken, or those of the last moment would stay.
            let is_last = is_over.load(Ordering::Acquire);
            if !is_last {
                thread::park_timeout(LONGEST_WAIT);
            }
            // Nobody could be told that the log cannot be written.
            let _ = self.flush_all();
            if is_last {
                return;
            }
        }
    }

    fn flush_all(&self) -> io::Result<()> {
        self.waiting.iter().try_for_each(|shard| self.put(shard))
    }

    /// Writes what waits in a shard. Whoever takes lines has the output first, so that nobody who
    /// takes later ones comes before.
    fn put(&self, shard: &Mutex<Vec<u8>>) -> io::Result<()> {
        let mut out = lock(&self.out);
        let lines = mem::take(&mut *lock(shard));
        out.write_all(&lines)
    }
}

impl<W: Write> Write for Batched<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shard = &self.0.waiting[shard()];
        let is_full = {
            let mut waiting = lock(shard);
            waiting.extend_from_slice(line);
            waiting.len() >= BATCH_BYTES
        };
        if is_full {
            self.0.put(shard)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush_all()
    }
}

impl<W> Clone for Batched<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It flushes once more before it ends; if it panicked, it has said so itself.
            let _ = thread.join();
        }
    }
}

fn shard() -> usize {
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::{BATCH_BYTES, Batched};

    #[derive(Clone, Debug, Default)]
    struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_many_threads_come_whole_in_order_and_in_few_writes() {
        const LINES: usize = 5_000;
        let written = Written::default();
        let (lines, flusher) = Batched::start(written.clone()).expect("a thread");
        thread::scope(|scope| {
            for thread in 0..4 {
                let mut lines = lines.clone();
                scope.spawn(move || {
                    for line in 0..LINES {
                        let line = format!("{thread} {line} {}\n", "x".repeat(40));
                        lines.write_all(line.as_bytes()).expect("written");
                    }
                });
            }
        });
        drop(flusher);
        let writes = written.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(writes.concat()).expect("text");
        let mut next = [0; 4];
        for line in text.lines() {
            let mut words = line.split(' ').map(str::parse::<usize>);
            let (Some(Ok(thread)), Some(Ok(number))) = (words.next(), words.next()) else {
                panic!("a torn line: {line}");
            };
            assert_eq!(number, next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [LINES; 4]);
        assert!(
            writes.len() < text.len() / BATCH_BYTES + 200,
            "{}",
            writes.len()
        );
    }

    #[test]
    fn the_last_line_is_written_however_soon_the_end_comes() {
        for _ in 0..200 {
            let written = Written::default();
            let (mut lines, flusher) = Batched::start(written.clone()).expect("a thread");
            lines.write_all(b"last\n").expect("written");
            drop(flusher);
            assert_eq!(written.0.lock().expect("not poisoned").concat(), b"last\n");
        }
    }

    #[test]
    fn a_lone_line_does_not_wait_for_others() {
        let written = Written::default();
        let (mut lines, _flusher) = Batched::start(written.clone()).expect("a thread");
        lines.write_all(b"alone\n").expect("written");
        let clock = crate::clock::Clock::system();
        let begun = clock.monotonic();
        while written.0.lock().expect("not poisoned").is_empty() {
            let waited = clock.monotonic().saturating_since(begun);
            assert!(waited.as_secs() < 20, "the line was not written");
            thread::yield_now();
        }
        assert_eq!(written.0.lock().expect("not poisoned").concat(), b"alone\n");
    }
}
