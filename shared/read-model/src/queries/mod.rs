//! The questions, one file for each kind of thing; all are methods of [`OrgReader`](crate::OrgReader).

pub(crate) mod analytics;
pub(crate) mod annotations;
pub(crate) mod api_keys;
mod breakdown;
pub(crate) mod campaign_leaderboard;
pub(crate) mod campaigns;
pub(crate) mod cards;
pub(crate) mod columns;
pub(crate) mod compliance;
pub(crate) mod creator_figures;
pub(crate) mod creator_leaderboard;
pub(crate) mod creator_scatter;
pub(crate) mod creators;
pub(crate) mod goals;
pub(crate) mod inbox;
mod labels;
pub(crate) mod member_overlap;
pub(crate) mod orgs;
pub(crate) mod page;
pub(crate) mod posted_views;
mod posting;
pub(crate) mod projects;
mod raw;
mod rollups;
pub(crate) mod rows;
pub(crate) mod video_leaderboard;
pub(crate) mod videos;
