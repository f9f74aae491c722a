//! Campaigns: made, changed, filled, emptied, removed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::account::warn_if_near;
use super::{
    CampaignPatch, Context, Decision, Existing, ItemOutcome, ItemStatus, NewCampaign, OrgState,
    Outcome, Recorded, Rejection, check_limit,
};
use crate::event::{
    CampaignAdded, CampaignChanged, CampaignItemsAdded, CampaignItemsRemoved, CampaignRemoved,
    EntityRef, Event,
};
use crate::ids::{CampaignId, ProjectId};
use crate::limits::EVENT_CAMPAIGN_ITEMS;
use crate::plan::LimitKey;
use crate::text::{CampaignName, Metadata, Readme};
use crate::time::Timestamp;

/// A set of creators, videos and other campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 13")]
pub struct Campaign {
    pub project_id: ProjectId,
    pub name: CampaignName,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub target_views: Option<u64>,
    pub target_at: Option<Timestamp>,
    /// What it holds at first hand, and since when.
    #[serde(with = "pairs")]
    pub items: BTreeMap<EntityRef, Timestamp>,
    pub removed: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OrgState {
    /// A campaign that was not removed, nor was its project.
    pub fn campaign(&self, id: CampaignId) -> Option<&Campaign> {
        let campaign = self.campaigns.get(&id)?;
        let is_there = !campaign.removed && self.project(campaign.project_id).is_some();
        is_there.then_some(campaign)
    }

    /// The campaigns of a project that were not removed.
    pub fn campaigns_of(
        &self,
        project: ProjectId,
    ) -> impl Iterator<Item = (CampaignId, &Campaign)> {
        self.campaigns
            .iter()
            .filter(move |(_, campaign)| campaign.project_id == project && !campaign.removed)
            .map(|(id, campaign)| (*id, campaign))
    }
}

pub(super) fn add(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewCampaign,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    const LIMIT: LimitKey = LimitKey::MaxCampaignsPerProject;
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let id = new.campaign_id.as_uuid();
    if state.campaigns.contains_key(&new.campaign_id) {
        let what = Existing::Campaign;
        return Err(Rejection::Duplicate { what, id });
    }
    let current = state.campaigns_of(project_id).count() as u64;
    check_limit(state, LIMIT, current, 1)?;
    let added = CampaignAdded {
        campaign_id: new.campaign_id,
        project_id,
        name: new.name.clone(),
        readme: new.readme.clone(),
        metadata: new.metadata.clone(),
        target_views: new.target_views,
        target_at: new.target_at,
    };
    let mut events = vec![added.into()];
    warn_if_near(state, &mut events, LIMIT, current + 1, context);
    Ok(Decision {
        events,
        outcome: Outcome::Created(id),
    })
}

pub(super) fn change(
    state: &OrgState,
    campaign_id: CampaignId,
    patch: &CampaignPatch,
) -> Result<Decision, Rejection> {
    let campaign = state.campaign(campaign_id).ok_or(Rejection::NotFound)?;
    let changed = CampaignChanged {
        campaign_id,
        name: patch.name.clone().filter(|it| *it != campaign.name),
        readme: patch.readme.clone().filter(|it| *it != campaign.readme),
        metadata: patch.metadata.clone().filter(|it| *it != campaign.metadata),
        target_views: patch.target_views.filter(|it| *it != campaign.target_views),
        target_at: patch.target_at.filter(|it| *it != campaign.target_at),
    };
    let is_changed = changed != CampaignChanged::nothing(campaign_id);
    Ok(Decision::of(is_changed.then_some(changed)))
}

pub(super) fn remove(state: &OrgState, campaign_id: CampaignId) -> Result<Decision, Rejection> {
    let campaign = state.campaign(campaign_id).ok_or(Rejection::NotFound)?;
    let gone = HashSet::from([EntityRef::Campaign(campaign_id)]);
    let mut events = leave(state, campaign.project_id, &gone);
    events.push(CampaignRemoved { campaign_id }.into());
    Ok(Decision::done(events))
}

/// The events by which things that are gone leave the campaigns of their project: a creator takes
/// their videos along.
pub(super) fn leave(
    state: &OrgState,
    project_id: ProjectId,
    gone: &HashSet<EntityRef>,
) -> Vec<Event> {
    let is_gone = |item: &EntityRef| {
        let creator = match item {
            EntityRef::Video(id) => state.videos.get(id).and_then(|video| video.creator_id),
            EntityRef::Creator(_) | EntityRef::Campaign(_) => None,
        };
        gone.contains(item) || creator.is_some_and(|id| gone.contains(&EntityRef::Creator(id)))
    };
    let mut left: BTreeMap<CampaignId, Vec<EntityRef>> = BTreeMap::new();
    for (id, campaign) in state.campaigns_of(project_id) {
        let items: Vec<EntityRef> = campaign.items.keys().copied().filter(is_gone).collect();
        if !items.is_empty() {
            left.insert(id, items);
        }
    }
    let mut events = Vec::new();
    for (campaign_id, items) in left {
        for items in items.chunks(EVENT_CAMPAIGN_ITEMS) {
            let items = items.to_vec();
            events.push(CampaignItemsRemoved { campaign_id, items }.into());
        }
    }
    events
}

pub(super) fn add_item(
    state: &OrgState,
    campaign_id: CampaignId,
    item: EntityRef,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let mut adding = Adding::to(state, campaign_id)?;
    adding.judge(item)?;
    Ok(Decision {
        events: adding.into_events(context),
        outcome: Outcome::Created(item.id()),
    })
}

pub(super) fn add_items(
    state: &OrgState,
    campaign_id: CampaignId,
    items: &[EntityRef],
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let mut adding = Adding::to(state, campaign_id)?;
    let outcomes = items.iter().map(|item| ItemOutcome {
        id: Some(item.id()),
        result: adding.judge(*item).map(|()| ItemStatus::Created),
    });
    let outcome = Outcome::Items(outcomes.collect());
    Ok(Decision {
        events: adding.into_events(context),
        outcome,
    })
}

pub(super) fn remove_item(
    state: &OrgState,
    campaign_id: CampaignId,
    item: EntityRef,
) -> Result<Decision, Rejection> {
    let campaign = state.campaign(campaign_id).ok_or(Rejection::NotFound)?;
    let added_at = *campaign.items.get(&item).ok_or(Rejection::NotFound)?;
    let items = vec![item];
    Ok(Decision {
        events: vec![CampaignItemsRemoved { campaign_id, items }.into()],
        outcome: Outcome::ItemRemoved { added_at },
    })
}

/// Items that one request adds: earlier ones count for the later ones.
struct Adding<'a> {
    state: &'a OrgState,
    campaign_id: CampaignId,
    campaign: &'a Campaign,
    added: Vec<EntityRef>,
    /// What holds this campaign; made for the first campaign that is judged.
    ways: Option<HashMap<CampaignId, CampaignId>>,
}

