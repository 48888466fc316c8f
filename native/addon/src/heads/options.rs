//! What JS gives for the calls that are not made per request, turned into what `polygate_head` takes.

use napi::bindgen_prelude::{Either, Null, Result};
use napi_derive::napi;
use polygate_head::{
    CertificateField, Edit, EditKind, Forwarding, Framing, HeaderEdits, HostMode, Policy, PolicyOptions,
};

use crate::arguments::wrong;

/// See `RequestHeadsOptions` in `ts/shared/native-heads.ts`.
#[napi(object, object_to_js = false)]
pub struct RequestHeadsOptions {
    pub slots: u32,
    pub max_head_bytes: u32,
    pub max_headers: u32,
}

/// An `Option` would mean that a key may be missing, and would refuse null.
type OrNull = Either<String, Null>;

fn text(text: &OrNull) -> Option<&[u8]> {
    match text {
        Either::A(text) => Some(text.as_bytes()),
        Either::B(_) => None,
    }
}

/// See `HeadPolicyOptions`. Texts are sent as UTF-8.
#[napi(object, object_to_js = false)]
pub struct HeadPolicyOptions {
    pub host: OrNull,
    pub via: bool,
    pub rfc7239: bool,
    pub set: Vec<Vec<String>>,
    pub append: Vec<Vec<String>>,
    pub remove: Vec<String>,
    pub hidden_headers: Vec<String>,
    pub hidden_parameters: Vec<String>,
    pub hidden_cookies: Vec<String>,
    pub certificate: Vec<String>,
}

/// See `HeadForwarding`.
#[napi(object, object_to_js = false)]
pub struct HeadForwarding {
    pub path: OrNull,
    pub query: OrNull,
    pub host: OrNull,
    pub request_id: OrNull,
    pub framing: u32,
    pub length: i64,
    pub upgrade: bool,
    pub client_address: String,
    pub trusted: bool,
    pub tls: bool,
    pub port: u32,
    pub edits: Vec<Vec<String>>,
}

impl HeadPolicyOptions {
    pub fn compile(self) -> Result<Policy> {
        let pairs = |pairs: Vec<Vec<String>>| {
            pairs
                .into_iter()
                .map(|pair| match <[String; 2]>::try_from(pair) {
                    Ok([name, value]) => Ok((name.into_bytes(), value.into_bytes())),
                    Err(_) => Err(wrong("a header edit is a pair of name and value")),
                })
                .collect::<Result<Vec<_>>>()
        };
        let edits = HeaderEdits {
            set: pairs(self.set)?,
            append: pairs(self.append)?,
            remove: self.remove.into_iter().map(String::into_bytes).collect(),
        };
        let host = text(&self.host).map_or(HostMode::Preserve, |text| HostMode::Fixed(text.to_vec()));
        let names = |names: Vec<String>| names.into_iter().map(String::into_bytes).collect();
        Policy::new(PolicyOptions {
            host,
            via: self.via,
            rfc7239: self.rfc7239,
            edits,
            hidden_headers: names(self.hidden_headers),
            hidden_parameters: names(self.hidden_parameters),
            hidden_cookies: names(self.hidden_cookies),
            certificate: self.certificate.iter().map(|name| certificate_field(name)).collect::<Result<_>>()?,
        })
        .map_err(wrong)
    }
}

/// By the header that it is sent in.
fn certificate_field(header: &str) -> Result<CertificateField> {
    let found = CertificateField::ALL.into_iter().find(|field| field.header() == header);
    found.ok_or_else(|| wrong(format_args!("`{header}` tells nothing of a certificate")))
}

impl HeadForwarding {
    /// Calls `work` with the borrowed form.
    pub fn lend<R>(&self, work: impl FnOnce(&Forwarding<'_>) -> R) -> Result<R> {
        let edits = self.edits.iter().map(|edit| read_edit(edit)).collect::<Result<Vec<_>>>()?;
        let framing = match (self.framing, u64::try_from(self.length)) {
            (0, _) => Framing::None,
            (1, Ok(length)) => Framing::Length(length),
            (2, _) => Framing::Chunked,
            _ => return Err(wrong("framing is 0, 1 with a length, or 2")),
        };
        Ok(work(&Forwarding {
            path: text(&self.path),
            query: text(&self.query),
            host: text(&self.host),
            request_id: text(&self.request_id),
            framing,
            upgrade: self.upgrade,
            client_address: self.client_address.as_bytes(),
            trusted: self.trusted,
            tls: self.tls,
            port: u16::try_from(self.port).map_err(|_| wrong("a port is below 65536"))?,
            edits: &edits,
            ..Forwarding::default()
        }))
    }
}

fn read_edit(edit: &[String]) -> Result<Edit<'_>> {
    match edit {
        [kind, name, value] if kind == "set" => {
            Ok(Edit { kind: EditKind::Set, name: name.as_bytes(), value: value.as_bytes() })
        }
        [kind, name, value] if kind == "append" => {
            Ok(Edit { kind: EditKind::Append, name: name.as_bytes(), value: value.as_bytes() })
        }
        [kind, name] if kind == "remove" => Ok(Edit { kind: EditKind::Remove, name: name.as_bytes(), value: b"" }),
        _ => Err(wrong("an edit is ['set' or 'append', name, value] or ['remove', name]")),
    }
}
