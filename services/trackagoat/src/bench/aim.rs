//! What a benchmark aims at, and the report that says what it reached.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::BenchError;

/// A figure that a benchmark should reach.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    name: &'static str,
    unit: &'static str,
    bound: f64,
    better: Better,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Better {
    Higher,
    Lower,
}

/// What one run of a benchmark has to say.
pub struct Report {
    benchmark: &'static str,
    aims: &'static [Aim],
    reached: BTreeMap<&'static str, f64>,
    conditions: Map<String, Value>,
    results: Map<String, Value>,
    ratios: Map<String, Value>,
    not_done: Vec<String>,
}

impl Aim {
    pub const fn at_least(name: &'static str, unit: &'static str, bound: f64) -> Self {
        let better = Better::Higher;
        Self {
            name,
            unit,
            bound,
            better,
        }
    }

    pub const fn at_most(name: &'static str, unit: &'static str, bound: f64) -> Self {
        let better = Better::Lower;
        Self {
            name,
            unit,
            bound,
            better,
        }
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn met_by(&self, reached: f64) -> bool {
        match self.better {
            Better::Higher => reached >= self.bound,
            Better::Lower => reached <= self.bound,
        }
    }
}

impl Report {
    pub fn new(benchmark: &'static str, aims: &'static [Aim]) -> Self {
        Self {
            benchmark,
            aims,
            reached: BTreeMap::new(),
            conditions: Map::new(),
            results: Map::new(),
            ratios: Map::new(),
            not_done: Vec::new(),
        }
    }

    pub fn condition(&mut self, name: &str, value: impl Into<Value>) {
        self.conditions.insert(name.to_owned(), value.into());
    }

    pub fn result(&mut self, name: &str, value: impl Into<Value>) {
        self.results.insert(name.to_owned(), value.into());
    }

    /// A ratio of two figures of this run.
    pub fn ratio(&mut self, name: &str, value: f64) {
        self.ratios.insert(name.to_owned(), rounded(value));
    }

    /// What was left out, and why.
    pub fn not_done(&mut self, what: impl Into<String>) {
        self.not_done.push(what.into());
    }

    /// A contestant that could not be measured, and why; once, however often it is tried.
    pub fn left_out(&mut self, who: &str, why: &str) {
        let text = format!("{who} is left out: {why}");
        if !self.not_done.contains(&text) {
            self.not_done.push(text);
        }
    }

    /// What was reached of the aim of that name.
    pub fn reached(&mut self, name: &'static str, value: f64) {
        debug_assert!(self.aims.iter().any(|aim| aim.name == name), "{name}");
        self.reached.insert(name, value);
    }

    /// An aim without a figure is neither met nor missed: both fields are null.
    pub fn to_json(&self) -> Value {
        let aims: Vec<_> = self.aims.iter().map(|aim| self.judge(*aim)).collect();
        json!({
            "benchmark": self.benchmark,
            "conditions": self.conditions,
            "results": self.results,
            "ratios": self.ratios,
            "aims": aims,
            "not_done": self.not_done,
        })
    }

    fn judge(&self, aim: Aim) -> Value {
        let figure = self.reached.get(aim.name).copied();
        let reached = figure.filter(|figure| figure.is_finite());
        json!({
            "name": aim.name,
            "unit": aim.unit,
            "aim": aim.bound,
            "better": aim.better,
            "reached": reached.map(rounded),
            "met": reached.map(|reached| aim.met_by(reached)),
        })
    }

    /// Writes beside the path and renames: a report is whole or not there.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        let mut text = serde_json::to_vec_pretty(&self.to_json()).map_err(BenchError::json)?;
        text.push(b'\n');
        let beside = path.with_extension("json.new");
        fs::write(&beside, text).map_err(BenchError::io("write", &beside))?;
        fs::rename(&beside, path).map_err(BenchError::io("put in place", path))
    }
}

/// Four significant digits: more would only pretend.
pub fn rounded(value: f64) -> Value {
    if value == 0.0 || !value.is_finite() {
        return json!(if value == 0.0 { Some(0.0) } else { None });
    }
    let text = format!("{value:.3e}");
    json!(text.parse::<f64>().unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AIMS: &[Aim] = &[
        Aim::at_least("throughput", "events/s", 100.0),
        Aim::at_most("p99", "ms", 3.0),
        Aim::at_least("beside a peer", "times", 10.0),
    ];

    #[test]
    fn an_aim_is_met_from_its_own_side() {
        let mut report = Report::new("test", AIMS);
        report.reached("throughput", 100.0);
        report.reached("p99", 3.01);
        let json = report.to_json();
        assert_eq!(json["aims"][0]["met"], true);
        assert_eq!(json["aims"][0]["better"], "higher");
        assert_eq!(json["aims"][1]["met"], false);
        assert_eq!(json["aims"][1]["better"], "lower");
        assert_eq!(json["aims"][2]["name"], "beside a peer");
        assert_eq!(json["aims"][2]["reached"], Value::Null);
        assert_eq!(json["aims"][2]["met"], Value::Null);
    }

    #[test]
    fn figures_have_four_digits() {
        assert_eq!(rounded(51_234.56), json!(51_230.0));
        assert_eq!(rounded(0.000_123_456), json!(0.000_123_5));
        assert_eq!(rounded(0.0), json!(0.0));
        assert_eq!(rounded(f64::NAN), Value::Null);
    }
}
