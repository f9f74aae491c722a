//! What a client is, by what it says of itself.

/// Characters that are shown of a client that is not known.
const SHOWN: usize = 60;

/// Browsers by what they alone write. Most write the names of others too, so the order tells.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
];

/// Systems, likewise: phones before what they are built on.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox 128 on Linux`; of a program its own name, as it is.
pub fn name(user_agent: Option<&str>) -> String {
    let Some(text) = user_agent.map(str::trim).filter(|text| !text.is_empty()) else {
        return "unknown device".to_owned();
    };
    match (browser(text), system(text)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser,
        (None, Some(system)) if text.starts_with("Mozilla/") => format!("browser on {system}"),
        (None, _) => program(text),
    }
}

fn browser(text: &str) -> Option<String> {
    let known = BROWSERS.into_iter();
    let mut found = known.filter_map(|(mark, name)| Some((name, version(text, mark)?)));
    if let Some((name, version)) = found.next() {
        let name = if text.contains("Headless") {
            format!("Headless {name}")
        } else {
            name.to_owned()
        };
        return Some(with_version(&name, version));
    }
    if text.contains("Safari/") {
        let version = version(text, "Version/").unwrap_or_default();
        return Some(with_version("Safari", version));
    }
    None
}

/// The first part of the version behind a mark.
fn version<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    Some(&rest[..end.unwrap_or(rest.len())])
}

fn with_version(name: &str, version: &str) -> String {
    format!("{name} {version}").trim_end().to_owned()
}

fn system(text: &str) -> Option<&'static str> {
    let mut known = SYSTEMS.into_iter();
    let found = known.find(|(mark, _)| text.contains(mark));
    found.map(|(_, name)| name)
}

/// `curl/8.5.0 (x86_64)` is `curl 8.5.0`.
fn program(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or(text);
    let named = first.replacen('/', " ", 1);
    named.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn browsers_are_told_apart_though_each_names_the_others() {
        for (text, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox 128 on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87",
                "Edge 126 on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari 17 on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1",
                "Chrome 126 on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet 25 on Android",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
                "Headless Chrome 126 on Linux",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64)", "browser on Linux"),
        ] {
            assert_eq!(name(Some(text)), expected, "{text}");
        }
    }

    #[test]
    fn programs_are_called_what_they_call_themselves() {
        assert_eq!(name(Some("curl/8.5.0")), "curl 8.5.0");
        assert_eq!(name(Some("python-requests/2.32 x")), "python-requests 2.32");
        assert_eq!(name(Some(&"ä".repeat(256))).chars().count(), 60);
        assert_eq!(name(Some("  ")), "unknown device");
        assert_eq!(name(None), "unknown device");
    }
}
