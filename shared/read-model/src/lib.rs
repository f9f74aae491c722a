//! Projections and the queries over them.
