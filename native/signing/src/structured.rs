//! Structured fields (RFC 9651), as much as signatures need: dictionaries of items and inner lists. Strict: a key or a
//! parameter that comes twice is refused, where the RFC takes the last one; so are numbers in another form than
//! they would be written in. Each value carries its one serialisation, for that is what is signed.

use crate::{Refusal, encoding};

/// Members, items of a list, parameters: far more than any signature has. Each is compared with those before it, and what is
/// read here nobody has verified yet: without a bound, 16 KiB of keys cost 17 ms.
const MOST: usize = 128;

/// Room for one more.
fn bounded<T>(list: &[T]) -> Result<(), Refusal> {
    if list.len() < MOST { Ok(()) } else { Err(Refusal::Malformed) }
}

/// A value without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bare {
    Integer(i64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Boolean(bool),
    /// A token, or a decimal.
    Other(Vec<u8>),
}

pub type Parameters<'a> = Vec<(&'a [u8], Bare)>;

/// A value with its parameters.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub bare: Bare,
    pub parameters: Parameters<'a>,
}

/// What a key of a dictionary has.
#[derive(Clone, Debug)]
pub enum Member<'a> {
    Item(Item<'a>),
    List(Vec<Item<'a>>, Parameters<'a>),
}

impl Bare {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => quote(text, out),
            Self::Bytes(bytes) => {
                out.push(b':');
                out.extend_from_slice(encoding::to_base64(bytes).as_bytes());
                out.push(b':');
            }
            Self::Boolean(yes) => out.extend_from_slice(if *yes { b"?1" } else { b"?0" }),
            Self::Other(text) => out.extend_from_slice(text),
        }
    }
}

impl Item<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        self.bare.write(out);
        write_parameters(&self.parameters, out);
    }
}

impl Member<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Item(item) => item.write(out),
            Self::List(items, parameters) => write_list(items, parameters, out),
        }
    }
}

/// An inner list with its parameters.
pub fn write_list(items: &[Item<'_>], parameters: &Parameters<'_>, out: &mut Vec<u8>) {
    out.push(b'(');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b' ');
        }
        item.write(out);
    }
    out.push(b')');
    write_parameters(parameters, out);
}

fn write_parameters(parameters: &Parameters<'_>, out: &mut Vec<u8>) {
    for (name, value) in parameters {
        out.push(b';');
        out.extend_from_slice(name);
        if *value != Bare::Boolean(true) {
            out.push(b'=');
            value.write(out);
        }
    }
}

/// A string in its quotes. Only for what [`dictionary`] or a signer has checked to be printable ASCII.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// All keys of a dictionary, in their order.
pub fn dictionary(text: &[u8]) -> Result<Vec<(&[u8], Member<'_>)>, Refusal> {
    let mut reader = Reader { rest: text };
    let mut members: Vec<(&[u8], Member<'_>)> = Vec::new();
    reader.blanks();
    while !reader.rest.is_empty() {
        bounded(&members)?;
        let key = reader.key()?;
        if members.iter().any(|(one, _)| *one == key) {
            return Err(Refusal::Duplicate);
        }
        let member = if reader.take(b'=') {
            reader.member()?
        } else {
            Member::Item(Item { bare: Bare::Boolean(true), parameters: reader.parameters()? })
        };
        members.push((key, member));
        reader.optional_white();
        if reader.rest.is_empty() {
            break;
        }
        if !reader.take(b',') {
            return Err(Refusal::Malformed);
        }
        reader.optional_white();
        if reader.rest.is_empty() {
            return Err(Refusal::Malformed);
        }
    }
    Ok(members)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, byte: u8) -> bool {
        let Some(rest) = self.rest.strip_prefix(&[byte]) else { return false };
        self.rest = rest;
        true
    }

    fn blanks(&mut self) {
        while self.take(b' ') {}
    }

    fn optional_white(&mut self) {
        while self.take(b' ') || self.take(b'\t') {}
    }

    /// The longest beginning of such bytes.
    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !belongs(*byte)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    fn key(&mut self) -> Result<&'a [u8], Refusal> {
        let key = self.run(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'));
        let begins = key.first().is_some_and(|first| matches!(first, b'a'..=b'z' | b'*'));
        if begins { Ok(key) } else { Err(Refusal::Malformed) }
    }

    fn member(&mut self) -> Result<Member<'a>, Refusal> {
        if !self.take(b'(') {
            return self.item().map(Member::Item);
        }
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.take(b')') {
                return Ok(Member::List(items, self.parameters()?));
            }
            bounded(&items)?;
            items.push(self.item()?);
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return Err(Refusal::Malformed);
            }
        }
    }

    fn item(&mut self) -> Result<Item<'a>, Refusal> {
        Ok(Item { bare: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Result<Parameters<'a>, Refusal> {
        let mut parameters: Parameters<'a> = Vec::new();
        while self.take(b';') {
            self.blanks();
            bounded(&parameters)?;
            let name = self.key()?;
            if parameters.iter().any(|(one, _)| *one == name) {
                return Err(Refusal::Duplicate);
            }
            let value = if self.take(b'=') { self.bare()? } else { Bare::Boolean(true) };
            parameters.push((name, value));
        }
        Ok(parameters)
    }

    fn bare(&mut self) -> Result<Bare, Refusal> {
        let bare = match self.rest.first() {
            Some(b'"') => self.text(),
            Some(b':') => {
                self.take(b':');
                let bytes = encoding::base64(self.run(|byte| byte != b':'));
                bytes.filter(|_| self.take(b':')).map(Bare::Bytes)
            }
            Some(b'?') => {
                self.take(b'?');
                let yes = self.take(b'1');
                (yes || self.take(b'0')).then_some(Bare::Boolean(yes))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'*' | b'a'..=b'z' | b'A'..=b'Z') => {
                let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Some(Bare::Other(self.run(token).to_vec()))
            }
            _ => None,
        };
        bare.ok_or(Refusal::Malformed)
    }

    fn text(&mut self) -> Option<Bare> {
        self.take(b'"');
        let mut text = Vec::new();
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(Bare::Text(text)),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    text.push(Some(*escaped).filter(|byte| matches!(byte, b'"' | b'\\'))?);
                }
                b' '..=b'~' => text.push(*byte),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Bare> {
        let text = self.run(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9'));
        let (sign, digits) = text.strip_prefix(b"-").map_or((1, text), |digits| (-1, digits));
        let mut parts = digits.splitn(2, |byte| *byte == b'.');
        let whole = parts.next().filter(|whole| whole.len() <= 15)?;
        let number = encoding::decimal(whole)?;
        match parts.next() {
            None if number == 0 && sign < 0 => None,
            None => Some(Bare::Integer(sign * number as i64)),
            Some(fraction) => {
                let written = encoding::digits(fraction).is_some() && fraction.len() <= 3 && whole.len() <= 12;
                let shortest = fraction.len() == 1 || fraction.last() != Some(&b'0');
                (written && shortest).then(|| Bare::Other(text.to_vec()))
            }
        }
    }
}
