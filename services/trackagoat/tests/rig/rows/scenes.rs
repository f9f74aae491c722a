//! Scenes in which a deliberate fault shows itself; without one they hold.

use std::time::Duration;

use gate::core::mutant::Mutant;

use super::play::{LONG_LEASE, Play, SHOW_THE_LOG, TOO_LONG_A_LEASE};
use crate::rig::Rig;
use crate::seen::Seen;

/// What happens around one round of revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A replica with a slow clock is cut off just after a renewal; the coordinator's clock is fast.
    CutOff,
    /// The same, with a lease of 5 s.
    LongLease,
    /// The same, and answers to renewals come late.
    AnswersLate,
    /// A replica is cut off and stands still until its lease has run out, a renewal under way.
    Stopped,
    /// A replica hears nothing over NATS.
    Deaf,
    /// The row of a replica whose lease has run out is collected, and it registers while keys are
    /// revoked.
    Rejoins,
    /// A replica is cut off until keys are revoked, then comes back.
    ComesBack,
    /// Events reach a replica as they are told, and not again in the feed.
    ToldOnce,
    /// Two processes of one name, one of them cut off.
    Twins,
    /// A revocation is tried again while the first try waits for a replica that is cut off.
    Retried,
    /// What a request asks of the primary is answered after the revocation has returned.
    Overtaken,
    /// The same of a replica that must ask for every request.
    WithoutLease,
    /// Keys that a replica has loaded, and nobody has used anywhere.
    Unused,
    /// A replica tells denials while another, with a slow clock and a lease of 5 s, is cut off.
    Told,
}

impl Scene {
    pub const ALL: [Self; 14] = [
        Self::CutOff,
        Self::LongLease,
        Self::AnswersLate,
        Self::Stopped,
        Self::Deaf,
        Self::Rejoins,
        Self::ComesBack,
        Self::ToldOnce,
        Self::Twins,
        Self::Retried,
        Self::Overtaken,
        Self::WithoutLease,
        Self::Unused,
        Self::Told,
    ];

    /// Whether what it allows stays allowed, so that other scenes are played before.
    pub fn is_last(self) -> bool {
        matches!(self, Self::LongLease | Self::Told)
    }

    /// Takes back what a scene that ended early has left.
    pub async fn clear(rig: &mut Rig) {
        let shown = sqlx::raw_sql(SHOW_THE_LOG).execute(&rig.pool).await;
        shown.expect("a superuser may");
        rig.mend().await;
    }

    /// One round; the processes that are there for it alone have the fault.
    pub async fn play(self, rig: &mut Rig, fault: Option<Mutant>) -> Seen {
        let mut play = Play::new(rig, fault);
        let watch = match self {
            Self::CutOff => play.cut_off("2", Duration::ZERO).await,
            Self::LongLease => play.cut_off(LONG_LEASE, Duration::ZERO).await,
            Self::AnswersLate => play.cut_off("2", play.late_answer()).await,
            Self::Stopped => play.stopped().await,
            Self::Deaf => play.deaf().await,
            Self::Rejoins => play.rejoins().await,
            Self::ComesBack => play.comes_back().await,
            Self::ToldOnce => play.told_once().await,
            Self::Twins => play.twins().await,
            Self::Retried => play.retried().await,
            Self::Overtaken => play.overtaken(None).await,
            Self::WithoutLease => play.overtaken(Some(TOO_LONG_A_LEASE)).await,
            Self::Unused => play.unused().await,
            Self::Told => play.told().await,
        };
        play.end(watch).await
    }
}
