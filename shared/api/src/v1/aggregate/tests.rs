#![expect(clippy::unwrap_used, reason = "tests")]

use domain::event::TrackingStatus;
use domain::ids::{CreatorId, VideoId};
use domain::platform::Platform;

use super::*;
use crate::v1::Figure;
use crate::v1::tests::{described, members};

fn card() -> CreatorCard {
    CreatorCard {
        id: CreatorId::from_uuid(uuid::Uuid::from_u128(7)),
        platform: Platform::Tiktok,
        handle: "ada".to_owned(),
        tiktok_handle: Some("ada".to_owned()),
        display_name: None,
        avatar_url: None,
    }
}

#[test]
fn a_creator_in_a_row_has_the_contracts_members_in_their_order() {
    let names = "id platform handle tiktok_handle display_name avatar_url";
    assert_eq!(members(&card()).join(" "), names);
    assert_eq!(members(&card()), described::<CreatorCard>());
}

#[test]
fn rows_have_the_contracts_members_in_their_order() {
    let video = VideoLeaderboardRow {
        video_id: VideoId::from_uuid(uuid::Uuid::from_u128(9)),
        title: None,
        thumbnail_url: None,
        url: "https://example.com".to_owned(),
        view_count: Some(1),
        like_count: None,
        comment_count: None,
        share_count: None,
        save_count: None,
        posted_at: None,
        platform: Platform::Tiktok,
        tracking_status: TrackingStatus::DirectAdd,
        creator: None,
    };
    assert_eq!(
        members(&video).join(" "),
        "video_id title thumbnail_url url view_count like_count comment_count share_count \
         save_count posted_at platform tracking_status creator"
    );
    assert_eq!(members(&video), described::<VideoLeaderboardRow>());
    let creator = CreatorLeaderboardRow {
        creator: card(),
        views: Some(-3),
        likes: None,
        comments: None,
        shares: None,
        saves: None,
        posts: 0,
        followers: Some(Figure::Count(5)),
        followers_gained: None,
        engagement_rate_by_views: Some(Figure::Decimal(35_000)),
    };
    assert_eq!(
        members(&creator).join(" "),
        "creator views likes comments shares saves posts followers followers_gained \
         engagement_rate_by_views"
    );
    assert_eq!(members(&creator), described::<CreatorLeaderboardRow>());
    let json = serde_json::to_value(&creator).unwrap();
    assert_eq!(json["followers"], 5);
    assert!((json["engagement_rate_by_views"].as_f64().unwrap() - 3.5).abs() < 1e-9);
    let place = ScatterRow {
        creator: card(),
        x: None,
        y: None,
        posts: 2,
    };
    assert_eq!(members(&place), described::<ScatterRow>());
}

#[test]
fn summaries_have_the_contracts_members_in_their_order() {
    let cell = HeatmapCell {
        dow: 0,
        hour: 23,
        post_count: 1,
        avg_views: None,
    };
    assert_eq!(members(&cell).join(" "), "dow hour post_count avg_views");
    assert_eq!(members(&cell), described::<HeatmapCell>());
    let regular = PostingConsistencyRow {
        creator: card(),
        posts: 1,
        active_days: 1,
        days: 30,
        weeks_with_posts: 1,
        weeks: 5,
        consistency: Figure::Decimal(2_000),
        longest_gap_days: None,
        median_gap_hours: None,
    };
    assert_eq!(
        members(&regular).join(" "),
        "creator posts active_days days weeks_with_posts weeks consistency longest_gap_days \
         median_gap_hours"
    );
    assert_eq!(members(&regular), described::<PostingConsistencyRow>());
    let distribution = ViewDistribution {
        count: 0,
        min: None,
        max: None,
        mean: None,
        bins: vec![],
        percentiles: Percentiles {
            p10: None,
            p25: None,
            p50: None,
            p75: None,
            p90: None,
            p95: None,
            p99: None,
        },
    };
    assert_eq!(
        members(&distribution).join(" "),
        "count min max mean bins percentiles"
    );
    assert_eq!(members(&distribution), described::<ViewDistribution>());
    assert_eq!(
        members(&distribution.percentiles),
        described::<Percentiles>()
    );
    let outlier = OutlierRow {
        video_id: VideoId::from_uuid(uuid::Uuid::from_u128(9)),
        title: None,
        url: String::new(),
        creator: Some(card()),
        posted_at: None,
        view_count: Some(9),
        median_views: Figure::Decimal(25_000),
        score: Figure::Decimal(-41_234),
        direction: DirectionName::Low,
    };
    assert_eq!(
        members(&outlier).join(" "),
        "video_id title url creator posted_at view_count median_views score direction"
    );
    assert_eq!(members(&outlier), described::<OutlierRow>());
    let json = serde_json::to_value(&outlier).unwrap();
    assert_eq!(json["direction"], "low");
}
