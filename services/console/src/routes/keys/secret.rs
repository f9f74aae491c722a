//! The one answer that shows a secret, and what to do with it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use api::v1::ApiKey;

use crate::page::{Framed, Shell, render};
use crate::service::Secret;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "keys/secret.html")]
struct SecretPage<'a> {
    shell: Shell,
    key: &'a ApiKey,
    secret: &'a str,
    /// What the old key is told, of a rotation.
    old: Option<String>,
    /// What is to be changed in the examples.
    address_help: Option<String>,
    curl: String,
    python: String,
    mcp: Option<String>,
}

impl Framed for SecretPage<'_> {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// Shows a new key, this once.
pub fn show(
    visit: &Visit,
    shell: Shell,
    key: &ApiKey,
    secret: &str,
    old: Option<String>,
) -> Response {
    let base = api_base(visit);
    let page = SecretPage {
        shell,
        key,
        secret,
        old,
        address_help: address_help(visit),
        curl: curl(&base, "/projects"),
        python: python(&base),
        mcp: visit.app.mcp_url.as_ref().map(|url| mcp(url.as_str())),
    };
    let mut response = render(StatusCode::CREATED, &page);
    response.extensions_mut().insert(Secret);
    response
}

/// Where examples look for the API on the reader's own machine, if nobody told where it is.
const OWN_MACHINE: &str = "http://127.0.0.1:8080";

/// What stands beside examples if nobody told where scripts reach the API.
pub fn address_help(visit: &Visit) -> Option<String> {
    let is_told = visit.app.public_url.is_some();
    let help = format!(
        "Put the address of your API in place of {OWN_MACHINE}: this console was not told it \
         (--public-url)."
    );
    (!is_told).then_some(help)
}

/// Where scripts reach the API: as it was told, else on the reader's own machine.
pub fn api_base(visit: &Visit) -> String {
    let told = visit.app.public_url.as_ref();
    let base = told.map_or(OWN_MACHINE, |url| url.as_str());
    format!("{}{}", base.trim_end_matches('/'), api::BASE_PATH)
}

/// A call from a shell; the key stands in a variable, so that it is no part of what is kept of commands.
pub fn curl(base: &str, path: &str) -> String {
    format!("curl -H \"Authorization: Bearer $TRACKAGOAT_KEY\" {base}{path}")
}

fn python(base: &str) -> String {
    format!(
        r#"import json, os, urllib.request

request = urllib.request.Request(
    "{base}/projects",
    headers={{"Authorization": "Bearer " + os.environ["TRACKAGOAT_KEY"]}},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)["data"])"#
    )
}

fn mcp(url: &str) -> String {
    format!(
        r#"{{
  "mcpServers": {{
    "trackagoat": {{
      "type": "http",
      "url": "{url}",
      "headers": {{ "Authorization": "Bearer ${{TRACKAGOAT_KEY}}" }}
    }}
  }}
}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::{curl, mcp, python};

    #[test]
    fn examples_name_the_variable_and_no_secret() {
        let base = "https://app.example.com/api/v1";
        assert_eq!(
            curl(base, "/projects"),
            "curl -H \"Authorization: Bearer $TRACKAGOAT_KEY\" https://app.example.com/api/v1/projects"
        );
        assert!(python(base).contains("\"https://app.example.com/api/v1/projects\""));
        let config: serde_json::Value =
            serde_json::from_str(&mcp("https://app.example.com/mcp")).expect("JSON");
        assert_eq!(
            config["mcpServers"]["trackagoat"]["url"],
            "https://app.example.com/mcp"
        );
    }
}
