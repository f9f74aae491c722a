//! An exported file of one org, with nothing but the log's public key.

use std::fs;
use std::path::{Path, PathBuf};

use domain::cloud_event::{CloudEvent, CloudEventError};
use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId};
use domain::signed::{Checkpoint, Seal, SealedLine, StreamEnd, VerifierKey};

use super::VerifyError;
use super::chain::{Beginning, Chains, Link};
use super::lines::Lines;
use super::report::{Fault, Report};

/// With what, and how strictly.
pub struct Asked {
    pub keys: Vec<VerifierKey>,
    pub checkpoint: Option<PathBuf>,
    pub stream: Option<Stream>,
    pub is_partial: bool,
}

/// What was read of a file.
struct Exported<'a> {
    asked: &'a Asked,
    chains: Chains,
    org: Option<OrgId>,
    seal: Option<Seal>,
    checkpoint: Option<Checkpoint>,
}

/// Verifies a file. Blocks.
pub fn verify(path: &Path, asked: &Asked) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let mut lines = Lines::open(path)?;
    let mut exported = Exported {
        asked,
        chains: if asked.is_partial {
            Chains::with_gaps()
        } else {
            Chains::new(Beginning::Anywhere)
        },
        org: None,
        seal: None,
        checkpoint: None,
    };
    while let Some((line, is_whole)) = lines.next()? {
        let read = if is_whole {
            exported.read(line)
        } else {
            Err(Fault::beside("it broke off in the midst of a line"))
        };
        if let Err(mut fault) = read {
            let number = lines.number();
            fault.what = match fault.first {
                Some(_) => format!("{} (line {number})", fault.what),
                None => match exported.chains.last() {
                    Some((position, _)) => {
                        format!("line {number}, behind position {position}: {}", fault.what)
                    }
                    None => format!("line {number}: {}", fault.what),
                },
            };
            report.fault = Some(fault);
            break;
        }
    }
    let (count, last) = (exported.chains.count(), exported.chains.last());
    let until = last.map(|(position, time)| format!(", the last at position {position}, {time}"));
    let until = until.unwrap_or_default();
    report.tell(format!("{count} events were looked at{until}"));
    if report.fault.is_none() {
        report.fault = exported.ends();
    }
    if report.fault.is_none() {
        report.fault = exported.other_checkpoint(&mut report)?;
    }
    if report.fault.is_none() {
        exported.conclude(&mut report);
    }
    Ok(report)
}

