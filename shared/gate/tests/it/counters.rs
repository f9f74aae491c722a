//! What the gates of this process have counted.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// How often that has happened, in all tests that run just now.
pub fn counted(name: &str) -> u64 {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let recorder = RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap());
    let text = recorder.render();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let count = lines.find_map(|(counter, count)| (counter == name).then_some(count));
    count.map_or(0, |count| count.parse().unwrap())
}
