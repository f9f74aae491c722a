//! How one line is told from another: by colour, and by dashes and markers for whoever sees no colour.

use askama::Template;

use super::path::At;

/// Half the height of a marker, in user units.
const REACH: f64 = 3.5;
/// Lines with a colour of their own.
const COLOURS: usize = 10;

/// The look of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The n-th of its kind, from 0.
    Nth(usize),
    /// The same figures of the time before.
    Prior,
    /// All others together.
    Rest,
}

impl Style {
    /// The class that gives it its colour.
    pub fn class(self) -> String {
        match self {
            Self::Nth(n) => format!("s{}", n % COLOURS + 1),
            Self::Prior => "prior".to_owned(),
            Self::Rest => "rest".to_owned(),
        }
    }

    /// Its dashes; none for a line without gaps.
    pub const fn dashes(self) -> Option<&'static str> {
        match self {
            Self::Nth(n) if n < 5 => None,
            Self::Nth(_) => Some("9 4"),
            Self::Prior => Some("5 5"),
            Self::Rest => Some("2 4"),
        }
    }

    /// Its marker there; the line of the time before has none.
    pub fn marker(self, (x, y): (f64, f64)) -> Option<String> {
        let shape = match self {
            Self::Nth(n) => n % 5,
            Self::Prior => return None,
            Self::Rest => 5,
        };
        let r = REACH;
        let at = |dx: f64, dy: f64| format!("{} {}", At(x + dx), At(y + dy));
        Some(match shape {
            0 => format!(
                "M{}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
                at(-r, 0.0),
                d = r * 2.0
            ),
            1 => format!("M{}h{d}v{d}h-{d}z", at(-r, -r), d = r * 2.0),
            2 => format!("M{}L{}L{}z", at(0.0, -r), at(r, r), at(-r, r)),
            3 => format!(
                "M{}L{}L{}L{}z",
                at(0.0, -r - 1.0),
                at(r + 1.0, 0.0),
                at(0.0, r + 1.0),
                at(-r - 1.0, 0.0)
            ),
            4 => format!("M{}L{}L{}z", at(-r, -r), at(r, -r), at(0.0, r)),
            _ => format!("M{}L{}M{}L{}", at(-r, -r), at(r, r), at(-r, r), at(r, -r)),
        })
    }

    /// A piece of the line, for a legend.
    pub fn swatch(self) -> String {
        let swatch = Swatch {
            class: self.class(),
            dashes: self.dashes(),
            marker: self.marker((18.0, 7.0)),
        };
        swatch.render().unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "chart/swatch.html")]
struct Swatch {
    class: String,
    dashes: Option<&'static str>,
    marker: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Style;

    #[test]
    fn lines_are_told_apart_without_colour() {
        let styles = (0..10).map(Style::Nth).chain([Style::Prior, Style::Rest]);
        let looks: HashSet<_> = styles
            .map(|style| (style.dashes(), style.marker((0.0, 0.0))))
            .collect();
        assert_eq!(looks.len(), 12);
    }
}
