//! Query strings: every parameter known, none twice (v1-contract.md 1.1, 1.2).

use std::borrow::Cow;
use std::cell::RefCell;

use axum::extract::FromRequestParts;
use chrono::{Days, NaiveDate};
use domain::limits::{CURSOR_CHARS, PAGE_DEFAULT, PAGE_MAX, RANGE_DEFAULT_DAYS};
use http::request::Parts;

use super::issue::{Invalid, Issues, shown};
use super::text::{Place, Text};
use crate::error::ApiError;

/// A query string.
pub trait FromQuery: Sized {
    /// Reads every parameter, then gives the value if all were acceptable. Parameters that are
    /// not asked for are refused by the caller.
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid>;
}

/// The parameters of one query string.
pub struct Params<'a> {
    pairs: &'a [(String, String)],
    issues: &'a RefCell<Issues>,
    known: Vec<&'static str>,
}

impl<'a> Params<'a> {
    /// A parameter that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(Text<'a>) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        self.optional(name, reader)?
            .ok_or_else(|| self.invalid(name, "is required"))
    }

    /// A parameter that may be absent.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(Text<'a>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        match self.pairs.iter().find(|(known, _)| known == name) {
            None => Ok(None),
            Some((_, value)) => {
                reader(Text::new(value, Place::Parameter(name), self.issues)).map(Some)
            }
        }
    }

    /// `limit` and `cursor`.
    pub fn page(&mut self) -> Result<PageParams, Invalid> {
        let limit = self.optional("limit", |it| it.decimal(1..=u64::from(PAGE_MAX)));
        let cursor = self.optional("cursor", |it| {
            if it.as_str().is_empty() || it.as_str().len() > CURSOR_CHARS {
                return Err(it.invalid("not a cursor of this list"));
            }
            Ok(it.as_str().to_owned())
        });
        let limit = limit?.and_then(|limit| u16::try_from(limit).ok());
        Ok(PageParams {
            limit: limit.unwrap_or(PAGE_DEFAULT),
            cursor: cursor?,
        })
    }

    /// `from` and `to`, dates.
    pub fn range(&mut self) -> Result<RangeParams, Invalid> {
        let from = self.optional("from", Text::date);
        let to = self.optional("to", Text::date);
        let (from, to) = (from?, to?);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(self.invalid("from", "must not be after to"));
        }
        Ok(RangeParams { from, to })
    }

    /// Whether the parameter is there. It does not count as asked for.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// Records what is wrong with a parameter, or with two that do not fit together.
    pub fn invalid(&self, name: &str, message: impl Into<Cow<'static, str>>) -> Invalid {
        self.issues.borrow_mut().push(shown(name), message);
        Invalid
    }

    fn refuse_unknown_and_repeated(&self) {
        for (index, (name, _)) in self.pairs.iter().enumerate() {
            if !self.known.contains(&name.as_str()) {
                let known = self.known.join(", ");
                self.invalid(
                    name,
                    if known.is_empty() {
                        "is unknown: this path has no parameters".to_owned()
                    } else {
                        format!("is unknown; allowed are {known}")
                    },
                );
            } else if self.pairs[..index].iter().any(|(before, _)| before == name) {
                self.invalid(name, "is repeated");
            }
        }
    }
}

/// `limit` and `cursor` as they came; the cursor is opened by [`crate::cursor::Cursors`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageParams {
    /// Items of a page, 1 to 100.
    pub limit: u16,
    /// Where the page begins; `None` is the first.
    pub cursor: Option<String>,
}

/// `from` and `to` as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeParams {
    /// The first day asked for.
    pub from: Option<NaiveDate>,
    /// The last day asked for.
    pub to: Option<NaiveDate>,
}

impl RangeParams {
    /// The first and the last day: `to` is today unless given, `from` 29 days before `to`.
    /// `today` is the day in the zone of the answer.
    pub fn resolve(self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), ApiError> {
        let to = self.to.unwrap_or(today);
        let span = Days::new(RANGE_DEFAULT_DAYS.unsigned_abs() - 1);
        let from = self
            .from
            .or_else(|| to.checked_sub_days(span))
            .unwrap_or(NaiveDate::MIN);
        if from > to {
            let issues = Issues::one("from", "must not be after to, which is today by default");
            return Err(ApiError::invalid_query(&issues));
        }
        Ok((from, to))
    }
}

/// The query string of a request.
#[derive(Debug, Clone)]
pub struct StrictQuery<T> {
    /// What was read.
    pub value: T,
    /// All parameters but `limit` and `cursor`, in one spelling: what a cursor is bound to.
    pub filters: String,
}

/// No parameter at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoParams;

impl FromQuery for NoParams {
    fn read(_: &mut Params<'_>) -> Result<Self, Invalid> {
        Ok(Self)
    }
}

/// Reads a query string (without its `?`).
pub fn from_query<T: FromQuery>(query: &str) -> Result<StrictQuery<T>, ApiError> {
    let mut pairs = decode(query).map_err(|issues| ApiError::invalid_query(&issues))?;
    let issues = RefCell::new(Issues::default());
    let mut params = Params {
        pairs: &pairs,
        issues: &issues,
        known: Vec::with_capacity(8),
    };
    let read = T::read(&mut params);
    params.refuse_unknown_and_repeated();
    let issues = issues.into_inner();
    match read {
        Ok(value) if issues.is_empty() => {
            pairs.sort_unstable();
            let is_filter = |name: &str| !matches!(name, "limit" | "cursor");
            Ok(StrictQuery {
                value,
                filters: encode(pairs.iter().filter(|(name, _)| is_filter(name))),
            })
        }
        _ => Err(ApiError::invalid_query(&issues)),
    }
}

impl<S: Sync, T: FromQuery> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        from_query(parts.uri.query().unwrap_or_default())
    }
}

/// Splits and decodes as HTML forms do (`+` is a space), but refuses what does not decode.
fn decode(query: &str) -> Result<Vec<(String, String)>, Issues> {
    let mut issues = Issues::default();
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (percent_decode(name), percent_decode(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => issues.push(shown(name), "is not percent-encoded UTF-8"),
        }
    }
    if issues.is_empty() {
        Ok(pairs)
    } else {
        Err(issues)
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, tail @ ..] = tail else {
                    return None;
                };
                bytes.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = tail;
            }
            plain => bytes.push(*plain),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// One spelling for equal pairs: everything but letters, digits, `-`, `.`, `_` is encoded.
fn encode<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::new();
    let write = |text: &str, out: &mut String| {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    };
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        write(name, &mut out);
        out.push('=');
        write(value, &mut out);
    }
    out
}
