//! What a verified token has to say, and what is made of it.

use std::{collections::HashMap, sync::Arc};

use serde_json::Number;

use super::{
    Accepted, Refusal,
    cache::Entry,
    json::{Json, Object},
};

/// The name of a claim, or a JSON pointer (RFC 6901) to one inside another: names may have dots, as URLs do.
#[derive(Clone, Debug)]
pub struct Claim(Vec<String>);

impl Claim {
    pub fn new(text: &str) -> Self {
        match text.strip_prefix('/') {
            None => Self(vec![text.to_owned()]),
            Some(rest) => Self(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()),
        }
    }

    /// `null` is as good as nothing.
    fn of<'a>(&self, claims: &'a Object) -> Option<&'a Json> {
        let (first, rest) = self.0.split_first()?;
        let mut found = claims.get(first)?;
        for step in rest {
            let Json::Object(object) = found else { return None };
            found = object.get(step)?;
        }
        (*found != Json::Null).then_some(found)
    }

    /// Whether it is a list of words in one text (RFC 6749, 3.3).
    fn is_scope(&self) -> bool {
        matches!(self.0.as_slice(), [name] if name == "scope" || name == "scp")
    }
}

/// What a claim must have.
#[derive(Clone, Debug)]
pub enum Wanted {
    Present,
    All(Vec<Json>),
    Any(Vec<Json>),
}

#[derive(Clone, Debug)]
pub struct Requirement {
    pub claim: Claim,
    pub wanted: Wanted,
}

impl Requirement {
    fn is_met(&self, claims: &Object) -> bool {
        let Some(value) = self.claim.of(claims) else { return false };
        let has = |wanted: &Json| match value {
            Json::List(list) => list.iter().any(|item| is_same(item, wanted)),
            Json::Text(text) if self.claim.is_scope() => {
                wanted.text().is_some_and(|wanted| text.split(' ').any(|word| word == wanted))
            }
            value => is_same(value, wanted),
        };
        match &self.wanted {
            Wanted::Present => true,
            Wanted::All(wanted) => wanted.iter().all(has),
            Wanted::Any(wanted) => wanted.iter().any(has),
        }
    }
}

/// `5` and `5.0` are one number.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || (is_fraction(one) || is_fraction(other)) && one.as_f64() == other.as_f64()
        }
        (one, other) => one == other,
    }
}

fn is_fraction(number: &Number) -> bool {
    !number.is_i64() && !number.is_u64()
}

/// Which `aud` is right.
#[derive(Clone, Debug)]
pub enum Audience {
    /// RFC 7519, 4.1.3: a token for somebody is not for who has no name.
    None,
    Any,
    OneOf(Vec<String>),
}

/// Who a token is about.
#[derive(Clone, Debug)]
pub struct ConsumerRule {
    pub claim: Claim,
    /// By the claim's value, with the issuer where only its tokens count.
    pub subjects: HashMap<String, Vec<(Option<String>, u32)>>,
    pub admit_unknown: bool,
}

#[derive(Clone, Debug)]
pub struct Rules {
    /// Empty: any.
    pub issuers: Vec<String>,
    pub audience: Audience,
    pub expiry_required: bool,
    pub skew_seconds: f64,
    pub required: Vec<Requirement>,
    pub consumer: Option<ConsumerRule>,
    pub headers: Vec<(Vec<u8>, Claim)>,
}

impl Rules {
    /// A token that has ended is told so, whatever else is wrong with it: its client can get another.
    pub fn apply(&self, claims: &Object, now: f64) -> Result<Entry, Refusal> {
        let (until, from) = (moment(claims, "exp")?, moment(claims, "nbf")?);
        moment(claims, "iat")?;
        if until.is_none() && self.expiry_required {
            return Err(Refusal::Malformed);
        }
        let mut entry = Entry {
            accepted: Arc::default(),
            from: from.map_or(f64::NEG_INFINITY, |from| from - self.skew_seconds),
            until: until.map_or(f64::INFINITY, |until| until + self.skew_seconds),
        };
        entry.at(now)?;
        let issuer = text(claims, "iss")?;
        if !self.issuers.is_empty() && !issuer.is_some_and(|issuer| self.issuers.iter().any(|one| one == issuer)) {
            return Err(Refusal::WrongIssuer);
        }
        self.is_for_us(claims)?;
        if !self.required.iter().all(|requirement| requirement.is_met(claims)) {
            return Err(Refusal::Claims);
        }
        let consumer = match &self.consumer {
            None => None,
            Some(rule) => rule.find(claims, issuer)?,
        };
        let headers =
            self.headers.iter().filter_map(|(name, claim)| Some((name.clone(), header_value(claim.of(claims)?))));
        entry.accepted = Arc::new(Accepted { consumer, headers: headers.collect() });
        Ok(entry)
    }

    fn is_for_us(&self, claims: &Object) -> Result<(), Refusal> {
        let found: Vec<&str> = match claims.get("aud") {
            None => Vec::new(),
            Some(Json::Text(one)) => vec![one],
            Some(Json::List(list)) => list.iter().map(Json::text).collect::<Option<_>>().ok_or(Refusal::Malformed)?,
            Some(_) => return Err(Refusal::Malformed),
        };
        let right = match &self.audience {
            Audience::Any => true,
            Audience::None => !claims.contains_key("aud"),
            Audience::OneOf(names) => names.iter().any(|name| found.contains(&name.as_str())),
        };
        if right { Ok(()) } else { Err(Refusal::WrongAudience) }
    }
}

