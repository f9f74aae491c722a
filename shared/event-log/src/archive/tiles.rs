//! The tree that is kept (`log.merkle`), grown over what is archived: it must be whole up to there,
//! since its leaves leave the database.

use domain::event::ChainHash;
use domain::merkle::{Frontier, Grown, NodeHash, TILE_LEVELS};
use sqlx::PgConnection;

use super::error::ArchiveError;
use crate::error::CorruptRow;

/// Subtrees of one statement.
const STEP: usize = 5_000;

/// The edge of the tree over the events up to `size`.
pub async fn edge(connection: &mut PgConnection, size: u64) -> Result<Frontier, ArchiveError> {
    let mut edges = Vec::new();
    for level in Frontier::levels(size) {
        let width = Frontier::width(size, level);
        let (from, to) = ((size >> level) - width, size >> level);
        let (from, to) = (signed(from), signed(to));
        let hashes: Vec<Vec<u8>> = if level == 0 {
            sqlx::query_scalar!(
                "select hash from log.events where position > $1 and position <= $2
                 order by position",
                from,
                to
            )
            .fetch_all(&mut *connection)
            .await?
        } else {
            sqlx::query_scalar!(
                "select hash from log.merkle where level = $1 and index >= $2 and index < $3
                 order by index",
                i16::from(level),
                from,
                to
            )
            .fetch_all(&mut *connection)
            .await?
        };
        let node = |hash: &Vec<u8>| match level {
            0 => ChainHash::try_from_slice(hash).map(|hash| NodeHash::of_leaf(&hash)),
            _ => NodeHash::try_from_slice(hash),
        };
        let nodes: Option<Vec<_>> = hashes.iter().map(node).collect();
        edges.push(nodes.unwrap_or_default());
    }
    Frontier::try_new(size, edges).map_err(|_| {
        let corrupt = CorruptRow::new("log.merkle", "hash", size, "is not there for its tree");
        ArchiveError::Read(corrupt.into())
    })
}

/// Keeps subtrees that are complete; those that are there already must be the same.
pub async fn keep(connection: &mut PgConnection, grown: &[Grown]) -> Result<(), ArchiveError> {
    for grown in grown.chunks(STEP) {
        let levels: Vec<_> = grown.iter().map(|one| i16::from(one.level)).collect();
        let indexes: Vec<_> = grown.iter().map(|one| signed(one.index)).collect();
        let hashes: Vec<_> = grown
            .iter()
            .map(|one| one.hash.as_bytes().to_vec())
            .collect();
        sqlx::query!(
            "insert into log.merkle (level, index, hash)
             select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
             on conflict (level, index) do nothing",
            &levels,
            &indexes,
            &hashes
        )
        .execute(&mut *connection)
        .await?;
        let differs = sqlx::query!(
            r#"select g.level as "level!", g.index as "index!"
               from unnest($1::smallint[], $2::bigint[], $3::bytea[]) as g (level, index, hash)
               join log.merkle m on m.level = g.level and m.index = g.index
               where m.hash <> g.hash order by g.level, g.index limit 1"#,
            &levels,
            &indexes,
            &hashes
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(differs) = differs {
            let level = u32::try_from(differs.level).unwrap_or(u32::from(TILE_LEVELS));
            let index = u64::try_from(differs.index).unwrap_or_default();
            let last = (index + 1) << level;
            return Err(ArchiveError::Tree(domain::ids::GlobalPosition::new(last)));
        }
    }
    Ok(())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
