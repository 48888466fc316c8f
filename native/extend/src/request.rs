//! What any plugin sees of a request or a response, and may do with it. Implemented by the addon over a slot; called by
//! each runtime's host. Every text is bytes: header values are latin-1 at best, and no host may assume more.
//!
//! What is read is what earlier edits have made of it. A refused edit changes nothing; the host turns it into an error
//! of its language, and a plugin that does not catch that has failed.

use polygate_head::EditRefusal;

/// Where in a request's way a plugin is called. The numbers cross to JS and to the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hook {
    /// After match, before the guards.
    Request = 0,
    /// In the guards' place for credentials.
    Authenticate = 1,
    /// The consumer is known.
    Authorize = 2,
    /// Last before the upstream.
    Forward = 3,
    /// The upstream's head is there, and its body where the plugin has asked for it.
    Response = 4,
    /// After the last byte, off the request's way.
    Log = 5,
}

impl Hook {
    /// All of them, in the order of their numbers, which is that of a request's way.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Authenticate, Self::Authorize, Self::Forward, Self::Response, Self::Log];

    /// As plugins and configurations write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::Forward => "forward",
            Self::Response => "response",
            Self::Log => "log",
        }
    }

    /// The hook of a number.
    pub fn of(number: usize) -> Option<Self> {
        Self::ALL.get(number).copied()
    }
}

/// The header fields of a message. Names are compared without case.
pub trait Headers {
    /// The first value of a name.
    fn header(&self, name: &[u8]) -> Option<&[u8]>;

    /// Visits each field in its order: name (as it was written) and value. Repeated names come one by one.
    fn headers<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], &'a [u8]));

    /// Replaces all fields of that name by one.
    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal>;

    /// Adds a field behind those that are there.
    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal>;

    /// Removes all fields of that name; one that is not there is no error.
    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal>;
}

/// A request, while a plugin has it. What only some hooks may do is refused with [`EditRefusal::NotInThisHook`] in others.
pub trait Request: Headers {
    /// The method: a token.
    fn method(&self) -> &[u8];
    /// `http` or `https`: how the client came.
    fn scheme(&self) -> &[u8];
    /// The host as the client wrote it, with its port where it has one.
    fn host(&self) -> &[u8];
    /// The path in its normal form, percent-encoded, without query.
    fn path(&self) -> &[u8];
    /// The query without its `?`; empty where there is none.
    fn query(&self) -> &[u8];
    /// The client's IP address as text; empty for unix sockets.
    fn remote_address(&self) -> &[u8];
    /// Stands in the log, in the answer and in what the upstream gets.
    fn request_id(&self) -> &[u8];
    /// The route's name.
    fn route(&self) -> &[u8];
    /// The consumer's name; empty while it is not known.
    fn consumer(&self) -> &[u8];
    /// The whole body; None where the plugin has not asked for it.
    fn body(&self) -> Option<&[u8]>;
    /// A text that an earlier hook or plugin has left with this request.
    fn context(&self, name: &[u8]) -> Option<&[u8]>;

    /// Sent upstream in place of the method.
    fn set_method(&mut self, method: &[u8]) -> Result<(), EditRefusal>;
    /// Sent upstream in place of the host, `host[:port]`.
    fn set_host(&mut self, host: &[u8]) -> Result<(), EditRefusal>;
    /// Sent upstream in place of the path and of what the route would make of it: begins with `/`, no query.
    fn set_path(&mut self, path: &[u8]) -> Result<(), EditRefusal>;
    /// Sent upstream in place of the query, without `?`; empty takes it away.
    fn set_query(&mut self, query: &[u8]) -> Result<(), EditRefusal>;
    /// Sent upstream in place of the body; the gateway frames it.
    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal>;
    /// Another upstream of the configuration.
    fn set_upstream(&mut self, name: &[u8]) -> Result<(), EditRefusal>;
    /// Who the client is; in the hook `authenticate` alone.
    fn set_consumer(&mut self, name: &[u8]) -> Result<(), EditRefusal>;
    /// Leaves a text with this request.
    fn set_context(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal>;

    /// Answers the client in the upstream's place. The last call counts. The hook goes on until it returns, but no later
    /// plugin is called.
    fn respond(&mut self, status: u16, headers: &[(&[u8], &[u8])], body: &[u8]) -> Result<(), EditRefusal>;

    /// The plugin cannot do its work for this request; `reason` is for the log. The first call counts, and goes before
    /// any `respond`.
    fn fail(&mut self, reason: &[u8]);
}

/// The upstream's response, while a plugin has it.
pub trait Response: Headers {
    /// 200 to 599.
    fn status(&self) -> u16;
    /// The whole body; None where the plugin has not asked for it.
    fn body(&self) -> Option<&[u8]>;

    /// Sent in place of the status.
    fn set_status(&mut self, status: u16) -> Result<(), EditRefusal>;
    /// Sent in place of the body; the gateway frames it.
    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal>;

    /// As [`Request::fail`].
    fn fail(&mut self, reason: &[u8]);
}

#[cfg(test)]
mod tests {
    use super::Hook;

    #[test]
    fn hooks_are_numbered_in_the_order_of_a_request() {
        for (number, hook) in Hook::ALL.into_iter().enumerate() {
            assert_eq!((hook as usize, Hook::of(number)), (number, Some(hook)), "{}", hook.name());
        }
        assert_eq!(Hook::of(6), None);
    }
}