impl Exported<'_> {
    fn read(&mut self, line: &[u8]) -> Result<(), Fault> {
        if self.seal.is_some() {
            return Err(Fault::beside("it stands behind the seal"));
        }
        if SealedLine::is_meant(line) {
            return self.sealed(line);
        }
        let event = CloudEvent::parse(line).map_err(|error| match error {
            CloudEventError::Json(_) => Fault::beside("it is no event of this service"),
            error @ CloudEventError::Member(_) => Fault::beside(error.to_string()),
        })?;
        if self.org.is_some_and(|org| org != event.org_id) {
            let what = "it is of another org than the events before it";
            return Err(Fault::at(event.position, what));
        }
        self.org = Some(event.org_id);
        if !event.is_written_as(line) {
            let what = "it is not written as an export writes it: its text was changed";
            return Err(Fault::at(event.position, what));
        }
        if self
            .asked
            .stream
            .is_some_and(|stream| stream != event.stream)
        {
            return Ok(());
        }
        self.chains.follow(&Link::from(&event))
    }

    fn sealed(&mut self, text: &[u8]) -> Result<(), Fault> {
        let keys = &self.asked.keys;
        let wrong = |what: &str, error: &dyn std::error::Error| {
            Fault::beside(format!("the {what} cannot be believed: {error}"))
        };
        let line = SealedLine::parse(text).map_err(|error| wrong("seal", &error))?;
        let seal = Seal::open(&line.seal, keys).map_err(|error| wrong("seal", &error))?;
        let checkpoint = Checkpoint::open(&line.checkpoint, keys);
        let checkpoint = checkpoint.map_err(|error| wrong("checkpoint", &error))?;
        if line.at != seal.at || !line.is_written_as(text) {
            return Err(Fault::beside(
                "it is not written as an export writes the line of a seal",
            ));
        }
        if seal.org != line.org || self.org.is_some_and(|org| org != seal.org) {
            return Err(Fault::beside("the seal is of another org"));
        }
        let of_seal = (&seal.origin, seal.size, seal.root, seal.epoch);
        if of_seal
            != (
                &checkpoint.origin,
                checkpoint.size,
                checkpoint.root,
                checkpoint.epoch,
            )
        {
            return Err(Fault::beside("the seal is of another checkpoint"));
        }
        self.org = Some(seal.org);
        self.seal = Some(seal);
        self.checkpoint = Some(checkpoint);
        Ok(())
    }

    fn streams(&self) -> impl Iterator<Item = Stream> {
        let asked = self.asked.stream;
        let both = [Stream::Decisions, Stream::Observations].into_iter();
        both.filter(move |one| asked.is_none_or(|asked| asked == *one))
    }

    /// Whether the streams end where the seal says.
    fn ends(&self) -> Option<Fault> {
        let seal = self.seal.as_ref()?;
        if let Some((last, _)) = self.chains.last()
            && last.get() > seal.size.get()
        {
            let what = "it is not under the seal, which is of an earlier moment";
            return Some(Fault::at(last, what));
        }
        self.streams().find_map(|stream| {
            let (found, due) = (self.chains.end(seal.org, stream), seal.end(stream));
            let may_lack = self.asked.is_partial && found.version < due.version;
            (found != due && !may_lack).then(|| wrong_end(stream, found, due))
        })
    }

    /// A checkpoint that came by another way.
    fn other_checkpoint(&self, report: &mut Report) -> Result<Option<Fault>, VerifyError> {
        let Some(path) = &self.asked.checkpoint else {
            return Ok(None);
        };
        let other = match given_checkpoint(path, &self.asked.keys)? {
            Ok(other) => other,
            Err(fault) => return Ok(Some(fault)),
        };
        let Some(own) = &self.checkpoint else {
            report.doubt("that the events are under the given checkpoint: the export has no seal");
            return Ok(None);
        };
        if own.epoch != other.epoch {
            let what = "that the export and the given checkpoint are of one log: it was restored between them";
            report.doubt(what);
        } else if own.size != other.size {
            report.doubt(format!(
                "that the tree over {} events is of one log with the given one over {}: ask \
                 GET /audit/proof for from_size and to_size",
                own.size, other.size
            ));
        } else if own.root != other.root {
            return Ok(Some(Fault::between(
                GlobalPosition::new(1),
                GlobalPosition::new(own.size.get()),
                "two logs were signed: the given checkpoint is over other events",
            )));
        } else {
            report.tell("the seal is of the given checkpoint");
        }
        Ok(None)
    }

    fn conclude(&self, report: &mut Report) {
        let mut anchors: Vec<_> = self.chains.anchors().collect();
        anchors.sort_unstable_by_key(|(_, stream, _)| stream.number());
        for (_, stream, version) in anchors {
            let (name, before) = (stream.name(), version.get() - 1);
            report.doubt(format!(
                "anything of {name} before version {version}: {before} are not in the file"
            ));
        }
        if self.asked.is_partial {
            let left_out = self.chains.left_out();
            report.doubt(format!(
                "that only what a filter leaves out is missing: {left_out} events between others are"
            ));
        }
        let Some(seal) = &self.seal else {
            report.doubt(
                "that nothing is missing at the end: the file has no seal (GET /audit/export?seal=true)",
            );
            report.doubt(
                "that the log ever had these events: no signature is over them, and whoever knows how \
                 hashes are made can make such a file",
            );
            return;
        };
        let (at, size, unsigned) = (seal.at, seal.size, self.unsigned(seal));
        if unsigned > 0 {
            report.doubt(format!(
                "that the log ever had {unsigned} of these events: no signature is over them, since they are \
                 not followed without a gap up to an end that the seal names"
            ));
        } else if report.unproven.is_empty() {
            report.tell(format!("complete as of {at}, position {size} of the log"));
        } else {
            report.tell(format!("sealed as of {at}, position {size} of the log"));
        }
    }

    /// How many events do not lead up to what the seal names.
    fn unsigned(&self, seal: &Seal) -> u64 {
        let is_bound = |stream: &Stream| self.chains.end(seal.org, *stream) == seal.end(*stream);
        let bound = self.streams().filter(is_bound);
        let bound: u64 = bound
            .map(|stream| self.chains.bound(seal.org, stream))
            .sum();
        self.chains.count() - bound
    }
}

/// The checkpoint in a file, or why it is none that can be believed.
pub fn given_checkpoint(
    path: &Path,
    keys: &[VerifierKey],
) -> Result<Result<Checkpoint, Fault>, VerifyError> {
    let note = fs::read_to_string(path).map_err(|source| VerifyError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(Checkpoint::open(&note, keys).map_err(|error| {
        Fault::beside(format!("the given checkpoint cannot be believed: {error}"))
    }))
}

fn wrong_end(stream: Stream, found: StreamEnd, due: StreamEnd) -> Fault {
    let name = stream.name();
    Fault::beside(if found.version < due.version {
        format!(
            "{name} end with version {}, sealed were {}: version {} is missing, and what follows it",
            found.version,
            due.version,
            found.version.next()
        )
    } else {
        format!(
            "{name} end with version {}, which is not the one that was sealed: at least one event was \
             changed, with all hashes from there on",
            found.version
        )
    })
}
