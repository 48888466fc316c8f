//! Edits of a response's header block by the route: names taken out, lines added.

/// Compiled once per route.
#[derive(Debug, Default)]
pub struct ResponseEdits {
    removed: Vec<Box<[u8]>>,
    added: Box<[u8]>,
}

impl ResponseEdits {
    /// Fields of a name in `removed` (compared without case) go, then the lines of `added` come, each `\r\nname: value`.
    pub fn new<'a>(removed: impl Iterator<Item = &'a [u8]>, added: &[u8]) -> Self {
        Self { removed: removed.map(Into::into).collect(), added: added.into() }
    }

    /// Appends the edited block to `out`. `block`: lines, each `\r\nname: value`.
    pub fn apply(&self, block: &[u8], out: &mut Vec<u8>) {
        if self.removed.is_empty() {
            out.extend_from_slice(block);
        } else {
            self.keep(block, out);
        }
        out.extend_from_slice(&self.added);
    }

    fn keep(&self, block: &[u8], out: &mut Vec<u8>) {
        // Neighbours that stay are copied together.
        let (mut from, mut line) = (0, 0);
        while line < block.len() {
            let text = block.get(line + 2..).unwrap_or_default();
            // No value has a CR.
            let end = text.iter().position(|byte| *byte == b'\r').map_or(block.len(), |found| line + 2 + found);
            if self.removes(&text[..end - (line + 2).min(end)]) {
                out.extend_from_slice(&block[from..line]);
                from = end;
            }
            line = end;
        }
        out.extend_from_slice(&block[from..]);
    }

    fn removes(&self, line: &[u8]) -> bool {
        self.removed
            .iter()
            .any(|name| line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(removed: &[&str], added: &str, block: &str) -> String {
        let mut out = b"<".to_vec();
        ResponseEdits::new(removed.iter().map(|name| name.as_bytes()), added.as_bytes())
            .apply(block.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn names_go_in_any_case_and_wherever_they_stand() {
        let block = "\r\nServer: x\r\nVary: a\r\nserver: y\r\nServers: z\r\nSERVER:";
        assert_eq!(edited(&["server"], "", block), "<\r\nVary: a\r\nServers: z");
        assert_eq!(edited(&["server", "vary", "servers"], "", block), "<");
        assert_eq!(edited(&["other"], "", block), format!("<{block}"));
    }

    #[test]
    fn lines_are_added_behind_what_stays() {
        assert_eq!(edited(&[], "\r\na: b", "\r\nc: d"), "<\r\nc: d\r\na: b");
        assert_eq!(edited(&["c"], "\r\nc: e", "\r\nC: d\r\nf: g"), "<\r\nf: g\r\nc: e");
        assert_eq!(edited(&["c"], "", ""), "<");
    }

    #[test]
    fn a_value_is_no_name() {
        assert_eq!(edited(&["b"], "", "\r\na: b: c\r\nb:c"), "<\r\na: b: c");
    }
}
