//! The level axis: as many labels as there is room for, none over another.

use super::path::At;

/// How wide a letter is, in parts of its height: that of a wide face.
const LETTER: f64 = 0.62;
/// Between two labels, in parts of a letter's height.
const APART: f64 = 1.0;
/// Every first, second, third, fifth or seventh bucket has a label, or every so many weeks.
const STRIDES: [usize; 13] = [1, 2, 3, 5, 7, 14, 28, 56, 112, 224, 448, 896, 1_792];

/// A label below the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    pub x: At,
    pub anchor: &'static str,
    pub text: String,
}

/// How wide a text is.
pub fn width_of(text: &str, font: f64) -> f64 {
    text.chars().map(|_| LETTER * font).sum()
}

/// Labels of those of the texts for which there is room, each below its own place.
pub fn place(places: &[(f64, &str)], width: f64, font: f64) -> Vec<Label> {
    let widest = places
        .iter()
        .map(|(_, text)| width_of(text, font))
        .fold(0.0, f64::max);
    let apart = APART * font;
    let (first, between) = match places {
        [(first, _), (second, _), ..] => (*first, second - first),
        _ => (0.0, width),
    };
    // The first label moves to the right if it would begin before the picture.
    let needed = widest + apart + f64::max(widest / 2.0 - first, 0.0);
    let fits = |stride: &usize| {
        let step: f64 = (0..*stride).map(|_| between).sum();
        step >= needed
    };
    let stride = STRIDES
        .into_iter()
        .find(fits)
        .unwrap_or(places.len().max(1));
    let mut labels = Vec::new();
    let mut free = f64::NEG_INFINITY;
    for (x, text) in places.iter().step_by(stride) {
        let half = width_of(text, font) / 2.0;
        let (x, anchor, from, to) = if x - half < 0.0 {
            (0.0, "start", 0.0, half * 2.0)
        } else if x + half > width {
            (width, "end", width - half * 2.0, width)
        } else {
            (*x, "middle", x - half, x + half)
        };
        if from >= free && from >= 0.0 {
            free = to + apart;
            let text = (*text).to_owned();
            labels.push(Label {
                x: At(x),
                anchor,
                text,
            });
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{place, width_of};

    proptest! {
        #[test]
        fn labels_never_overlap_and_stay_inside(
            count in 0_u32..1_100,
            letters in 1_usize..14,
            left in 10.0..60.0,
            width in 200.0..1_000.0,
        ) {
            let text = "8".repeat(letters);
            let step = (width - left - 10.0) / f64::from(count.max(2) - 1);
            let places: Vec<_> = (0..count).map(|n| (left + f64::from(n) * step, text.as_str())).collect();
            let labels = place(&places, width, 12.0);
            prop_assert_eq!(labels.is_empty(), count == 0);
            let mut free = 0.0;
            for label in labels {
                let wide = width_of(&label.text, 12.0);
                let from = match label.anchor {
                    "start" => label.x.0,
                    "end" => label.x.0 - wide,
                    _ => label.x.0 - wide / 2.0,
                };
                prop_assert!(from >= free - 1e-6, "{from} is not free before {free}");
                free = from + wide;
                prop_assert!(free <= width + 1e-6);
            }
        }
    }

    #[test]
    fn a_month_of_days_has_a_label_a_week_where_there_is_little_room() {
        let days: Vec<_> = (1..=30).map(|day| format!("{day} Jan")).collect();
        let places: Vec<_> = (0..)
            .zip(&days)
            .map(|(n, day)| (40.0 + f64::from(n) * 10.0, day.as_str()))
            .collect();
        let labels = place(&places, 340.0, 12.0);
        let texts: Vec<_> = labels.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["1 Jan", "8 Jan", "15 Jan", "22 Jan", "29 Jan"]);
    }
}
