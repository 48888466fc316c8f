//! What a route wants done with each head: checked and rendered once, when the route is loaded.

use std::fmt;

use crate::bytes::{fold, is_field_value, is_token, same_folded};
use crate::name::Name;
use crate::{CertificateField, authority};

/// The `Host` that the upstream sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostMode {
    /// The client's, unless the request's [`crate::Forwarding::host`] says otherwise.
    #[default]
    Preserve,
    /// This text, `host[:port]`.
    Fixed(Vec<u8>),
}

/// Header edits of a route. Removals come first, then `set`, then `append`.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    /// Replaces all fields of that name, the gateway's own included.
    pub set: Vec<(Vec<u8>, Vec<u8>)>,
    /// Adds a field beside those that are there.
    pub append: Vec<(Vec<u8>, Vec<u8>)>,
    /// Removes all fields of that name, the gateway's own included.
    pub remove: Vec<Vec<u8>>,
}

/// What [`Policy::new`] compiles.
#[derive(Clone, Debug, Default)]
pub struct PolicyOptions {
    /// The `Host` that is sent.
    pub host: HostMode,
    /// Add `via: 1.1 polygate`.
    pub via: bool,
    /// Add an element to `Forwarded` (RFC 7239).
    pub rfc7239: bool,
    /// The route's edits.
    pub edits: HeaderEdits,
    /// Headers that the upstream must not see: credentials. They are removed, and what a plugin set for the guards to
    /// read too. Compared as [`HeaderEdits::remove`].
    pub hidden_headers: Vec<Vec<u8>>,
    /// Parameters of the query that the upstream must not see: credentials. Compared percent-decoded, with case.
    pub hidden_parameters: Vec<Vec<u8>>,
    /// Cookies that the upstream must not see. Compared with case.
    pub hidden_cookies: Vec<Vec<u8>>,
    /// What is sent of [`crate::Forwarding::certificate`]. The client's fields of these names must be in `edits.remove`.
    pub certificate: Vec<CertificateField>,
}

/// One edit of one request, by a guard or a plugin; applied in order, after the route's.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// What is done.
    pub kind: EditKind,
    /// The field's name; compared without case, and with `_` as `-`.
    pub name: &'a [u8],
    /// The value; nothing for [`EditKind::Remove`].
    pub value: &'a [u8],
}

/// See [`HeaderEdits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Reason: the fields of `HeaderEdits` describe them.
pub enum EditKind {
    Set,
    Append,
    Remove,
}

/// Why a policy was not accepted; the text names the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

/// A route's header policy, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) via: bool,
    pub(crate) rfc7239: bool,
    /// Rendered lines of `set` and `append`.
    pub(crate) lines: Vec<u8>,
    /// Each line's name, and where the line ends in `lines`.
    pub(crate) line_ends: Vec<(Vec<u8>, usize)>,
    replaced: Vec<Vec<u8>>,
    /// Bit n: a replaced name has n (mod 64) bytes. Spares most fields the comparison.
    replaced_lengths: u64,
    /// [`Name::bit`]s of replaced names.
    pub(crate) replaced_names: u32,
    hidden_headers: Vec<Vec<u8>>,
    pub(crate) hidden_parameters: Vec<Vec<u8>>,
    pub(crate) hidden_cookies: Vec<Vec<u8>>,
    pub(crate) certificate: Vec<CertificateField>,
}

impl Policy {
    /// Checks and compiles.
    pub fn new(options: PolicyOptions) -> Result<Self, PolicyError> {
        let mut policy = Self {
            via: options.via,
            rfc7239: options.rfc7239,
            hidden_headers: options.hidden_headers,
            hidden_parameters: options.hidden_parameters,
            hidden_cookies: options.hidden_cookies,
            certificate: options.certificate,
            ..Self::default()
        };
        if let HostMode::Fixed(text) = options.host {
            if authority::host_length(&text).is_none() {
                return Err(PolicyError(format!("`{}` is no host with an optional port", shown(&text))));
            }
            policy.host = Some(text);
        }
        let edits = options.edits;
        for name in edits.remove.iter().chain(edits.set.iter().map(|(name, _)| name)).chain(&policy.hidden_headers) {
            check_name(name)?;
            policy.replaced_lengths |= 1 << (name.len() & 63);
            policy.replaced_names |= Name::meant_by(name).bit();
            policy.replaced.push(name.iter().map(|&byte| fold(byte)).collect());
        }
        for (name, value) in edits.set.into_iter().chain(edits.append) {
            check_name(&name)?;
            if !is_field_value(&value) {
                return Err(PolicyError(format!(
                    "header `{}`: a value may have no control characters, and no white space at its ends",
                    shown(&name)
                )));
            }
            push_line(&mut policy.lines, &name, &value);
            policy.line_ends.push((name, policy.lines.len()));
        }
        Ok(policy)
    }

    /// Whether a header carries a credential of this route.
    pub(crate) fn hides(&self, name: &[u8]) -> bool {
        self.hidden_headers.iter().any(|other| same_folded(other, name))
    }

    /// Whether the client's fields of this name are replaced or removed.
    #[inline]
    pub(crate) fn replaces(&self, name: &[u8]) -> bool {
        self.replaced_lengths >> (name.len() & 63) & 1 == 1
            && self.replaced.iter().any(|other| same_folded(other, name))
    }
}

fn check_name(name: &[u8]) -> Result<(), PolicyError> {
    if !is_token(name) {
        return Err(PolicyError(format!("`{}` is no header name", shown(name))));
    }
    if Name::meant_by(name).is_fixed() {
        return Err(PolicyError(format!("header `{}` is written by the gateway and cannot be edited", shown(name))));
    }
    Ok(())
}

impl Edit<'_> {
    pub(crate) const NOTHING: Self = Self { kind: EditKind::Remove, name: b"", value: b"" };

    pub(crate) fn is_sound(&self) -> bool {
        is_token(self.name)
            && !Name::meant_by(self.name).is_fixed()
            && (self.kind == EditKind::Remove || is_field_value(self.value))
    }

    /// Whether what was there before of this name goes.
    pub(crate) fn replaces(&self, name: &[u8]) -> bool {
        self.kind != EditKind::Append && same_folded(self.name, name)
    }
}

pub(crate) fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn shown(text: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(text)
}
