//! Pictures, drawn here as SVG: without scripts, without styles of their own, and never alone: each has a
//! title and a description, and the page beside it has the figures as a table.

mod axis;
mod bars;
mod line;
mod path;
mod scale;
mod spark;
mod style;

pub use self::bars::Bars;
pub use self::line::{Bucket, Line, Mark, NARROW, Series, WIDE};
pub use self::scale::Unit;
pub use self::spark::Spark;
pub use self::style::Style;
