//! What a plugin has said in a call besides the edits that it made, as an object of JavaScript.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use polygate_extend::{Carried, EditKind, Failure, Reply, Written};

/// `EditKind` in `ts/gateway/extend/outcome.ts`.
const SET: u32 = 0;
const APPEND: u32 = 1;
const REMOVE: u32 = 2;
const PATH: u32 = 3;
const QUERY: u32 = 4;
const METHOD: u32 = 5;
const HOST: u32 = 6;
const UPSTREAM: u32 = 7;
const CONTEXT: u32 = 8;

/// See `PluginSaid` in `ts/shared/native-plugins.ts`.
#[napi(object, object_from_js = false, use_nullable = true)]
#[derive(Default)]
pub struct Said {
    pub cause: String,
    pub reason: String,
    pub answer_status: u32,
    pub answer_headers: Vec<String>,
    pub answer_body: Option<Buffer>,
    pub named: Option<String>,
    pub new_body: Option<Buffer>,
    pub new_status: u32,
    pub kinds: Vec<u32>,
    pub texts: Vec<String>,
}

impl Said {
    pub fn failed(failure: Failure) -> Self {
        Self { cause: failure.cause.name().to_owned(), reason: failure.into_text(), ..Self::default() }
    }

    /// None where there is nothing to tell.
    pub fn of(carried: &mut Carried, reply: Option<&mut Reply<'_>>) -> Option<Self> {
        let answer = carried.take_answer();
        let mut written = Vec::new();
        let (mut new_body, mut new_status) = (None, None);
        if let Some(reply) = reply {
            written = reply.take_written();
            new_body = reply.take_new_body();
            new_status = reply.new_status();
        }
        if answer.is_none() && !carried.has_said() && written.is_empty() && new_body.is_none() && new_status.is_none() {
            return None;
        }
        written.extend(carried.take_written());
        let mut said = Self {
            named: carried.consumer().map(utf8),
            new_body: new_body.or_else(|| carried.take_new_body()).map(Buffer::from),
            new_status: new_status.unwrap_or(0).into(),
            ..Self::default()
        };
        if let Some(answer) = answer {
            said.answer_status = answer.status.into();
            said.answer_headers =
                answer.headers.iter().flat_map(|(name, value)| [latin1(name), latin1(value)]).collect();
            said.answer_body = Some(Buffer::from(answer.body));
        }
        for one in &written {
            said.write(one);
        }
        Some(said)
    }

    fn write(&mut self, written: &Written) {
        let (kind, name, value) = match written {
            Written::Header { kind, name, value } => {
                let kind = match kind {
                    EditKind::Set => SET,
                    EditKind::Append => APPEND,
                    EditKind::Remove => REMOVE,
                };
                (kind, latin1(name), latin1(value))
            }
            Written::Path(text) => (PATH, "path".to_owned(), latin1(text)),
            Written::Query(text) => (QUERY, "query".to_owned(), latin1(text)),
            Written::Method(text) => (METHOD, "method".to_owned(), latin1(text)),
            Written::Host(text) => (HOST, "host".to_owned(), latin1(text)),
            Written::Upstream(text) => (UPSTREAM, "upstream".to_owned(), utf8(text)),
            Written::Context { name, value } => (CONTEXT, utf8(name), utf8(value)),
        };
        self.kinds.push(kind);
        self.texts.extend([name, value]);
    }
}

/// A character a byte.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
