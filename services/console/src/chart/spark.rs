//! A line as small as a word.

use askama::Template;

use super::path::path;
use super::scale::{Scale, Unit};

/// Its size, and the room for half a stroke around it, in user units.
const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 36.0;
const ROOM: f64 = 2.0;

/// One line without axes: its title says what it shows.
#[derive(Template)]
#[template(path = "chart/spark.html")]
pub struct Spark {
    title: String,
    path: String,
    width: f64,
    height: f64,
}

impl Spark {
    /// Of values from left to right.
    pub fn new(title: impl Into<String>, values: &[Option<f64>]) -> Self {
        let scale = Scale::around(values.iter().copied().flatten(), Unit::Rate);
        let steps: f64 = values.iter().skip(1).map(|_| 1.0).sum();
        let step = (WIDTH - 2.0 * ROOM) / f64::max(steps, 1.0);
        let places = std::iter::successors(Some(ROOM), |x| Some(x + step)).zip(values);
        let points = places.map(|(x, value)| {
            let y = |value: f64| HEIGHT - ROOM - scale.share(value) * (HEIGHT - 2.0 * ROOM);
            value.map(|value| (x, y(value)))
        });
        Self {
            title: title.into(),
            path: path(&points.collect::<Vec<_>>()),
            width: WIDTH,
            height: HEIGHT,
        }
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::Spark;

    #[test]
    fn a_small_line_reaches_from_edge_to_edge_and_breaks_at_gaps() {
        let spark = Spark::new("<b>", &[Some(0.0), None, Some(4.0), Some(1.0)]);
        let drawn = spark.render().expect("a picture");
        assert!(drawn.contains("M2 34h0M106 "), "{drawn}");
        assert!(drawn.contains("L158 "), "{drawn}");
        assert!(drawn.contains("<title>&#60;b&#62;</title>"), "{drawn}");
    }
}
