//! What both sources of figures, roll-ups and raw readings, are brought to: for each counter its
//! state at each edge of the calendar. From there on there is one way to compute an answer.

use domain::time::Timestamp;

use super::metric::Counter;

/// A counter of an entity at an instant x, over its units read before x (v1-contract.md 15.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// Sum of the last readings taken before x: C(x).
    pub value: i128,
    /// Sum of the baselines, the first readings ever.
    pub base: i128,
    /// How many units were read: with none C(x) is null.
    pub units: i64,
}

impl Level {
    /// What a unit's first reading adds.
    pub(crate) fn first_reading(reading: i64) -> Self {
        Self {
            value: reading.into(),
            base: reading.into(),
            units: 1,
        }
    }

    /// What a reading adds after another.
    pub(crate) fn next_reading(reading: i64, before: i64) -> Self {
        Self {
            value: i128::from(reading) - i128::from(before),
            base: 0,
            units: 0,
        }
    }

    /// What takes it away again.
    pub(crate) fn negated(self) -> Self {
        Self {
            value: -self.value,
            base: -self.base,
            units: -self.units,
        }
    }

    /// `None` if no unit was read yet.
    pub fn known(self) -> Option<i128> {
        (self.units > 0).then_some(self.value)
    }
}

/// Instants that levels are asked for: ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edges(Vec<Timestamp>);

/// The levels of one entity at ascending edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    counters: Vec<[Level; Counter::COUNT]>,
    posts: Vec<i64>,
}

/// What happened between two edges, in any order.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Entry i holds what lies between edge i - 1 and edge i; entry 0 what lies before all.
    before: Levels,
}

impl Edges {
    /// These instants, in any order.
    pub fn of(instants: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut edges: Vec<_> = instants.into_iter().collect();
        edges.sort_unstable();
        edges.dedup();
        Self(edges)
    }

    /// These and those.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).copied())
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Timestamp] {
        &self.0
    }

    /// The place of one of them.
    pub fn place_of(&self, at: Timestamp) -> usize {
        self.0.partition_point(|edge| *edge < at)
    }
}

impl Levels {
    /// A counter at an edge.
    pub fn counter(&self, counter: Counter, edge: usize) -> Level {
        self.counters[edge][counter.index()]
    }

    /// Posts made before an edge.
    pub fn posts(&self, edge: usize) -> i64 {
        self.posts[edge]
    }

    /// Takes away what a part of the entity has: what is left is the others'.
    pub fn subtract(&mut self, part: &Self) {
        let counters = self.counters.iter_mut().flatten();
        for (level, part) in counters.zip(part.counters.iter().flatten()) {
            level.value -= part.value;
            level.base -= part.base;
            level.units -= part.units;
        }
        for (posts, part) in self.posts.iter_mut().zip(&part.posts) {
            *posts -= part;
        }
    }
}

impl Changes {
    /// Nothing happened between so many edges.
    pub fn none(edges: usize) -> Self {
        Self {
            before: Levels {
                counters: vec![[Level::default(); Counter::COUNT]; edges],
                posts: vec![0; edges],
            },
        }
    }

    /// Adds what happened before edge `edge` and after the edge before it; beyond the last edge
    /// it is left out.
    pub fn add(&mut self, edge: usize, counter: Counter, change: Level) {
        if let Some(levels) = self.before.counters.get_mut(edge) {
            let level = &mut levels[counter.index()];
            level.value += change.value;
            level.base += change.base;
            level.units += change.units;
        }
    }

    /// Adds posts in the same way.
    pub fn add_posts(&mut self, edge: usize, posts: i64) {
        if let Some(sum) = self.before.posts.get_mut(edge) {
            *sum += posts;
        }
    }

    /// The running totals.
    pub fn into_levels(self) -> Levels {
        let mut levels = self.before;
        for edge in 1..levels.counters.len() {
            for index in 0..Counter::COUNT {
                let before = levels.counters[edge - 1][index];
                let level = &mut levels.counters[edge][index];
                level.value += before.value;
                level.base += before.base;
                level.units += before.units;
            }
            levels.posts[edge] += levels.posts[edge - 1];
        }
        levels
    }
}

/// The first edge that lies after `at`: a reading counts at an instant only if taken before it.
pub fn edge_after(edges: &[Timestamp], at: Timestamp) -> usize {
    edges.partition_point(|edge| *edge <= at)
}
