//! The second half: duplicates fall out, the rest is cut into events, and the answer is counted.

use std::collections::HashMap;

use api::v1::IngestAnswer;
use domain::event::{Event, ObservationRecorded, Reading};
use domain::limits::{EVENT_DATA_BYTES, EVENT_READINGS};
use event_log::{KnownReading, ReadingKey};

use super::judged::{Candidate, Judged};

/// What is to be appended, and what to answer once it is.
#[derive(Debug)]
pub(super) struct Sifted {
    /// Discoveries first.
    pub(super) events: Vec<Event>,
    /// How many of them are discoveries.
    pub(super) discoveries: usize,
    pub(super) answer: IngestAnswer,
}

impl Sifted {
    /// `numbers` are those of the lines; `known` is what the log holds of the readings.
    pub(super) fn new(judged: Judged, numbers: &[u32], known: &[KnownReading]) -> Self {
        let mut newest: HashMap<ReadingKey, [u8; 32]> = known
            .iter()
            .map(|known| (known.key, known.digest))
            .collect();
        let mut answer = IngestAnswer::default();
        let mut events = judged.discoveries;
        let discoveries = events.len();
        let mut batch = Batch::default();
        for (line, number) in judged.lines.into_iter().zip(numbers) {
            let candidates = match line.candidates {
                Ok(candidates) => candidates,
                Err(error) => {
                    let number = usize::try_from(*number).unwrap_or(usize::MAX);
                    answer.reject(number, &error);
                    continue;
                }
            };
            let mut is_new = line.discovered;
            for candidate in candidates {
                // A correction of a correction counts against the last received.
                if newest.insert(candidate.key, candidate.digest) == Some(candidate.digest) {
                    continue;
                }
                is_new = true;
                events.extend(batch.add(candidate));
            }
            if is_new {
                answer.accepted += 1;
            } else {
                answer.duplicate += 1;
            }
        }
        events.extend(batch.take());
        Self {
            events,
            discoveries,
            answer,
        }
    }
}

/// Readings of the next event.
#[derive(Default)]
struct Batch {
    readings: Vec<Reading>,
    bytes: usize,
}

/// What stands around the readings in an event.
const FRAME_BYTES: usize = r#"{"readings":[]}"#.len();

impl Batch {
    /// Adds a reading; gives the event that was full before it.
    fn add(&mut self, candidate: Candidate) -> Option<Event> {
        // With the comma before the next one.
        let bytes = candidate.bytes + 1;
        let is_full = self.readings.len() == EVENT_READINGS
            || FRAME_BYTES + self.bytes + bytes > EVENT_DATA_BYTES;
        let full = if is_full { self.take() } else { None };
        self.readings.push(candidate.reading);
        self.bytes += bytes;
        full
    }