impl<'a> Adding<'a> {
    const LIMIT: LimitKey = LimitKey::MaxCampaignItemsPerCampaign;

    fn to(state: &'a OrgState, campaign_id: CampaignId) -> Result<Self, Rejection> {
        let campaign = state.campaign(campaign_id).ok_or(Rejection::NotFound)?;
        Ok(Self {
            state,
            campaign_id,
            campaign,
            added: Vec::new(),
            ways: None,
        })
    }

    fn judge(&mut self, item: EntityRef) -> Result<(), Rejection> {
        let project = self.state.project_of(item).ok_or(Rejection::NotFound)?;
        if project != self.campaign.project_id {
            return Err(Rejection::CrossProject);
        }
        if self.campaign.items.contains_key(&item) || self.added.contains(&item) {
            return Err(Rejection::Duplicate {
                what: Existing::CampaignItem,
                id: item.id(),
            });
        }
        if let EntityRef::Campaign(child) = item
            && let Some(path) = self.path_from(child)
        {
            return Err(Rejection::CampaignCycle { path });
        }
        let current = self.campaign.items.len() + self.added.len();
        check_limit(self.state, Self::LIMIT, current as u64, 1)?;
        self.added.push(item);
        Ok(())
    }

    /// The campaigns by which one holds this one, from the one to this; none if it does not. What is
    /// added meanwhile stands below this one, so it changes nothing of that.
    fn path_from(&mut self, from: CampaignId) -> Option<Vec<CampaignId>> {
        let (project, to) = (self.campaign.project_id, self.campaign_id);
        let ways = self
            .ways
            .get_or_insert_with(|| ways_down(self.state, project, to));
        let mut path = vec![from];
        while *path.last()? != to {
            path.push(*ways.get(path.last()?)?);
        }
        Some(path)
    }

