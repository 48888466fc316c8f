//! What the fields that mean something to the gateway say together. Two readings of one message are refused here.

use crate::bytes::elements;
use crate::fields::Field;
use crate::name::Name;
use crate::{Flag, Framing, Method, Refusal};

/// 2^63 - 1 has 19 digits, and a sender may pad with zeros. `native/downstream` has the same bound.
const MAX_LENGTH_DIGITS: usize = 32;
/// Of fields named by `Connection`: each is compared with each field when the head is composed.
const MAX_CONNECTION_NAMES: usize = 64;

/// `Connection` has `upgrade`.
const CONNECTION_UPGRADE: u8 = 1;
/// `Upgrade` is there.
const UPGRADE: u8 = 2;
/// `Upgrade` has `websocket`.
const WEB_SOCKET: u8 = 4;

#[derive(Default)]
pub struct Meaning {
    pub host: Option<Field>,
    /// The one request id; None where there are several.
    pub request_id: Option<Field>,
    length: Option<u64>,
    chunked: bool,
    request_ids: u32,
    connection_names: usize,
    upgrade: u8,
    flags: u32,
}

impl Meaning {
    pub fn of(fields: &[Field], input: &[u8]) -> Result<Self, Refusal> {
        let mut meaning = Self::default();
        for &field in fields {
            if field.name != Name::Other {
                meaning.add(field, input)?;
            }
        }
        if meaning.length.is_some() && meaning.chunked {
            return Err(Refusal::LengthAndCoding);
        }
        if meaning.connection_names > MAX_CONNECTION_NAMES {
            return Err(Refusal::TooManyHeaders);
        }
        if meaning.request_ids > 1 {
            meaning.request_id = None;
        }
        Ok(meaning)
    }

    fn add(&mut self, field: Field, input: &[u8]) -> Result<(), Refusal> {
        let value = field.value_in(input);
        match field.name {
            Name::Host if self.host.is_some() => return Err(Refusal::TwoHosts),
            Name::Host => self.host = Some(field),
            Name::ContentLength if self.length.is_some() => return Err(Refusal::TwoLengths),
            Name::ContentLength => self.length = Some(read_length(field, input)?),
            Name::TransferEncoding if self.chunked => return Err(Refusal::TwoCodings),
            // Only blanks around it: with a tab, some servers see no `chunked` here.
            Name::TransferEncoding
                if value.eq_ignore_ascii_case(b"chunked") && !field.raw_value_in(input).contains(&b'\t') =>
            {
                self.chunked = true;
            }
            Name::TransferEncoding => return Err(Refusal::BadCoding),
            Name::Connection => self.add_connection(value),
            Name::Upgrade => {
                self.upgrade |= UPGRADE;
                if elements(value).any(|one| one.eq_ignore_ascii_case(b"websocket")) {
                    self.upgrade |= WEB_SOCKET;
                }
            }
            Name::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                self.flags |= Flag::EXPECT_CONTINUE;
            }
            Name::Expect => self.flags |= Flag::EXPECT_OTHER,
            Name::RequestId => {
                self.request_ids += 1;
                self.request_id = Some(field);
            }
            _ => {}
        }
        Ok(())
    }

    fn add_connection(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            return;
        }
        for option in elements(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.flags |= Flag::CLOSE;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade |= CONNECTION_UPGRADE;
            } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                self.flags |= Flag::CONNECTION_NAMES;
                self.connection_names += 1;
            }
        }
    }

    pub fn framing(&self) -> Framing {
        match self.length {
            Some(length) => Framing::Length(length),
            None if self.chunked => Framing::Chunked,
            None => Framing::None,
        }
    }

    pub fn flags(&self, method: Method) -> u32 {
        if self.upgrade & UPGRADE == 0 {
            return self.flags;
        }
        let bodiless = matches!(self.framing(), Framing::None | Framing::Length(0));
        let asked = self.upgrade & (CONNECTION_UPGRADE | WEB_SOCKET) == CONNECTION_UPGRADE | WEB_SOCKET;
        let upgrade = if asked && bodiless && method == Method::Get { Flag::WEB_SOCKET } else { Flag::OTHER_UPGRADE };
        self.flags | upgrade
    }
}

fn read_length(field: Field, input: &[u8]) -> Result<u64, Refusal> {
    let digits = field.value_in(input);
    // As with chunked: a tab around the number is legal, and read in more than one way.
    if digits.is_empty() || digits.len() > MAX_LENGTH_DIGITS || field.raw_value_in(input).contains(&b'\t') {
        return Err(Refusal::BadLength);
    }
    let mut length = 0u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Refusal::BadLength);
        }
        let longer = length.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(digit - b'0')));
        length = longer.ok_or(Refusal::BadLength)?;
    }
    if length > i64::MAX as u64 { Err(Refusal::BadLength) } else { Ok(length) }
}
