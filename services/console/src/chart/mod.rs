//! Pictures, drawn here as SVG: without scripts, without styles of their own, and never alone: each has a
//! title and a description, and the page beside it has the figures as a table.

mod bars;

pub use self::bars::Bars;
