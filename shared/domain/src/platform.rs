//! Platforms, handles and ids of videos, and the URLs accepted in their place
//! (v1-contract.md 10.1, 11.2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::named::named;

named! {
    /// Where a creator publishes.
    Platform {
        /// TikTok.
        Tiktok = "tiktok",
        /// YouTube; a handle is the channel id.
        Youtube = "youtube",
        /// Instagram.
        Instagram = "instagram",
    }
}

/// What is wrong with a handle, a video id or a URL; the text says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlatformError {
    /// Not a platform.
    #[error("not one of tiktok, youtube, instagram")]
    UnknownPlatform,
    /// Not a handle of the platform.
    #[error("{}", handle_rule(*.0))]
    Handle(Platform),
    /// Not a video id of the platform.
    #[error("{}", video_rule(*.0))]
    VideoId(Platform),
    /// Not a profile URL that is accepted.
    #[error(
        "not a profile URL of the form https://www.tiktok.com/@<handle>, https://www.youtube.com/channel/<id> or https://www.instagram.com/<handle>"
    )]
    ProfileUrl,
    /// Not a video URL that is accepted.
    #[error(
        "not a video URL of the form https://www.tiktok.com/@<handle>/video/<id>, https://www.youtube.com/watch?v=<id> or https://www.instagram.com/p/<id>; short links must be pasted in their long form"
    )]
    VideoUrl,
}

const fn handle_rule(platform: Platform) -> &'static str {
    match platform {
        Platform::Tiktok => "a TikTok handle is 1 to 30 letters, digits, '.', '_' or '-'",
        Platform::Youtube => {
            "a YouTube handle is the channel id: UC and 22 letters, digits, '_' or '-'"
        }
        Platform::Instagram => "an Instagram handle is 1 to 30 letters, digits, '.' or '_'",
    }
}

const fn video_rule(platform: Platform) -> &'static str {
    match platform {
        Platform::Tiktok => "a TikTok video id is 1 to 20 digits",
        Platform::Youtube => "a YouTube video id is 11 letters, digits, '_' or '-'",
        Platform::Instagram => "an Instagram video id is 5 to 64 letters, digits, '_' or '-'",
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == text)
            .ok_or(PlatformError::UnknownPlatform)
    }
}

/// An account's name on its platform, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Handle(String);

impl Handle {
    /// Strips spaces around and a leading `@`, then checks the platform's rule.
    pub fn parse(platform: Platform, text: &str) -> Result<Self, PlatformError> {
        let text = text.trim();
        let text = text.strip_prefix('@').unwrap_or(text).trim();
        let fits = match platform {
            Platform::Tiktok => (1..=30).contains(&text.len()) && all(text, b"._-"),
            Platform::Youtube => text.len() == 24 && text.starts_with("UC") && all(text, b"_-"),
            Platform::Instagram => (1..=30).contains(&text.len()) && all(text, b"._"),
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(PlatformError::Handle(platform))
        }
    }

    /// The handle as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two handles of the platform are the same account.
    pub fn folded(&self, platform: Platform) -> String {
        match platform {
            Platform::Tiktok | Platform::Instagram => self.0.to_ascii_lowercase(),
            Platform::Youtube => self.0.clone(),
        }
    }

    /// The account's page.
    pub fn profile_url(&self, platform: Platform) -> String {
        match platform {
            Platform::Tiktok => format!("https://www.tiktok.com/@{}", self.0),
            Platform::Youtube => format!("https://www.youtube.com/channel/{}", self.0),
            Platform::Instagram => format!("https://www.instagram.com/{}", self.0),
        }
    }

    /// Reads a profile URL.
    pub fn from_url(url: &str) -> Result<(Platform, Self), PlatformError> {
        let (platform, path, _) = split_url(url).ok_or(PlatformError::ProfileUrl)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let name = match platform {
            Host::Tiktok => path.strip_prefix("/@"),
            Host::Youtube => path.strip_prefix("/channel/"),
            Host::Instagram => path.strip_prefix('/'),
            Host::YoutubeShort => None,
        };
        let name = name
            .filter(|name| !name.contains('/'))
            .ok_or(PlatformError::ProfileUrl)?;
        let platform = platform.platform();
        Self::parse(platform, name).map(|handle| (platform, handle))
    }
}

