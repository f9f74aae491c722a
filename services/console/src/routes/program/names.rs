//! How things without a name of their own are called, and what is said where nothing was reported.

use api::v1::{Creator, CreatorCard, CreatorRef, CreatorStatus, Platform, Video};

use crate::routes::choice::Choice;
use crate::text;

/// What stands where nothing was reported.
pub const NOTHING: &str = "\u{2013}";
/// Letters of a title that stand in a row.
const TITLE_LETTERS: usize = 120;

/// A platform as it writes itself.
pub const fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Tiktok => "TikTok",
        Platform::Youtube => "YouTube",
        Platform::Instagram => "Instagram",
    }
}

/// The same, by the API's name for it; of a platform that is not known here that name.
pub fn platform_named(name: &str) -> &str {
    let mut known = Platform::ALL.into_iter();
    let known = known.find(|platform| platform.name() == name);
    match known {
        Some(known) => platform(known),
        None => name,
    }
}

/// Platforms to filter by.
pub fn platforms(asked: &str) -> Vec<Choice> {
    let known = Platform::ALL.map(|known| (known.name(), platform(known)));
    Choice::all([("", "all")].into_iter().chain(known), asked)
}

/// Whether a creator is followed, as the API calls it.
pub const fn status(status: CreatorStatus) -> &'static str {
    match status {
        CreatorStatus::Active => "active",
        CreatorStatus::AutoDisabled => "auto_disabled",
        CreatorStatus::Removed => "removed",
    }
}

/// A handle as its platform writes it.
pub fn handle(platform: Platform, handle: &str) -> String {
    match platform {
        Platform::Tiktok | Platform::Instagram => format!("@{handle}"),
        Platform::Youtube => handle.to_owned(),
    }
}

/// A creator's name, else the handle.
pub fn creator(creator: &Creator) -> String {
    named(
        creator.display_name.as_deref(),
        creator.platform,
        &creator.handle,
    )
}

/// The same, beside a video of the inbox.
pub fn of_video(creator: &CreatorRef) -> String {
    named(
        creator.display_name.as_deref(),
        creator.platform,
        &creator.handle,
    )
}

/// The same, on a leaderboard.
pub fn card(card: &CreatorCard) -> String {
    named(card.display_name.as_deref(), card.platform, &card.handle)
}

fn named(name: Option<&str>, platform: Platform, account: &str) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => handle(platform, account),
    }
}

/// A video's title, else its id on the platform.
pub fn video(video: &Video) -> String {
    let title = titled(video.title.as_deref());
    title.unwrap_or_else(|| {
        format!(
            "{} video {}",
            platform(video.platform),
            video.platform_video_id
        )
    })
}

/// A title, shortened, if there is one.
pub fn titled(title: Option<&str>) -> Option<String> {
    let title = title?.trim();
    let mut letters = title.chars();
    let mut short: String = letters.by_ref().take(TITLE_LETTERS).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}

/// Up to two letters that stand for a name.
pub fn initials(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let first = words.filter_map(|word| word.chars().next()).take(2);
    let letters: String = first.flat_map(char::to_uppercase).collect();
    if letters.is_empty() {
        "?".to_owned()
    } else {
        letters
    }
}

/// A count, if it was reported.
pub fn count(value: Option<u64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), text::number)
}

/// The same of a gain, which can be a loss.
pub fn gain(value: Option<i64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| text::signed(value.into()))
}

/// An address elsewhere that a link may lead to.
pub fn outside(address: &str) -> Option<String> {
    let url: url::Url = address.parse().ok()?;
    matches!(url.scheme(), "http" | "https").then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use api::v1::Platform;

    use super::{handle, initials, named, outside, titled};

    #[test]
    fn a_creator_without_a_name_is_called_by_the_handle() {
        assert_eq!(named(Some("Ada"), Platform::Tiktok, "ada.b"), "Ada");
        assert_eq!(named(Some("  "), Platform::Tiktok, "ada.b"), "@ada.b");
        assert_eq!(handle(Platform::Youtube, "UC123"), "UC123");
    }

    #[test]
    fn initials_are_the_first_letters_of_two_words() {
        for (name, expected) in [
            ("Brave Ram", "BR"),
            ("@ada_lovelace", "AL"),
            ("ß", "SS"),
            ("山羊 農場", "山農"),
            ("…", "?"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn a_long_title_is_cut() {
        assert_eq!(titled(Some(" a dance ")).as_deref(), Some("a dance"));
        assert_eq!(titled(Some("  ")), None);
        let cut = titled(Some(&"ä".repeat(500))).expect("a title");
        assert_eq!(cut.chars().count(), 121);
    }

    #[test]
    fn links_lead_to_web_pages_alone() {
        assert!(outside("https://www.tiktok.com/@ada").is_some());
        for address in ["javascript:alert(1)", "data:text/html,x", "/settings", ""] {
            assert_eq!(outside(address), None, "{address}");
        }
    }
}
