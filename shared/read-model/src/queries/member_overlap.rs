//! What campaigns have in common.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::ids::{CampaignId, ProjectId};
use uuid::Uuid;

use super::raw::COUNTED;
use crate::analytics::limits::{OVERLAP_CAMPAIGNS, OVERLAP_MEMBERS};
use crate::analytics::{Decimal4, EntityKind};
use crate::error::ReadError;
use crate::reader::OrgReader;

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
        let ids: Vec<Uuid> = labels.keys().copied().collect();
        let mut members = self.members_of_campaigns(by, &ids).await?;
        let mut order: Vec<Uuid> = match named {
            Some(named) => named.iter().map(|id| id.as_uuid()).collect(),
            None => ids,
        };
        if named.is_none() {
            order.sort_by_key(|id| (Reverse(members.get(id).map_or(0, BTreeSet::len)), *id));
            order.truncate(OVERLAP_CAMPAIGNS);
        }
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

    /// The members of campaigns: of those that are rolled up as they stand in their roll-ups.
    async fn members_of_campaigns(
        &mut self,
        by: MemberKind,
        campaigns: &[Uuid],
    ) -> Result<HashMap<Uuid, BTreeSet<Uuid>>, ReadError> {
        let rows = sqlx::query!(
            r#"WITH videos_in AS (
                   SELECT c.campaign_id, m.video_id FROM campaigns c
                   CROSS JOIN LATERAL (
                       SELECT video_id FROM campaign_videos
                       WHERE c.is_rolled AND campaign_id = c.campaign_id
                       UNION ALL
                       SELECT within.video_id FROM videos_within(c.campaign_id) AS within (video_id)
                       WHERE NOT c.is_rolled
                   ) m
                   WHERE c.org_id = $1 AND c.campaign_id = ANY ($2)
               ), counted AS (
                   SELECT i.campaign_id, v.video_id, v.creator_id FROM videos_in i
                   JOIN videos v ON v.video_id = i.video_id
                   WHERE v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed
                     AND v.tracking_status = ANY ($4)
               )
               SELECT campaign_id AS "campaign_id!", video_id AS "member!" FROM counted
               WHERE $3 = 'video'
               UNION
               SELECT campaign_id, creator_id FROM counted
               WHERE $3 = 'creator' AND creator_id IS NOT NULL
               UNION
               SELECT c.campaign_id, m.creator_id FROM campaigns c
               CROSS JOIN LATERAL creators_within(c.campaign_id) AS m (creator_id)
               JOIN creators cr ON cr.creator_id = m.creator_id AND cr.org_id = $1
               WHERE $3 = 'creator' AND c.org_id = $1 AND c.campaign_id = ANY ($2)
                 AND cr.status <> 'removed'"#,
            self.org.as_uuid(),
            campaigns,
            by.name(),
            &COUNTED.map(str::to_owned),
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