    fn take(&mut self) -> Option<Event> {
        let readings = std::mem::take(&mut self.readings);
        self.bytes = 0;
        (!readings.is_empty()).then(|| ObservationRecorded { readings }.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::event::{VideoDetails, VideoStats};
    use domain::ids::{GlobalPosition, StreamVersion, VideoId};
    use domain::observation::{LineError, LineErrorCode};
    use domain::time::Timestamp;
    use uuid::Uuid;

    use super::super::judged::JudgedLine;
    use super::*;

    fn stats(video: u128, view_count: u64) -> Reading {
        Reading::VideoStats(VideoStats {
            video_id: VideoId::from_uuid(Uuid::from_u128(video)),
            observed_at: Timestamp::parse("2026-01-05T05:37:52Z").unwrap(),
            view_count: Some(view_count),
            like_count: None,
            comment_count: None,
            share_count: None,
            save_count: None,
        })
    }

    fn candidate(reading: Reading) -> Candidate {
        let (digest, bytes) = reading.digest_and_bytes();
        Candidate {
            key: ReadingKey::of(&reading),
            reading,
            digest,
            bytes,
        }
    }

    fn line(readings: Vec<Reading>) -> JudgedLine {
        JudgedLine {
            discovered: false,
            candidates: Ok(readings.into_iter().map(candidate).collect()),
        }
    }

    fn sift(lines: Vec<JudgedLine>, known: &[Reading]) -> Sifted {
        let numbers: Vec<u32> = (1..).take(lines.len()).collect();
        let known: Vec<_> = known
            .iter()
            .map(|reading| KnownReading {
                key: ReadingKey::of(reading),
                digest: reading.digest(),
                position: GlobalPosition::new(1),
            })
            .collect();
        let judged = Judged {
            version: StreamVersion::ZERO,
            discoveries: vec![],
            lines,
        };
        Sifted::new(judged, &numbers, &known)
    }

    fn counts(sifted: &Sifted) -> (usize, usize, usize) {
        let answer = &sifted.answer;
        (answer.accepted, answer.duplicate, answer.rejected)
    }

    fn sizes(sifted: &Sifted) -> Vec<usize> {
        let size = |event: &Event| match event {
            Event::ObservationRecorded(recorded) => recorded.readings.len(),
            _ => 0,
        };
        sifted.events.iter().map(size).collect()
    }

    #[test]
    fn what_the_log_or_an_earlier_line_holds_is_a_duplicate() {
        let lines = vec![
            line(vec![stats(1, 10)]),
            line(vec![stats(2, 20)]),
            line(vec![stats(2, 20)]),
        ];
        let sifted = sift(lines, &[stats(1, 10)]);
        assert_eq!(counts(&sifted), (1, 2, 0));
        assert_eq!(sizes(&sifted), [1]);
    }

    #[test]
    fn other_figures_are_a_correction_and_the_last_received_holds() {
        let lines = [10, 11, 10].map(|views| line(vec![stats(1, views)])).into();
        let sifted = sift(lines, &[stats(1, 11)]);
        assert_eq!(counts(&sifted), (3, 0, 0));
        assert_eq!(sizes(&sifted), [3]);
    }

    #[test]
    fn a_line_counts_as_accepted_if_any_project_learns_from_it() {
        let sifted = sift(
            vec![line(vec![stats(1, 10), stats(2, 10)])],
            &[stats(1, 10)],
        );
        assert_eq!(counts(&sifted), (1, 0, 0));
        let discovered = JudgedLine {
            discovered: true,
            ..line(vec![])
        };
        assert_eq!(counts(&sift(vec![discovered], &[])), (1, 0, 0));
    }

    #[test]
    fn a_rejected_line_is_named_and_the_good_ones_stay() {
        let rejected = JudgedLine {
            discovered: false,
            candidates: Err(LineError {
                code: LineErrorCode::UnknownVideo,
                message: "who?".to_owned(),
            }),
        };
        let sifted = sift(vec![line(vec![stats(1, 1)]), rejected], &[]);
        assert_eq!(counts(&sifted), (1, 0, 1));
        assert_eq!(sifted.answer.errors[0].line, 2);
    }

    #[test]
    fn events_hold_500_readings_at_most() {
        let lines = (0..1_001)
            .map(|video| line(vec![stats(video, 1)]))
            .collect();
        assert_eq!(sizes(&sift(lines, &[])), [500, 500, 1]);
    }

    #[test]
    fn events_stay_within_their_bytes() {
        let details = |video| {
            Reading::Video(VideoDetails {
                video_id: VideoId::from_uuid(Uuid::from_u128(video)),
                observed_at: Timestamp::parse("2026-01-05T05:37:52Z").unwrap(),
                url: None,
                title: Some("t".repeat(4_000)),
                posted_at: None,
                media_type: None,
                thumbnail_url: None,
            })
        };
        let lines = (0..200).map(|video| line(vec![details(video)])).collect();
        let sifted = sift(lines, &[]);
        assert!(sifted.events.len() > 3);
        assert_eq!(sizes(&sifted).iter().sum::<usize>(), 200);
        for event in &sifted.events {
            assert!(event.data().len() <= EVENT_DATA_BYTES);
        }
    }
}
