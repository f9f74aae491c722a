//! Projects.

use domain::ids::{OrgId, ProjectId};
use domain::org;
use domain::text::{ProjectName, Readme};
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// A project with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project's id.
    pub id: ProjectId,
    /// The project, as the write side folds it.
    pub project: org::Project,
}

pub(crate) struct ProjectRow {
    pub project_id: Uuid,
    pub org_id: Uuid,
    pub name: String,
    pub readme: Option<String>,
    pub metadata: String,
    pub removed: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

impl OrgReader {
    /// A page of projects whose name contains `search`.
    pub async fn projects(
        &mut self,
        search: Option<&str>,
        page: Page,
    ) -> Result<Listed<Project>, ReadError> {
        let rows = sqlx::query_as!(
            ProjectRow,
            "SELECT project_id, org_id, name, readme, metadata, removed, created_at, updated_at
             FROM projects
             WHERE org_id = $1 AND NOT removed
               AND (created_at, project_id) < (coalesce($2, 'infinity'::timestamptz),
                                               coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               AND search LIKE $4
             ORDER BY created_at DESC, project_id DESC
             LIMIT $5",
            self.org.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            containing(search),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let projects: Result<Vec<_>, _> = rows.into_iter().map(ProjectRow::into_project).collect();
        Ok(page.listed(projects?, |project| Cursor {
            created_at: project.project.created_at,
            id: project.id.as_uuid(),
        }))
    }

    /// A project that was not removed.
    pub async fn project(&mut self, id: ProjectId) -> Result<Option<Project>, ReadError> {
        let rows = rows(&mut self.tx, &[self.org.as_uuid()], &[id.as_uuid()]).await?;
        let live = rows.into_iter().find(|row| !row.removed);
        Ok(live.map(ProjectRow::into_project).transpose()?)
    }
}

/// The rows of projects, of these orgs alone, removed ones too.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    orgs: &[Uuid],
    ids: &[Uuid],
) -> Result<Vec<ProjectRow>, sqlx::Error> {
    sqlx::query_as!(
        ProjectRow,
        "SELECT project_id, org_id, name, readme, metadata, removed, created_at, updated_at
         FROM projects WHERE project_id = ANY ($2) AND org_id = ANY ($1)",
        orgs,
        ids,
    )
    .fetch_all(connection)
    .await
}

impl ProjectRow {
    pub fn org(&self) -> OrgId {
        OrgId::from_uuid(self.org_id)
    }

    pub fn into_project(self) -> Result<Project, CorruptRow> {
        let row = Row {
            table: "projects",
            key: self.project_id,
        };
        let project = org::Project {
            name: row.read("name", &self.name, ProjectName::parse)?,
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            removed: self.removed,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        };
        Ok(Project {
            id: ProjectId::from_uuid(self.project_id),
            project,
        })
    }
}
