//! Lines that a plugin has logged, until JavaScript takes them: while the plugin runs, no JavaScript may.

use std::cell::RefCell;

use polygate_extend::{Host, LogLine};

/// Of one call; what comes after them is lost, and said so.
const MOST: usize = 32;

/// Level and message, one after the other.
#[derive(Default)]
pub struct Lines(RefCell<Vec<String>>);

impl Lines {
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

impl Host for Lines {
    fn log(&self, line: &LogLine<'_>) {
        let mut lines = self.0.borrow_mut();
        if lines.len() == MOST * 2 {
            lines.extend(["warn".to_owned(), "further lines of this call are left out".to_owned()]);
        }
        if lines.len() < MOST * 2 {
            lines.push(line.level.name().to_owned());
            lines.push(String::from_utf8_lossy(line.message).into_owned());
        }
    }
}