/// A video's id on its platform.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct PlatformVideoId(String);

impl PlatformVideoId {
    /// Checks the platform's rule.
    pub fn parse(platform: Platform, text: &str) -> Result<Self, PlatformError> {
        let fits = match platform {
            Platform::Tiktok => {
                (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
            }
            Platform::Youtube => text.len() == 11 && all(text, b"_-"),
            Platform::Instagram => (5..=64).contains(&text.len()) && all(text, b"_-"),
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(PlatformError::VideoId(platform))
        }
    }

    /// The id as the platform writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The video's page. TikTok needs a handle in the path but goes by the id alone.
    pub fn url(&self, platform: Platform, handle: Option<&Handle>) -> String {
        match platform {
            Platform::Tiktok => {
                let handle = handle.map_or("_", Handle::as_str);
                format!("https://www.tiktok.com/@{handle}/video/{}", self.0)
            }
            Platform::Youtube => format!("https://www.youtube.com/watch?v={}", self.0),
            Platform::Instagram => format!("https://www.instagram.com/p/{}", self.0),
        }
    }
}

/// What a video URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoUrl {
    /// The platform of its host.
    pub platform: Platform,
    /// The video.
    pub id: PlatformVideoId,
    /// Whether the URL says that it is a photo carousel.
    pub is_photo: bool,
    /// The URL without what does not name the video.
    pub url: String,
}

