//! The credential as a request presents it.

use domain::credential::{self, CredentialHash};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::admission::Denial;

/// Reads `Authorization: Bearer <credential>`. What is malformed or has a wrong checksum costs
/// neither hash nor look-up.
pub fn presented(headers: &HeaderMap) -> Result<CredentialHash, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::Missing)?;
    if values.next().is_some() {
        return Err(Denial::TwoCredentials);
    }
    let token = bearer(value).ok_or(Denial::Missing)?;
    let token = std::str::from_utf8(token).map_err(|_| Denial::Invalid)?;
    let (_, hash) = credential::parse(token).map_err(|_| Denial::Invalid)?;
    Ok(hash)
}

/// What stands after `Bearer`, whose case does not count; none if it is another scheme.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(b"Bearer".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return None;
    }
    match rest {
        [b' ', ..] => Some(rest.trim_ascii()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "tga_0123456789abcdef0123456789abcdef0123456789abcdef012345671c637e5a";

    fn of(values: &[&str]) -> Result<CredentialHash, Denial> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        presented(&headers)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert!(of(&[&format!("{scheme} {KEY}")]).is_ok());
            assert!(of(&[&format!("{scheme}  {KEY} ")]).is_ok());
        }
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_wrong() {
        assert_eq!(of(&[]), Err(Denial::Missing));
        for other in [
            "",
            "Basic dGdh",
            "Bearer",
            KEY,
            "Bearerx tga_",
            &format!("Bearer{KEY}"),
        ] {
            assert_eq!(of(&[other]), Err(Denial::Missing), "{other}");
        }
        let wrong_checksum = format!("{}b", &KEY[..67]);
        for wrong in [
            "",
            "x",
            &wrong_checksum,
            &KEY.to_uppercase(),
            &format!("{KEY} x"),
            "ÿ",
        ] {
            assert_eq!(
                of(&[&format!("Bearer {wrong}")]),
                Err(Denial::Invalid),
                "{wrong}"
            );
        }
    }

    #[test]
    fn two_headers_are_refused_even_if_both_are_good() {
        let good = format!("Bearer {KEY}");
        assert_eq!(of(&[&good, &good]), Err(Denial::TwoCredentials));
        assert_eq!(of(&["Basic x", &good]), Err(Denial::TwoCredentials));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert(AUTHORIZATION, value);
            }
            prop_assert!(presented(&headers).is_err());
        }
    }
}
