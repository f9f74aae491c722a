//! Lines over time, with what belongs to them: grid, labels, marks, and what stands where a pointer rests.

use askama::Template;

use super::axis::{self, Label, width_of};
use super::path::{At, Place, path};
use super::scale::{Scale, Unit};
use super::style::Style;

/// For windows of some width.
pub const WIDE: Size = Size {
    name: "wide",
    width: 960.0,
    height: 320.0,
    font: 13.0,
};
/// For phones, where the whole is drawn smaller.
pub const NARROW: Size = Size {
    name: "narrow",
    width: 400.0,
    height: 300.0,
    font: 14.0,
};

/// Above the lines, where marks have their flags.
const TOP: f64 = 18.0;
/// Right of the lines, for half a marker.
const RIGHT: f64 = 8.0;
/// Around labels.
const PAD: f64 = 8.0;
/// Markers of a line, at most about: on more points every second has one, or every third.
const MARKERS: usize = 31;
/// With more buckets than this, nothing stands where a pointer rests: nobody could aim.
const HINTS: usize = 120;

/// How large a picture is drawn; browsers scale it from there.
pub struct Size {
    name: &'static str,
    width: f64,
    height: f64,
    font: f64,
}

/// Lines over the same buckets.
#[derive(Debug, Clone)]
pub struct Line {
    pub title: String,
    pub description: String,
    pub unit: Unit,
    pub buckets: Vec<Bucket>,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
}

/// A piece of the time axis.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Below the axis.
    pub label: String,
    /// What stands where a pointer rests.
    pub hint: String,
    /// Not over yet, or cut by the range.
    pub is_partial: bool,
}

/// One line: a value for each bucket, none where nothing is known.
#[derive(Debug, Clone)]
pub struct Series {
    pub style: Style,
    pub values: Vec<Option<f64>>,
}

/// Something that happened in a bucket.
#[derive(Debug, Clone)]
pub struct Mark {
    pub bucket: usize,
    pub title: String,
}

#[derive(Template)]
#[template(path = "chart/line.html")]
struct Drawing<'a> {
    line: &'a Line,
    size: &'a Size,
    left: At,
    right: At,
    top: At,
    bottom: At,
    height: At,
    /// Where the labels below the axis stand.
    foot: At,
    ticks: Vec<Tick>,
    labels: Vec<Label>,
    /// From where to where buckets are not whole.
    partial: Vec<Span>,
    marks: Vec<(At, &'a str)>,
    strokes: Vec<Stroke>,
    hints: Vec<(Span, &'a str)>,
}

struct Tick {
    y: At,
    label: String,
    is_zero: bool,
}

/// A piece of the picture's width.
struct Span {
    x: At,
    width: At,
}

struct Stroke {
    class: String,
    dashes: Option<&'static str>,
    path: String,
    /// To and from buckets that are not whole.
    faint: String,
    dots: String,
    /// Those of buckets that are not whole.
    hollow: String,
}

/// Where in the picture the lines are.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Line {
    /// As SVG.
    pub fn draw(&self, size: &Size) -> String {
        let values = self.series.iter().flat_map(|series| &series.values);
        let scale = Scale::around(values.copied().flatten(), self.unit);
        let labels: Vec<_> = scale
            .ticks()
            .map(|tick| (tick, scale.label(tick)))
            .collect();
        let widths = labels.iter().map(|(_, label)| width_of(label, size.font));
        let frame = Frame {
            left: widths.fold(0.0, f64::max) + PAD,
            right: size.width - RIGHT,
            top: TOP,
            bottom: size.height - size.font - PAD * 1.5,
        };
        let places = frame.places(self.buckets.len());
        let ticks = labels.into_iter().map(|(tick, label)| Tick {
            y: At(frame.y(scale.share(tick))),
            label,
            is_zero: tick == 0.0,
        });
        let texts = self.buckets.iter().map(|bucket| bucket.label.as_str());
        let texts: Vec<_> = places.iter().copied().zip(texts).collect();
        let drawing = Drawing {
            line: self,
            size,
            left: At(frame.left),
            right: At(frame.right),
            top: At(frame.top),
            bottom: At(frame.bottom),
            height: At(frame.bottom - frame.top),
            foot: At(size.height - 6.0),
            ticks: ticks.collect(),
            labels: axis::place(&texts, size.width, size.font),
            partial: self.partial(&frame, &places),
            marks: self.marked(&places),
            strokes: self.strokes(&frame, &places, &scale),
            hints: self.hints(&frame, &places),
        };
        drawing.render().unwrap_or_default()
    }

    fn partial(&self, frame: &Frame, places: &[f64]) -> Vec<Span> {
        let spans = frame.spans(places).zip(&self.buckets);
        let partial = spans.filter(|(_, bucket)| bucket.is_partial);
        partial.map(|(span, _)| span).collect()
    }

    fn marked(&self, places: &[f64]) -> Vec<(At, &str)> {
        let marks = self.marks.iter();
        let flags =
            marks.filter_map(|mark| Some((At(*places.get(mark.bucket)?), mark.title.as_str())));
        flags.collect()
    }

    fn strokes(&self, frame: &Frame, places: &[f64], scale: &Scale) -> Vec<Stroke> {
        let every = self.buckets.len().div_ceil(MARKERS).max(1);
        let strokes = self.series.iter().map(|series| {
            let places = places.iter().zip(&series.values);
            let points =
                places.map(|(x, value)| value.map(|value| (*x, frame.y(scale.share(value)))));
            let points: Vec<Option<Place>> = points.collect();
            let marker = |(n, point): (usize, &Option<Place>)| {
                let marker = series.style.marker((*point)?)?;
                Some((self.is_partial(n), marker))
            };
            let markers = points.iter().enumerate().step_by(every).filter_map(marker);
            let (hollow, dots): (Vec<_>, Vec<_>) = markers.partition(|(is_partial, _)| *is_partial);
            let data =
                |markers: Vec<(bool, String)>| markers.into_iter().map(|(_, data)| data).collect();
            Stroke {
                class: series.style.class(),
                dashes: series.style.dashes(),
                path: path(&self.whole(&points)),
                faint: path(&self.beside_partial(&points)),
                dots: data(dots),
                hollow: data(hollow),
            }
        });
        strokes.collect()
    }

    fn is_partial(&self, bucket: usize) -> bool {
        self.buckets
            .get(bucket)
            .is_some_and(|bucket| bucket.is_partial)
    }

    fn whole(&self, points: &[Option<Place>]) -> Vec<Option<Place>> {
        let points = points.iter().enumerate();
        let points = points.map(|(n, point)| point.filter(|_| !self.is_partial(n)));
        points.collect()
    }

    /// Points of buckets that are not whole, and those from and to which a line leads there.
    fn beside_partial(&self, points: &[Option<Place>]) -> Vec<Option<Place>> {
        let points = points.iter().enumerate();
        let points = points.map(|(n, point)| {
            let is_beside = (n.saturating_sub(1)..=n + 1).any(|n| self.is_partial(n));
            point.filter(|_| is_beside)
        });
        points.collect()
    }

    fn hints(&self, frame: &Frame, places: &[f64]) -> Vec<(Span, &str)> {
        if places.len() > HINTS {
            return Vec::new();
        }
        let spans = frame.spans(places).zip(&self.buckets);
        let hints = spans.map(|(span, bucket)| (span, bucket.hint.as_str()));
        hints.collect()
    }
}