impl VideoUrl {
    /// Reads a video URL: https, with or without `www.` or `m.`, other parameters dropped.
    pub fn parse(url: &str) -> Result<Self, PlatformError> {
        let (host, path, query) = split_url(url).ok_or(PlatformError::VideoUrl)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/').skip(1);
        let (first, second, third, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        let platform = host.platform();
        let mut handle = None;
        let mut is_photo = false;
        let id = match (host, first, second, third, rest) {
            (Host::Tiktok, Some(at), Some(kind @ ("video" | "photo")), Some(id), None) => {
                let name = at.strip_prefix('@').ok_or(PlatformError::VideoUrl)?;
                handle = Some(Handle::parse(platform, name)?);
                is_photo = kind == "photo";
                Some(id)
            }
            (Host::Youtube, Some("watch"), None, None, None) => parameter(query, "v"),
            (Host::Youtube, Some("shorts"), Some(id), None, None)
            | (Host::YoutubeShort, Some(id), None, None, None)
            | (Host::Instagram, Some("p" | "reel"), Some(id), None, None) => Some(id),
            _ => None,
        };
        let id = PlatformVideoId::parse(platform, id.ok_or(PlatformError::VideoUrl)?)?;
        let mut url = id.url(platform, handle.as_ref());
        if is_photo {
            url = url.replace("/video/", "/photo/");
        }
        Ok(Self {
            platform,
            id,
            is_photo,
            url,
        })
    }
}

#[derive(Clone, Copy)]
enum Host {
    Tiktok,
    Youtube,
    YoutubeShort,
    Instagram,
}

impl Host {
    const fn platform(self) -> Platform {
        match self {
            Self::Tiktok => Platform::Tiktok,
            Self::Youtube | Self::YoutubeShort => Platform::Youtube,
            Self::Instagram => Platform::Instagram,
        }
    }
}

/// Host, path and query of an https URL of a known host.
fn split_url(url: &str) -> Option<(Host, &str, &str)> {
    let scheme = url
        .get(..8)
        .filter(|scheme| scheme.eq_ignore_ascii_case("https://"))?;
    let rest = &url[scheme.len()..];
    let rest = rest.split('#').next().unwrap_or(rest);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let slash = address.find('/').unwrap_or(address.len());
    let (host, path) = address.split_at(slash);
    let host = host.to_ascii_lowercase();
    let bare = host
        .strip_prefix("www.")
        .or_else(|| host.strip_prefix("m."))
        .unwrap_or(&host);
    let host = match bare {
        "tiktok.com" => Host::Tiktok,
        "youtube.com" => Host::Youtube,
        "youtu.be" => Host::YoutubeShort,
        "instagram.com" => Host::Instagram,
        _ => return None,
    };
    Some((host, path, query))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn all(text: &str, more: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHANNEL: &str = "UCX6OQ3DkcsbYNE6H8uQQuVA";

    #[test]
    fn handles_are_stripped_checked_and_folded() {
        let handle = Handle::parse(Platform::Tiktok, " @Charli.D-Amelio_1 ").unwrap();
        assert_eq!(handle.as_str(), "Charli.D-Amelio_1");
        assert_eq!(handle.folded(Platform::Tiktok), "charli.d-amelio_1");
        let channel = Handle::parse(Platform::Youtube, CHANNEL).unwrap();
        assert_eq!(channel.folded(Platform::Youtube), CHANNEL);
        for (platform, bad) in [
            (Platform::Tiktok, ""),
            (Platform::Tiktok, "a b"),
            (Platform::Tiktok, "ünïcode"),
            (Platform::Tiktok, "a234567890123456789012345678901"),
            (Platform::Instagram, "with-dash"),
            (Platform::Youtube, "MrBeast"),
            (Platform::Youtube, "UCX6OQ3DkcsbYNE6H8uQQuV!"),
        ] {
            assert_eq!(
                Handle::parse(platform, bad),
                Err(PlatformError::Handle(platform)),
                "{bad}"
            );
        }
    }

    #[test]
    fn profile_urls_name_platform_and_handle() {
        for (url, platform, handle) in [
            ("https://www.tiktok.com/@charli", Platform::Tiktok, "charli"),
            (
                "https://m.tiktok.com/@charli/?lang=en",
                Platform::Tiktok,
                "charli",
            ),
            (
                "https://www.instagram.com/nasa/",
                Platform::Instagram,
                "nasa",
            ),
            (
                "HTTPS://YouTube.com/channel/UCX6OQ3DkcsbYNE6H8uQQuVA",
                Platform::Youtube,
                CHANNEL,
            ),
        ] {
            let (found, name) = Handle::from_url(url).unwrap();
            assert_eq!((found, name.as_str()), (platform, handle));
            assert_eq!(
                Handle::from_url(&name.profile_url(platform)).unwrap(),
                (platform, name)
            );
        }
        for bad in [
            "http://www.tiktok.com/@a",
            "https://evil.com/@a",
            "https://tiktok.com/a",
            "",
        ] {
            assert_eq!(
                Handle::from_url(bad),
                Err(PlatformError::ProfileUrl),
                "{bad}"
            );
        }
    }

    #[test]
    fn video_urls_name_platform_and_id() {
        for (url, platform, id) in [
            (
                "https://www.tiktok.com/@a/video/7301?x=1",
                Platform::Tiktok,
                "7301",
            ),
            ("https://tiktok.com/@a/photo/7301", Platform::Tiktok, "7301"),
            (
                "https://m.youtube.com/watch?t=1&v=dQw4w9WgXcQ",
                Platform::Youtube,
                "dQw4w9WgXcQ",
            ),
            (
                "https://www.youtube.com/shorts/dQw4w9WgXcQ",
                Platform::Youtube,
                "dQw4w9WgXcQ",
            ),
            (
                "https://youtu.be/dQw4w9WgXcQ?si=abc",
                Platform::Youtube,
                "dQw4w9WgXcQ",
            ),
            (
                "https://instagram.com/reel/Cabcde_-/",
                Platform::Instagram,
                "Cabcde_-",
            ),
        ] {
            let video = VideoUrl::parse(url).unwrap();
            assert_eq!((video.platform, video.id.as_str()), (platform, id));
            assert_eq!(VideoUrl::parse(&video.url).unwrap().id, video.id);
        }
        for bad in [
            "https://vm.tiktok.com/ZMabc/",
            "https://www.youtube.com/watch",
            "https://youtu.be/",
            "http://youtu.be/dQw4w9WgXcQ",
            "https://www.tiktok.com/a/video/1",
            "ftp",
        ] {
            assert_eq!(VideoUrl::parse(bad), Err(PlatformError::VideoUrl), "{bad}");
        }
    }
}
