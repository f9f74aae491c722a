//! What campaigns have in common.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::ids::{CampaignId, ProjectId};
use uuid::Uuid;

use crate::analytics::{Decimal4, EntityKind};
use crate::error::ReadError;
use crate::reader::OrgReader;
use domain::limits::{OVERLAP_CAMPAIGNS, OVERLAP_MEMBERS};

/// What the members of campaigns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Creators that are in a campaign or own a counted video in it.
    Creator,
    /// Counted videos.
    Video,
}

impl MemberKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Creator, Self::Video];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Video => "video",
        }
    }

    const fn entity(self) -> EntityKind {
        match self {
            Self::Creator => EntityKind::Creator,
            Self::Video => EntityKind::Video,
        }
    }
}

/// What campaigns have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The campaigns, in the order asked, or those with most members first.
    pub campaigns: Vec<ComparedCampaign>,
    /// Each two of them.
    pub pairs: Vec<ComparedPair>,
    /// Members of two or more, those of most campaigns first, ties by id; at most 500.
    pub members: Vec<ComparedMember>,
    /// How many of these there are in all.
    pub shared_members: u64,
}

/// A campaign that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedCampaign {
    /// The campaign.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub size: u64,
}

/// Two campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComparedPair {
    /// One.
    pub a: CampaignId,
    /// The other.
    pub b: CampaignId,
    /// Members of both.
    pub shared: u64,
    /// Members of either.
    pub either: u64,
}

impl ComparedPair {
    /// The Jaccard index, members of both per member of either; `None` if there are none.
    pub fn jaccard(&self) -> Option<Decimal4> {
        Decimal4::quotient(self.shared.into(), self.either.into())
    }
}

/// A member of several campaigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedMember {
    /// The creator or video.
    pub id: Uuid,
    /// Display name, handle or title.
    pub label: String,
    /// Of which campaigns, in their order.
    pub campaigns: Vec<CampaignId>,
}

impl OrgReader {
    /// Compares campaigns of a project, the ten with most members unless some are named. `None` if
    /// one of those is not the project's.
    pub async fn member_overlap(
        &mut self,
        project: ProjectId,
        by: MemberKind,
        named: Option<&[CampaignId]>,
    ) -> Result<Option<Overlap>, ReadError> {
        let Some(labels) = self.compared(project, named).await? else {
            return Ok(None);
        };
        let order: Vec<Uuid> = if let Some(named) = named {
            named.iter().map(|id| id.as_uuid()).collect()
        } else {
            let all: Vec<Uuid> = labels.keys().copied().collect();
            self.largest_campaigns(by, &all).await?
        };
        let mut members = self.members_of_campaigns(by, &order).await?;
        let sets: Vec<(Uuid, BTreeSet<Uuid>)> = order
            .into_iter()
            .map(|id| (id, members.remove(&id).unwrap_or_default()))
            .collect();
        let campaigns = sets.iter().map(|(id, members)| ComparedCampaign {
            id: CampaignId::from_uuid(*id),
            name: labels.get(id).cloned().unwrap_or_default(),
            size: members.len() as u64,
        });
        let campaigns = campaigns.collect();
        let (members, shared_members) = self.shared(by, &sets).await?;
        Ok(Some(Overlap {
            campaigns,
            pairs: pairs(&sets),
            members,
            shared_members,
        }))
    }

    /// The names of the campaigns that may be compared.
    async fn compared(
        &mut self,
        project: ProjectId,
        named: Option<&[CampaignId]>,
    ) -> Result<Option<BTreeMap<Uuid, String>>, ReadError> {
        let ids: Option<Vec<Uuid>> =
            named.map(|named| named.iter().map(|id| id.as_uuid()).collect());
        let rows = sqlx::query!(
            "SELECT campaign_id, name FROM campaigns
             WHERE org_id = $1 AND project_id = $2 AND NOT removed
               AND ($3::uuid[] IS NULL OR campaign_id = ANY ($3))",
            self.org.as_uuid(),
            project.as_uuid(),
            ids.as_deref(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let is_whole = ids.is_none_or(|ids| ids.len() == rows.len());
        let found = rows.into_iter().map(|row| (row.campaign_id, row.name));
        Ok(is_whole.then(|| found.collect()))
    }

    /// Those with most members, ties by id: counted where they are, so that none is loaded for it.
    async fn largest_campaigns(
        &mut self,
        by: MemberKind,
        campaigns: &[Uuid],
    ) -> Result<Vec<Uuid>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT u.campaign_id AS "campaign_id!" FROM unnest($2::uuid[]) AS u (campaign_id)
               LEFT JOIN (
                   SELECT campaign_id, count(*) AS members
                   FROM members_of_campaigns($1, $2, $3) GROUP BY campaign_id
               ) AS sizes USING (campaign_id)
               ORDER BY coalesce(sizes.members, 0) DESC, u.campaign_id
               LIMIT $4"#,
            self.org.as_uuid(),
            campaigns,
            by.name(),
            i64::try_from(OVERLAP_CAMPAIGNS).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    async fn members_of_campaigns(
        &mut self,
        by: MemberKind,
        campaigns: &[Uuid],
    ) -> Result<HashMap<Uuid, BTreeSet<Uuid>>, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT campaign_id AS "campaign_id!", member_id AS "member!"
               FROM members_of_campaigns($1, $2, $3)"#,
            self.org.as_uuid(),
            campaigns,
            by.name(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut members: HashMap<Uuid, BTreeSet<Uuid>> = HashMap::new();
        for row in rows {
            members
                .entry(row.campaign_id)
                .or_default()
                .insert(row.member);
        }
        Ok(members)
    }

    /// The members of two or more, and how many these are.
    async fn shared(
        &mut self,
        by: MemberKind,
        sets: &[(Uuid, BTreeSet<Uuid>)],
    ) -> Result<(Vec<ComparedMember>, u64), ReadError> {
        let mut campaigns: BTreeMap<Uuid, Vec<CampaignId>> = BTreeMap::new();
        for (campaign, members) in sets {
            for member in members {
                let of = campaigns.entry(*member).or_default();
                of.push(CampaignId::from_uuid(*campaign));
            }
        }
        let mut shared: Vec<_> = campaigns
            .into_iter()
            .filter(|(_, of)| of.len() > 1)
            .collect();
        let count = shared.len() as u64;
        shared.sort_by_key(|(id, of)| (Reverse(of.len()), *id));
        shared.truncate(OVERLAP_MEMBERS);
        let ids: Vec<Uuid> = shared.iter().map(|(id, _)| *id).collect();
        let mut labels = self.labels(by.entity(), &ids).await?;
        let members = shared.into_iter().map(|(id, campaigns)| ComparedMember {
            id,
            label: labels.remove(&id).unwrap_or_default(),
            campaigns,
        });
        Ok((members.collect(), count))
    }
}

fn pairs(sets: &[(Uuid, BTreeSet<Uuid>)]) -> Vec<ComparedPair> {
    let mut pairs = Vec::new();
    for (index, (a, of_a)) in sets.iter().enumerate() {
        for (b, of_b) in &sets[index + 1..] {
            let shared = of_a.intersection(of_b).count();
            pairs.push(ComparedPair {
                a: CampaignId::from_uuid(*a),
                b: CampaignId::from_uuid(*b),
                shared: shared as u64,
                either: (of_a.len() + of_b.len() - shared) as u64,
            });
        }
    }
    pairs
}