impl Frame {
    fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// The middles of so many buckets; a single one stands in the middle of the picture.
    fn places(&self, count: usize) -> Vec<f64> {
        if count == 1 {
            return vec![f64::midpoint(self.left, self.right)];
        }
        let steps: f64 = (1..count).map(|_| 1.0).sum();
        let step = (self.right - self.left) / f64::max(steps, 1.0);
        let numbers = std::iter::successors(Some(0.0), |n| Some(n + 1.0));
        let places = numbers.map(|n| self.left + n * step);
        places.take(count).collect()
    }

    /// From where to where each bucket reaches: half way to its neighbours.
    fn spans(&self, places: &[f64]) -> impl Iterator<Item = Span> {
        let half = match places {
            [first, second, ..] => (second - first) / 2.0,
            _ => (self.right - self.left) / 2.0,
        };
        let (left, right) = (self.left, self.right);
        let places = places.iter();
        places.map(move |x| {
            let (from, to) = (f64::max(x - half, left), f64::min(x + half, right));
            Span {
                x: At(from),
                width: At(to - from),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Line, Mark, NARROW, Series, WIDE};
    use crate::chart::{Style, Unit};

    fn line(values: &[Option<f64>]) -> Line {
        let buckets = (1..=values.len()).map(|day| Bucket {
            label: format!("{day} Jan"),
            hint: format!("{day} Jan 2026"),
            is_partial: day == values.len(),
        });
        Line {
            title: "Views <b>&\"".to_owned(),
            description: "</desc><script>".to_owned(),
            unit: Unit::Count,
            buckets: buckets.collect(),
            series: vec![Series {
                style: Style::Nth(0),
                values: values.to_vec(),
            }],
            marks: Vec::new(),
        }
    }

    #[test]
    fn whatever_is_drawn_is_inside_the_picture() {
        let many = vec![Some(9.0); 1_100];
        for values in [
            &[][..],
            &[Some(5.0)],
            &[None],
            &[None, None],
            &[Some(0.0), Some(0.0)],
            &[Some(-40.0), None, Some(60.0)],
            &many,
        ] {
            for size in [&WIDE, &NARROW] {
                let drawn = line(values).draw(size);
                assert!(drawn.starts_with("<svg"), "{drawn}");
                assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            }
        }
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let mut line = line(&[Some(1.0), Some(2.0)]);
        line.buckets[0].hint = "1 Jan\n<img src=x>: 1".to_owned();
        line.marks.push(Mark {
            bucket: 1,
            title: "<script>alert(1)</script>".to_owned(),
        });
        let drawn = line.draw(&WIDE);
        for tag in ["<b>", "<script", "<img"] {
            assert!(!drawn.contains(tag), "{tag}: {drawn}");
        }
        assert!(drawn.contains("&#60;script&#62;alert(1)"), "{drawn}");
        assert_eq!(drawn.matches("</desc>").count(), 1);
        assert!(!drawn.contains("style="));
    }

    #[test]
    fn a_bucket_that_is_not_whole_has_a_hollow_marker_and_a_ground() {
        let drawn = line(&[Some(1.0), Some(2.0), Some(3.0)]).draw(&WIDE);
        assert_eq!(drawn.matches("class=\"hollow\"").count(), 1, "{drawn}");
        assert_eq!(drawn.matches("class=\"partial\"").count(), 1, "{drawn}");
    }

    #[test]
    fn a_gap_is_no_line() {
        let drawn = line(&[Some(1.0), None, Some(3.0), None]).draw(&WIDE);
        let stroke = drawn
            .split("class=\"stroke\" d=\"")
            .nth(1)
            .expect("a stroke");
        let stroke = stroke.split('"').next().expect("its data");
        assert_eq!(stroke.matches('M').count(), 2, "{stroke}");
        assert!(!stroke.contains('L'), "{stroke}");
    }
}