    fn into_events(self, context: &Context<'_>) -> Vec<Event> {
        if self.added.is_empty() {
            return Vec::new();
        }
        let current = (self.campaign.items.len() + self.added.len()) as u64;
        let added = CampaignItemsAdded {
            campaign_id: self.campaign_id,
            items: self.added,
        };
        let mut events = vec![added.into()];
        warn_if_near(self.state, &mut events, Self::LIMIT, current, context);
        events
    }
}

/// For each campaign that holds this one at any depth, the one by which it does: the next on a
/// shortest way down. Breadth first, without recursion: nesting has no bound.
fn ways_down(
    state: &OrgState,
    project: ProjectId,
    to: CampaignId,
) -> HashMap<CampaignId, CampaignId> {
    let mut holders: HashMap<CampaignId, Vec<CampaignId>> = HashMap::new();
    for (holder, campaign) in state.campaigns_of(project) {
        for item in campaign.items.keys() {
            if let EntityRef::Campaign(child) = item {
                holders.entry(*child).or_default().push(holder);
            }
        }
    }
    let mut ways = HashMap::new();
    let mut open = VecDeque::from([to]);
    while let Some(id) = open.pop_front() {
        for holder in holders.remove(&id).unwrap_or_default() {
            if let Entry::Vacant(way) = ways.entry(holder) {
                way.insert(id);
                open.push_back(holder);
            }
        }
    }
    ways
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    if let Event::CampaignAdded(added) = recorded.event {
        let campaign = Campaign::new(added, recorded);
        state.campaigns.insert(added.campaign_id, campaign);
        return;
    }
    let id = match recorded.event {
        Event::CampaignChanged(event) => event.campaign_id,
        Event::CampaignRemoved(event) => event.campaign_id,
        Event::CampaignItemsAdded(event) => event.campaign_id,
        Event::CampaignItemsRemoved(event) => event.campaign_id,
        _ => return,
    };
    let Some(campaign) = state.campaigns.get_mut(&id) else {
        return;
    };
    match recorded.event {
        Event::CampaignChanged(changed) => campaign.apply(changed),
        Event::CampaignRemoved(_) => campaign.removed = true,
        Event::CampaignItemsAdded(added) => {
            let items = added.items.iter().map(|item| (*item, recorded.at));
            campaign.items.extend(items);
        }
        Event::CampaignItemsRemoved(removed) => {
            for item in &removed.items {
                campaign.items.remove(item);
            }
        }
        _ => {}
    }
    campaign.updated_at = recorded.at;
}

impl Campaign {
    fn new(added: &CampaignAdded, recorded: &Recorded<'_>) -> Self {
        Self {
            project_id: added.project_id,
            name: added.name.clone(),
            readme: added.readme.clone(),
            metadata: added.metadata.clone(),
            target_views: added.target_views,
            target_at: added.target_at,
            items: BTreeMap::new(),
            removed: false,
            created_at: recorded.at,
            updated_at: recorded.at,
        }
    }

    fn apply(&mut self, changed: &CampaignChanged) {
        let changed = changed.clone();
        if let Some(name) = changed.name {
            self.name = name;
        }
        if let Some(readme) = changed.readme {
            self.readme = readme;
        }
        if let Some(metadata) = changed.metadata {
            self.metadata = metadata;
        }
        if let Some(target) = changed.target_views {
            self.target_views = target;
        }
        if let Some(target) = changed.target_at {
            self.target_at = target;
        }
    }
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Vec::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
}
