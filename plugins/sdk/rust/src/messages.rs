//! A request and a response, while a hook has them.

use polygate_plugin_abi as abi;
use polygate_plugin_abi::part;

use crate::{Headers, Refusal, Result};

/// How a hook that has not failed ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The request goes on, with the edits that were made.
    Continue,
    /// [`Request::respond`] has answered.
    Respond,
}

/// A request. What is read is what earlier edits have made of it.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its header fields.
    pub headers: Headers<'a>,
}

/// The upstream's response.
#[derive(Debug)]
pub struct Response<'a> {
    /// Its header fields.
    pub headers: Headers<'a>,
}

impl Headers<'_> {
    fn text(&self, part: u32) -> Option<&[u8]> {
        // SAFETY: as in `Headers::get`.
        unsafe { (self.host.text)(self.message, part).bytes() }
    }

    /// The parts that are read so are ASCII, or a name of the configuration.
    fn str(&self, part: u32) -> &str {
        self.text(part).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn set_text(&mut self, part: u32, value: &[u8]) -> Result<(), Refusal> {
        // SAFETY: as in `Headers::edit`.
        Refusal::check(unsafe { (self.host.set_text)(self.message, part, abi::Text::of(value)) })
    }
}

impl<'a> Request<'a> {
    /// # Safety
    /// As [`Headers::new`].
    pub(crate) const unsafe fn new(message: *mut abi::Message, host: &'a abi::Host) -> Self {
        // SAFETY: the caller's promise.
        Self { headers: unsafe { Headers::new(message, host) } }
    }

    /// A token, such as `GET`.
    pub fn method(&self) -> &str {
        self.headers.str(part::METHOD)
    }

    /// `http` or `https`: how the client came.
    pub fn scheme(&self) -> &str {
        self.headers.str(part::SCHEME)
    }

    /// With its port where it has one.
    pub fn host(&self) -> &str {
        self.headers.str(part::HOST)
    }

    /// Percent-encoded, in its normal form, without query.
    pub fn path(&self) -> &str {
        self.headers.str(part::PATH)
    }

    /// Without `?`; empty where there is none.
    pub fn query(&self) -> &str {
        self.headers.str(part::QUERY)
    }

    /// The client's IP address; empty for unix sockets.
    pub fn remote_address(&self) -> &str {
        self.headers.str(part::REMOTE_ADDRESS)
    }

    /// Stands in the log, in the answer and in what the upstream gets.
    pub fn request_id(&self) -> &str {
        self.headers.str(part::REQUEST_ID)
    }

    /// The route's name.
    pub fn route(&self) -> &str {
        self.headers.str(part::ROUTE)
    }

    /// The consumer's name; empty while it is not known.
    pub fn consumer(&self) -> &str {
        self.headers.str(part::CONSUMER)
    }

    /// The whole body, where the plugin's manifest asks for it.
    pub fn body(&self) -> Option<&[u8]> {
        self.headers.text(part::BODY)
    }

    /// A text that an earlier hook or plugin has left with this request.
    pub fn context(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let Headers { host, message, .. } = &self.headers;
        // SAFETY: as in `Headers::get`.
        unsafe { (host.context)(*message, abi::Text::of(name.as_ref())).bytes() }
    }

    /// Sent upstream in place of the method.
    pub fn set_method(&mut self, method: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::METHOD, method.as_bytes())
    }

    /// Sent upstream in place of the host, `host[:port]`.
    pub fn set_host(&mut self, host: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::HOST, host.as_bytes())
    }

    /// Sent upstream in place of the path: begins with `/`, no query.
    pub fn set_path(&mut self, path: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::PATH, path.as_bytes())
    }

    /// Sent upstream in place of the query, without `?`; empty takes it away.
    pub fn set_query(&mut self, query: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::QUERY, query.as_bytes())
    }

    /// Sent upstream in place of the body.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) -> Result<(), Refusal> {
        self.headers.set_text(part::BODY, body.as_ref())
    }

    /// Goes to another upstream of the configuration.
    pub fn set_upstream(&mut self, name: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::UPSTREAM, name.as_bytes())
    }

    /// Who the client is; in the hook `authenticate` alone.
    pub fn set_consumer(&mut self, name: &str) -> Result<(), Refusal> {
        self.headers.set_text(part::CONSUMER, name.as_bytes())
    }

    /// Leaves a text with this request, for later hooks and plugins.
    pub fn set_context(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Refusal> {
        let function = self.headers.host.set_context;
        let (name, value) = (abi::Text::of(name.as_ref()), abi::Text::of(value.as_ref()));
        // SAFETY: as in `Headers::edit`.
        Refusal::check(unsafe { function(self.headers.message, name, value) })
    }

    /// Answers the client in the upstream's place; the hook returns what this returns.
    pub fn respond<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        status: u16,
        headers: &[(N, V)],
        body: impl AsRef<[u8]>,
    ) -> Result<Verdict> {
        let fields: Vec<_> = headers
            .iter()
            .map(|(name, value)| abi::Header {
                name: abi::Text::of(name.as_ref()),
                value: abi::Text::of(value.as_ref()),
            })
            .collect();
        let Headers { host, message, .. } = &self.headers;
        // SAFETY: as in `Headers::edit`; as many fields as are said.
        let code = unsafe {
            (host.respond)(*message, status.into(), fields.as_ptr(), fields.len(), abi::Text::of(body.as_ref()))
        };
        Refusal::check(code)?;
        Ok(Verdict::Respond)
    }
}

impl<'a> Response<'a> {
    /// # Safety
    /// As [`Headers::new`].
    pub(crate) const unsafe fn new(message: *mut abi::Message, host: &'a abi::Host) -> Self {
        // SAFETY: the caller's promise.
        Self { headers: unsafe { Headers::new(message, host) } }
    }

    /// 200 to 599.
    pub fn status(&self) -> u16 {
        // SAFETY: as in `Headers::get`.
        u16::try_from(unsafe { (self.headers.host.status)(self.headers.message) }).unwrap_or_default()
    }

    /// The whole body, where the plugin's manifest asks for it.
    pub fn body(&self) -> Option<&[u8]> {
        self.headers.text(part::BODY)
    }

    /// Sent in place of the status.
    pub fn set_status(&mut self, status: u16) -> Result<(), Refusal> {
        // SAFETY: as in `Headers::edit`.
        Refusal::check(unsafe { (self.headers.host.set_status)(self.headers.message, status.into()) })
    }

    /// Sent in place of the body.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) -> Result<(), Refusal> {
        self.headers.set_text(part::BODY, body.as_ref())
    }
}
