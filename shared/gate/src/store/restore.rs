use std::collections::HashSet;
use std::time::Duration;

use domain::ids::{EventId, InviteeId, UserId};
use sqlx::{PgConnection, PgPool};

use super::StoreError;
use super::rows::term;

/// Takes back what is noted of positions above the log's end: they were of the life that the log
/// had before it was restored, and will be given again. To be committed together with the new
/// epoch, and taken before it: whoever notes something has then done so in the former life, or waits
/// for this and finds that it is over. Says how long a lease of that life may last. For the owner's
/// connection.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn forget_former_life_in_tx(
    connection: &mut PgConnection,
) -> Result<Duration, StoreError> {
    let longest_term = sqlx::query_scalar!(
        "update gate.head g set settled = least(g.settled, l.auth_position),
             copied = least(g.copied, l.auth_position)
         from log.head l returning g.lease_max_ms"
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!("delete from gate.settlements s using log.head l where s.position > l.position")
        .execute(connection)
        .await?;
    Ok(term(longest_term))
}

/// Remembers that a denial which the log has lost was dealt with. For the owner's connection.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remember_replayed(pool: &PgPool, lost: EventId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into gate.replayed (event_id) values ($1) on conflict (event_id) do nothing",
        lost.as_uuid()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Which of these denials, that the log has lost, were dealt with.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn replayed(pool: &PgPool, lost: &[EventId]) -> Result<HashSet<EventId>, StoreError> {
    let lost: Vec<_> = lost.iter().map(|event| event.as_uuid()).collect();
    let replayed = sqlx::query_scalar!(
        "select event_id from gate.replayed where event_id = any($1)",
        &lost
    )
    .fetch_all(pool)
    .await?;
    Ok(replayed.into_iter().map(EventId::from_uuid).collect())
}

/// Those of these persons of whom something is known.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn known_people(pool: &PgPool, persons: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let persons: Vec<_> = persons.iter().map(|person| person.as_uuid()).collect();
    let known = sqlx::query_scalar!("select id from auth.users where id = any($1)", &persons)
        .fetch_all(pool)
        .await?;
    Ok(known.into_iter().map(UserId::from_uuid).collect())
}

/// Those of these invited addresses that are known.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn known_invitees(
    pool: &PgPool,
    invitees: &[InviteeId],
) -> Result<Vec<InviteeId>, StoreError> {
    let invitees: Vec<_> = invitees.iter().map(|invitee| invitee.as_uuid()).collect();
    let known = sqlx::query_scalar!("select id from auth.invitees where id = any($1)", &invitees)
        .fetch_all(pool)
        .await?;
    Ok(known.into_iter().map(InviteeId::from_uuid).collect())
}
