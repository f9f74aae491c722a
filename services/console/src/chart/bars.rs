//! A bar for each of a few values.

use askama::Template;

use crate::text;

/// Width of one bar and the gap behind it, and the height of the highest, in user units.
const STEP: u32 = 12;
const GAP: u32 = 3;
const HEIGHT: u32 = 32;

/// Bars side by side, the highest as high as the picture.
#[derive(Template)]
#[template(path = "chart/bars.html")]
pub struct Bars {
    title: String,
    description: String,
    each: Vec<Bar>,
    width: u32,
    height: u32,
}

struct Bar {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    /// What stands when a pointer rests on it.
    label: String,
    is_empty: bool,
}

impl Bars {
    /// Of values with their labels, from left to right.
    pub fn new(title: impl Into<String>, values: &[(String, u64)]) -> Self {
        let highest = values.iter().map(|(_, value)| *value).max().unwrap_or(0);
        let total: u64 = values.iter().map(|(_, value)| *value).sum();
        let bars = (0..).zip(values).map(|(n, (label, value))| {
            let height = height_of(*value, highest);
            Bar {
                x: n * STEP,
                y: HEIGHT - height,
                width: STEP - GAP,
                height,
                label: format!("{label}: {}", text::number(*value)),
                is_empty: *value == 0,
            }
        });
        let bars: Vec<_> = bars.collect();
        Self {
            title: title.into(),
            description: format!(
                "{} in all, {} at most",
                text::number(total),
                text::number(highest)
            ),
            width: u32::try_from(bars.len()).unwrap_or(0) * STEP
                - GAP.min(STEP * u32::from(!bars.is_empty())),
            height: HEIGHT,
            each: bars,
        }
    }
}

/// What is not nothing is seen.
fn height_of(value: u64, highest: u64) -> u32 {
    if value == 0 || highest == 0 {
        return 1;
    }
    let scaled = u128::from(value) * u128::from(HEIGHT) / u128::from(highest);
    u32::try_from(scaled).unwrap_or(HEIGHT).clamp(2, HEIGHT)
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::{Bars, HEIGHT, height_of};

    #[test]
    fn the_highest_fills_the_picture_and_the_smallest_is_seen() {
        assert_eq!(height_of(0, 0), 1);
        assert_eq!(height_of(0, 9), 1);
        assert_eq!(height_of(1, u64::MAX), 2);
        assert_eq!(height_of(u64::MAX, u64::MAX), HEIGHT);
    }

    #[test]
    fn labels_are_text() {
        let values = [("<b>Monday</b>".to_owned(), 1_204)];
        let drawn = Bars::new("Requests & more", &values)
            .render()
            .expect("a picture");
        assert!(drawn.contains("Requests &#38; more"), "{drawn}");
        assert!(
            drawn.contains("&#60;b&#62;Monday&#60;/b&#62;: 1,204"),
            "{drawn}"
        );
        assert!(!drawn.contains("<b>"));
    }
}
