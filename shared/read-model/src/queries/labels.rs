//! What things are called.

use std::collections::HashMap;

use uuid::Uuid;

use crate::analytics::EntityKind;
use crate::error::ReadError;
use crate::reader::OrgReader;

impl OrgReader {
    /// The labels of those that exist.
    pub(super) async fn labels(
        &mut self,
        kind: EntityKind,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, String>, ReadError> {
        let org = self.org.as_uuid();
        let labels: Vec<(Uuid, String)> = match kind {
            EntityKind::Project => sqlx::query!(
                "SELECT project_id, name FROM projects
                 WHERE org_id = $1 AND project_id = ANY ($2) AND NOT removed",
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.project_id, row.name))
            .collect(),
            EntityKind::Campaign => sqlx::query!(
                "SELECT c.campaign_id, c.name
                 FROM campaigns c
                 JOIN projects p ON p.project_id = c.project_id AND p.org_id = $1
                 WHERE c.org_id = $1 AND c.campaign_id = ANY ($2) AND NOT c.removed
                   AND NOT p.removed",
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.campaign_id, row.name))
            .collect(),
            EntityKind::Creator => sqlx::query!(
                r#"SELECT c.creator_id,
                          coalesce(CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                                        ELSE c.display_name END, c.handle) AS "label!"
                   FROM creators c
                   JOIN projects p ON p.project_id = c.project_id AND p.org_id = $1
                   LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id
                   WHERE c.org_id = $1 AND c.creator_id = ANY ($2) AND c.status <> 'removed'
                     AND NOT p.removed"#,
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.creator_id, row.label))
            .collect(),
            EntityKind::Video => sqlx::query!(
                r#"SELECT v.video_id, coalesce(d.title, v.platform_video_id) AS "label!"
                   FROM videos v
                   JOIN projects p ON p.project_id = v.project_id AND p.org_id = $1
                   LEFT JOIN video_details d ON d.video_id = v.video_id
                   WHERE v.org_id = $1 AND v.video_id = ANY ($2) AND NOT v.removed
                     AND NOT v.creator_removed AND NOT p.removed"#,
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.video_id, row.label))
            .collect(),
        };
        Ok(labels.into_iter().collect())
    }
}
