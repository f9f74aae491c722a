//! Whether what the ledger's folder knows to be erased is.

use std::error::Error;

use gate::{Recorded, erasures_left, read_ledger};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::telemetry::chain;
use tokio::task::spawn_blocking;

use super::finding::{Finding, Findings};
use crate::operator::{Place, open_log};

const WHAT: &str = "erasures";

/// Looks, if there is a ledger and an erasure in it.
pub async fn look(place: &Place, clock: &Clock, findings: &mut Findings) {
    let Some(folder) = place.ledger.ledger_dir.clone() else {
        return;
    };
    // A folder that cannot be read was found already.
    let Ok(Ok(recorded)) = spawn_blocking(move || read_ledger(&folder)).await else {
        return;
    };
    if recorded.erasures.is_empty() {
        return;
    }
    match Box::pin(compare(recorded, place, clock)).await {
        Ok(finding) => findings.add(finding),
        Err(error) => findings.add(
            Finding::broken(WHAT, chain(&*error))
                .mend("name a login that may look at everything, as `trackagoat migrate` needs"),
        ),
    }
}

async fn compare(
    recorded: Recorded,
    place: &Place,
    clock: &Clock,
) -> Result<Finding, Box<dyn Error>> {
    let log = open_log(place, clock, &Entropy::os()).await?;
    let left = erasures_left(recorded.erasures, &log, &place.pool()?).await?;
    Ok(match left.first() {
        None => Finding::fine(WHAT, "what the ledger knows to be erased is"),
        Some(first) => {
            let says = format_args!("{first} was to be erased, and is not");
            Finding::broken(WHAT, says).mend(
                "trackagoat erase once more, if it was broken off; after a restore of the database \
                 trackagoat log restored",
            )
        }
    })
}
