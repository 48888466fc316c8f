//! [`Response`] over the head of an upstream's response, as the upstream client gives it: lines of `\r\nname: value`.

use polygate_head::{EditKind, EditRefusal, check_header};

use crate::exchange::{Pair, Written};
use crate::{Headers, Response};

/// A plugin in a loop must not fill the memory: edits of one call, and bytes of their texts.
const MAX_EDITS: usize = 256;
const MAX_BYTES: usize = 256 * 1024;

/// What a plugin has made of a response, while it has it and afterwards.
#[derive(Debug)]
pub struct Reply<'a> {
    status: u16,
    block: &'a [u8],
    body: Option<&'a [u8]>,
    /// The fields as they are now; None while nothing was edited.
    fields: Option<Vec<Pair>>,
    written: Vec<Written>,
    new_status: Option<u16>,
    new_body: Option<Vec<u8>>,
    failure: Option<Box<[u8]>>,
    written_bytes: usize,
}

impl<'a> Reply<'a> {
    /// `body`: None where the plugin has not asked for it.
    pub fn new(status: u16, block: &'a [u8], body: Option<&'a [u8]>) -> Self {
        Self {
            status,
            block,
            body,
            fields: None,
            written: Vec::new(),
            new_status: None,
            new_body: None,
            failure: None,
            written_bytes: 0,
        }
    }

    /// Edits of the fields, in their order.
    pub fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// In place of the upstream's.
    pub fn new_status(&self) -> Option<u16> {
        self.new_status
    }

    /// In place of the upstream's.
    pub fn take_new_body(&mut self) -> Option<Vec<u8>> {
        self.new_body.take()
    }

    /// The plugin has said that it failed, and why.
    pub fn take_failure(&mut self) -> Option<Box<[u8]>> {
        self.failure.take()
    }

    fn edit(&mut self, kind: EditKind, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        check_header(name, value)?;
        let bytes = self.written_bytes + name.len() + value.len();
        if self.written.len() == MAX_EDITS || bytes > MAX_BYTES {
            return Err(EditRefusal::TooMuch);
        }
        self.written_bytes = bytes;
        let block = self.block;
        let fields =
            self.fields.get_or_insert_with(|| lines(block).map(|(name, value)| (name.into(), value.into())).collect());
        if kind != EditKind::Append {
            fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
        if kind != EditKind::Remove {
            fields.push((name.into(), value.into()));
        }
        self.written.push(Written::Header { kind, name: name.into(), value: value.into() });
        Ok(())
    }
}

/// Name and value of each line; what is no line has no name.
fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

impl Headers for Reply<'_> {
    fn header(&self, name: &[u8]) -> Option<&[u8]> {
        match &self.fields {
            Some(fields) => {
                fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
            }
            None => lines(self.block).find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value),
        }
    }

    fn headers<'b>(&'b self, visit: &mut dyn FnMut(&'b [u8], &'b [u8])) {
        match &self.fields {
            Some(fields) => fields.iter().for_each(|(name, value)| visit(name, value)),
            None => lines(self.block).for_each(|(name, value)| visit(name, value)),
        }
    }

    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Set, name, value)
    }

    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Append, name, value)
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Remove, name, b"")
    }
}

impl Response for Reply<'_> {
    fn status(&self) -> u16 {
        self.new_status.unwrap_or(self.status)
    }

    fn body(&self) -> Option<&[u8]> {
        self.new_body.as_deref().or(self.body)
    }

    fn set_status(&mut self, status: u16) -> Result<(), EditRefusal> {
        if !(200..=599).contains(&status) {
            return Err(EditRefusal::BadStatus);
        }
        self.new_status = Some(status);
        Ok(())
    }

    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal> {
        if self.body.is_none() {
            return Err(EditRefusal::NoBody);
        }
        self.new_body = Some(body.to_vec());
        Ok(())
    }

    fn fail(&mut self, reason: &[u8]) {
        self.failure.get_or_insert_with(|| reason.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Reason: a test may panic.
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"\r\nServer: x\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nx-empty:\r\nx-blank:  \xe9 ";

    fn all(reply: &Reply<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        reply.headers(&mut |name, value| all.push((name.to_vec(), value.to_vec())));
        all
    }

    #[test]
    fn edits_are_read_back_and_written_down_in_their_order() {
        let mut reply = Reply::new(200, BLOCK, None);
        assert_eq!((reply.header(b"SET-COOKIE"), reply.header(b"none")), (Some(&b"a=1"[..]), None));
        assert_eq!((reply.header(b"x-empty"), reply.header(b"x-blank")), (Some(&b""[..]), Some(&b"\xe9"[..])));
        let before = all(&reply);
        assert_eq!(before.len(), 5);
        assert_eq!(reply.set_header(b"content-length", b"1"), Err(EditRefusal::FixedName));
        assert_eq!(reply.append_header(b"a", b"b\r\nc"), Err(EditRefusal::BadValue));
        assert!(reply.take_written().is_empty());
        reply.append_header(b"set-cookie", b"c=3").unwrap();
        reply.remove_header(b"SERVER").unwrap();
        assert_eq!(all(&reply)[..4], [before[1].clone(), before[2].clone(), before[3].clone(), before[4].clone()]);
        reply.set_header(b"Set-Cookie", b"d=4").unwrap();
        assert_eq!((reply.header(b"set-cookie"), all(&reply).len()), (Some(&b"d=4"[..]), 3));
        assert_eq!(reply.take_written().len(), 3);
    }

    #[test]
    fn a_plugin_in_a_loop_is_stopped() {
        let mut reply = Reply::new(200, BLOCK, None);
        let many = (0..1000).take_while(|_| reply.set_header(b"x-many", b"1").is_ok()).count();
        assert_eq!((many, reply.take_written().len()), (256, 256));
        let mut reply = Reply::new(200, BLOCK, None);
        assert_eq!(reply.append_header(b"x", &vec![b'a'; 256 * 1024]), Err(EditRefusal::TooMuch));
        assert_eq!((all(&reply).len(), reply.take_written().len()), (5, 0));
    }

    #[test]
    fn status_and_body() {
        let mut reply = Reply::new(200, b"", None);
        assert_eq!(
            (reply.set_status(199), reply.set_body(b"")),
            (Err(EditRefusal::BadStatus), Err(EditRefusal::NoBody))
        );
        assert!(all(&reply).is_empty() && reply.new_status().is_none());
        let mut reply = Reply::new(200, b"", Some(b"old"));
        reply.set_status(404).unwrap();
        reply.set_body(b"").unwrap();
        assert_eq!((reply.status(), reply.body()), (404, Some(&b""[..])));
        assert_eq!((reply.new_status(), reply.take_new_body()), (Some(404), Some(Vec::new())));
    }
}
