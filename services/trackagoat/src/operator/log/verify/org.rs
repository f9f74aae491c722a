//! The streams of one org, from the database: their chains, and not the tree over all.

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use event_log::{EventLog, ReadError};

use super::chain::{Beginning, Chains, Link};
use super::report::{Fault, Report};

/// Events of one read.
const PAGE: u16 = 5_000;

/// Verifies one or both.
pub async fn verify(
    log: &EventLog,
    org: OrgId,
    stream: Option<Stream>,
) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let both = [Stream::Decisions, Stream::Observations];
    let asked = both
        .into_iter()
        .filter(|one| stream.is_none_or(|stream| stream == *one));
    for stream in asked {
        let mut chains = Chains::new(Beginning::Anywhere);
        let fault = follow(log, org, stream, &mut chains).await?;
        let end = chains.end(org, stream);
        let name = stream.name();
        report.tell(format!(
            "{name}: {} events, up to version {}",
            chains.count(),
            end.version
        ));
        for (_, _, version) in chains.anchors() {
            report.doubt(format!("what came before version {version} of {name}"));
        }
        if fault.is_some() {
            report.fault = fault;
            return Ok(report);
        }
    }
    report
        .doubt("that nothing was cut from the end: verify the whole log, or an export with a seal");
    report.doubt(
        "that events were not changed together with all hashes behind them: no signature was looked at",
    );
    Ok(report)
}

async fn follow(
    log: &EventLog,
    org: OrgId,
    stream: Stream,
    chains: &mut Chains,
) -> Result<Option<Fault>, ReadError> {
    let mut after = match log.version_after(org, stream, StreamVersion::ZERO).await? {
        Some(first) => StreamVersion::new(first.get() - 1),
        None => return Ok(None),
    };
    if stream == Stream::Observations && log.archive_edge().await?.is_some() {
        match past_archived(log, org, chains).await? {
            Ok(version) => after = version,
            Err(fault) => return Ok(Some(fault)),
        }
    }
    loop {
        let page = log.read_stream(org, stream, after, PAGE).await?;
        let Some(last) = page.last().map(|last| last.version) else {
            return Ok(log.version_after(org, stream, after).await?.map(|next| {
                let name = stream.name();
                let missing = after.next();
                Fault::beside(format!(
                    "version {missing} of the {name} of org {org} is missing, version {next} is there"
                ))
            }));
        };
        for event in &page {
            if let Err(fault) = chains.follow(&Link::from(event)) {
                return Ok(Some(fault));
            }
        }
        after = last;
    }
}

/// Follows archived observations, if the archive is at hand; the version after which all are online.
async fn past_archived(
    log: &EventLog,
    org: OrgId,
    chains: &mut Chains,
) -> Result<Result<StreamVersion, Fault>, ReadError> {
    let begin = log
        .locate(org, Stream::Observations, GlobalPosition::ZERO)
        .await?;
    let Some(last) = begin.archived.filter(|_| log.has_archive()) else {
        return Ok(Ok(begin.version));
    };
    let mut walk = log.walk_org(org, &[Stream::Observations], GlobalPosition::ZERO, last);
    loop {
        let page = walk.next_page().await?;
        if page.is_empty() {
            return Ok(Ok(chains.end(org, Stream::Observations).version));
        }
        for event in &page {
            if let Err(fault) = chains.follow(&Link::from(event)) {
                return Ok(Err(fault));
            }
        }
    }
}
