//! The request head: read once, strictly (RFC 9112), kept per slot, and written anew for the upstream.
//!
//! This crate is the one place of header policy towards the upstream. What it accepts it has understood wholly: two
//! readings of one head (request smuggling) are refused, never repaired. Nothing of the client's framing is copied;
//! [`compose`] writes `content-length` or `transfer-encoding` from what the gateway will really send.
//!
//! ```
//! use polygate_head::{Forwarding, Head, Limits, Policy, compose};
//!
//! let head = Head::parse(b"GET /a/../b?c HTTP/1.1\r\nHost: example.com\r\n\r\n", &Limits::default()).unwrap();
//! assert_eq!(head.match_path(), b"/b");
//! let mut out = Vec::new();
//! compose(&head, &Policy::default(), &Forwarding::default(), &mut out).unwrap();
//! assert!(out.starts_with(b"GET /b?c HTTP/1.1\r\nhost: example.com\r\n"));
//! ```

mod authority;
mod bytes;
mod certificate;
mod compose;
mod edit_refusal;
mod edits;
mod fields;
mod forwarded;
mod head;
mod hidden;
mod meaning;
mod name;
mod path;
mod policy;
mod refusal;
mod request_id;
mod response_edits;
mod slots;
mod target;

pub use certificate::{Certificate, CertificateField};
pub use compose::{ComposeError, Forwarding, compose, compose_edited};
pub use edit_refusal::EditRefusal;
pub use edits::{EditedHead, Edits, check_header};
pub use head::{Flag, Framing, Head, Limits, Method};
pub use hidden::parameters;
pub use policy::{Edit, EditKind, HeaderEdits, HostMode, Policy, PolicyError, PolicyOptions};
pub use refusal::Refusal;
pub use request_id::sane_request_id;
pub use response_edits::ResponseEdits;
pub use slots::Heads;
