//! Charts without scripts: the form is an address, and whatever is asked for, the form answers.

use reqwest::StatusCode;
use runtime::clock::Clock;
use serde_json::Value;

use super::{Browser, Page};
use crate::dev::Dev;

/// As pages write a count.
fn count(value: &Value) -> String {
    let Some(value) = value.as_i64() else {
        return "\u{2013}".to_owned();
    };
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 {
        text.insert(0, '\u{2212}');
    }
    text
}

/// The cells of the table below a chart, row by row, and last the totals.
fn figures(page: &Page) -> Vec<String> {
    let (_, table) = page.text.split_once("aria-label=\"Figures\"").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    let cells = table.split("<td class=\"number\">").skip(1);
    cells
        .map(|cell| cell.split_once('<').unwrap().0.to_owned())
        .collect()
}

/// The same cells, as the API has the figures.
fn expected(series: &[&Value]) -> Vec<String> {
    let points = series[0]["points"].as_array().unwrap().len();
    let mut cells = Vec::new();
    for n in 0..points {
        let values = series.iter().map(|series| &series["points"][n]["value"]);
        cells.extend(values.map(count));
    }
    cells.extend(series.iter().map(|series| count(&series["total"])));
    cells
}

#[tokio::test]
async fn a_chart_is_its_address_and_its_table_has_the_same_figures() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let project = dev.project().to_owned();
    let of_api = |entity: &str, id: &str, query: &str| {
        format!("/analytics?entity={entity}&entity_id={id}&{query}")
    };

    // The form says where it leads, and with which fields.
    let place = format!("/projects/{project}");
    let plain = browser.get(&place).await;
    let form = format!("<form class=\"filters\" method=\"get\" action=\"{place}#chart\"");
    assert!(plain.text.contains(&form), "{}", plain.text);

    // What a browser sends for it, with everything filled in.
    let today = Clock::system().now().date_naive();
    let from = today - chrono::TimeDelta::days(40);
    let query = format!(
        "metric=likes&mode=cumulative&granularity=week&from={from}&to={today}&tz=Asia%2FKathmandu&compare=prior_period"
    );
    let shown = browser.get(&format!("{place}?{query}")).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    for chosen in [
        "<option value=\"likes\" selected>",
        "<option value=\"cumulative\" selected>",
        "<option value=\"week\" selected>",
        &format!("name=\"from\" value=\"{from}\""),
        "name=\"tz\" list=\"zones\" value=\"Asia/Kathmandu\"",
        "value=\"prior_period\" checked",
        "Likes, running total by week",
    ] {
        assert!(shown.text.contains(chosen), "{chosen}: {}", shown.text);
    }
    let found = dev.get(&of_api("project", &project, &query)).await;
    let data = &found.body["data"];
    let series = [&data["series"][0], &data["compare_series"][0]];
    assert_eq!(figures(&shown), expected(&series));
    // The picture says what it is, and where its figures are.
    assert_eq!(
        shown.all_between("role=\"img\" font-size", "</svg>").len(),
        2
    );
    for picture in shown.all_between("role=\"img\" font-size", "</svg>") {
        assert!(
            picture.contains("<title>Likes, running total by week</title>"),
            "{picture}"
        );
        assert!(
            picture.contains("stand in the table below.</desc>"),
            "{picture}"
        );
    }
    // Whoever has the address sees the same, and so does a page that asks for the part alone.
    let again = browser.get(&format!("{place}?{query}")).await;
    assert_eq!(figures(&again), figures(&shown));
    let part = browser.part(&format!("{place}?{query}")).await;
    assert!(!part.text.contains("<html"), "{}", part.text);
    assert_eq!(figures(&part), figures(&shown));

    // By video: the whole first, then each part.
    let creators = dev
        .get(&format!("/creators?project_id={project}&limit=1"))
        .await;
    let creator = creators.body["data"][0]["id"].as_str().unwrap().to_owned();
    let shown = browser
        .get(&format!("/creators/{creator}?metric=views&breakdown=video"))
        .await;
    let found = dev
        .get(&of_api("creator", &creator, "metric=views&breakdown=video"))
        .await;
    let data = &found.body["data"];
    let parts = data["breakdown_series"].as_array().unwrap();
    assert!(!parts.is_empty(), "{data}");
    let series: Vec<_> = [&data["series"][0]].into_iter().chain(parts).collect();
    assert_eq!(figures(&shown), expected(&series));
}

#[tokio::test]
async fn what_a_chart_cannot_show_is_told_at_its_control() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let project = format!("/projects/{}", dev.project());
    let creators = format!("/creators?project_id={}&limit=1", dev.project());
    let creators = dev.get(&creators).await;
    let creator = creators.body["data"][0]["id"].as_str().unwrap();
    let creator = format!("/creators/{creator}");
    for (place, query, field) in [
        (&project, "metric=applause", "metric"),
        (&project, "mode=sideways", "mode"),
        (&project, "granularity=hour", "granularity"),
        (&project, "granularity=custom&bucket_days=91", "bucket_days"),
        (
            &project,
            "granularity=custom&bucket_days=some",
            "bucket_days",
        ),
        (&project, "from=2026-02-30", "from"),
        (&project, "from=2026-03-05&to=2026-03-01", "from"),
        (&project, "to=tomorrow", "to"),
        (&project, "tz=Mars%2FOlympus", "tz"),
        (&project, "compare=never", "compare"),
        (
            &project,
            "metric=growth_rate_pop&base_metric=applause",
            "base_metric",
        ),
        (&creator, "breakdown=creator", "breakdown"),
    ] {
        let asked = browser.get(&format!("{place}?{query}")).await;
        assert_eq!(asked.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(asked.blames(field), "{query}: {}", asked.text);
        assert!(asked.text.contains("role=\"alert\""), "{query}");
        // The page is whole: its heading, and the form with what was asked for.
        assert!(asked.text.contains("<h1>"), "{query}");
        assert!(asked.text.contains("Download CSV"), "{query}");
        let part = browser.part(&format!("{place}?{query}")).await;
        assert!(part.blames(field), "{query}: {}", part.text);
    }

    // What belongs to a choice that was not made is left out, and not held against anybody.
    for query in [
        "metric=engagement_rate_by_views&mode=cumulative&breakdown=video",
        "metric=views&base_metric=likes&granularity=day&bucket_days=7",
        "metric=growth_rate_pop",
        "granularity=custom",
        "metric=views&metric=likes",
    ] {
        for place in [&project, &creator] {
            let asked = browser.get(&format!("{place}?{query}")).await;
            assert_eq!(asked.status, StatusCode::OK, "{query}: {}", asked.text);
            assert!(asked.text.contains("aria-label=\"Figures\""), "{query}");
        }
    }
}