impl ConsumerRule {
    fn find(&self, claims: &Object, issuer: Option<&str>) -> Result<Option<u32>, Refusal> {
        let subject = match self.claim.of(claims) {
            Some(Json::Text(text)) => Some(text.clone()),
            Some(Json::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let known = subject.and_then(|subject| {
            let owners = self.subjects.get(&subject)?;
            let whose = |wanted: Option<&str>| owners.iter().find(|(one, _)| one.as_deref() == wanted);
            issuer.and_then(|issuer| whose(Some(issuer))).or_else(|| whose(None)).map(|(_, consumer)| *consumer)
        });
        if known.is_none() && !self.admit_unknown { Err(Refusal::UnknownConsumer) } else { Ok(known) }
    }
}

/// RFC 7519, 2: a `NumericDate` may have a fraction.
fn moment(claims: &Object, name: &str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => {
            number.as_f64().filter(|seconds| seconds.is_finite()).map(Some).ok_or(Refusal::Malformed)
        }
        Some(_) => Err(Refusal::Malformed),
    }
}

fn text<'a>(claims: &'a Object, name: &str) -> Result<Option<&'a str>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.text().map(Some).ok_or(Refusal::Malformed),
    }
}

/// A text as it is, but `%`, what is not printable ASCII, and blanks at its ends percent-encoded; anything else as JSON.
fn header_value(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    let Json::Text(text) = value else {
        value.write(&mut out);
        return out;
    };
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let plain = matches!(byte, b'!'..=b'~') && byte != b'%' || byte == b' ' && at != 0 && at != last;
        if plain {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Reason: a test may panic.

    use super::*;
    use crate::jwt::json::object;

    fn claims(text: &str) -> Object {
        object(text.as_bytes()).unwrap()
    }

    fn meets(text: &str, claim: &str, wanted: Wanted) -> bool {
        Requirement { claim: Claim::new(claim), wanted }.is_met(&claims(text))
    }

    fn all(list: &str) -> Wanted {
        Wanted::All(serde_json::from_str(list).unwrap())
    }

    #[test]
    fn claims_are_compared_with_their_type() {
        for (text, claim, wanted, right) in [
            (r#"{"a":"x"}"#, "a", r#"["x"]"#, true),
            (r#"{"a":"x y"}"#, "a", r#"["x"]"#, false),
            (r#"{"a":["x","y"]}"#, "a", r#"["x"]"#, true),
            (r#"{"a":["x","y"]}"#, "a", r#"["x","z"]"#, false),
            (r#"{"a":[["x"]]}"#, "a", r#"["x"]"#, false),
            (r#"{"a":{"x":1}}"#, "a", r#"["x"]"#, false),
            (r#"{"a":null}"#, "a", "[null]", false),
            (r#"{"a":true}"#, "a", "[true]", true),
            (r#"{"a":"true"}"#, "a", "[true]", false),
            (r#"{"a":1}"#, "a", "[true]", false),
            (r#"{"a":5}"#, "a", "[5]", true),
            (r#"{"a":5.0}"#, "a", "[5]", true),
            (r#"{"a":"5"}"#, "a", "[5]", false),
            (r#"{"a":9007199254740993}"#, "a", "[9007199254740992]", false),
            (r#"{"scope":"read write"}"#, "scope", r#"["read","write"]"#, true),
            (r#"{"scope":"read write"}"#, "scope", r#"["read write"]"#, false),
            (r#"{"scope":"reader"}"#, "scope", r#"["read"]"#, false),
            (r#"{"scope":["read"]}"#, "scope", r#"["read"]"#, true),
            (r#"{"scope":"read\twrite"}"#, "scope", r#"["read"]"#, false),
            (r#"{"a.b":1,"a":{"b":2}}"#, "a.b", "[1]", true),
            (r#"{"a.b":1,"a":{"b":2}}"#, "/a/b", "[2]", true),
            (r#"{"a/b":{"~":3}}"#, "/a~1b/~0", "[3]", true),
            (r#"{"a":[1]}"#, "/a/0", "[1]", false),
            ("{}", "a", "[]", false),
        ] {
            assert_eq!(meets(text, claim, all(wanted)), right, "{text} {claim} {wanted}");
        }
        assert!(meets(r#"{"a":0}"#, "a", Wanted::Present));
        assert!(!meets(r#"{"a":null}"#, "a", Wanted::Present));
        assert!(meets(r#"{"a":"y"}"#, "a", Wanted::Any(vec![Json::Text("x".into()), Json::Text("y".into())])));
        assert!(!meets(r#"{"a":"z"}"#, "a", Wanted::Any(vec![Json::Text("x".into())])));
    }

    #[test]
    fn values_for_headers_cannot_end_a_line_and_read_back() {
        for (json, value) in [
            (r#""plain text""#, "plain text"),
            (r#"" a ""#, "%20a%20"),
            (r#"" ""#, "%20"),
            (r#""""#, ""),
            (r#""a\r\nx: y""#, "a%0D%0Ax: y"),
            (r#""100%\u00e9\u0000""#, "100%25%C3%A9%00"),
            ("12345678901234567890", "12345678901234567890"),
            ("true", "true"),
            (r#"["a","\u00e9\n"]"#, r#"["a","\u00e9\u000a"]"#),
            (r#"{"b":1}"#, r#"{"b":1}"#),
        ] {
            let value_of = header_value(&serde_json::from_str(json).unwrap());
            assert_eq!(String::from_utf8(value_of).unwrap(), value);
        }
    }
}
