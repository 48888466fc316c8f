//! Names of consumers by number, so that a request says who it is by an integer. JavaScript adds those of a plan when it
//! is prepared, and forgets them with it.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ptr;

use napi::sys;

use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;

/// The number travels in the upper bits of a command's flags.
const MOST: usize = (1 << 19) - 1;
const MAX_NAME_BYTES: usize = 256;

#[derive(Default)]
pub struct Consumers {
    /// By number less 1.
    names: Vec<Box<[u8]>>,
    free: Vec<usize>,
}

impl Consumers {
    /// The name of a number; empty for 0 and for what was never given.
    pub fn name(&self, number: i32) -> &[u8] {
        usize::try_from(number).ok().and_then(|number| self.names.get(number.wrapping_sub(1))).map_or(b"", |name| name)
    }

    fn add(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(index) = self.free.pop() {
            self.names[index] = name.into();
            return Some(index + 1);
        }
        if self.names.len() == MOST {
            return None;
        }
        self.names.push(name.into());
        Some(self.names.len())
    }

    fn forget(&mut self, number: usize) {
        let index = number.wrapping_sub(1);
        if let Some(name) = self.names.get_mut(index).filter(|name| !name.is_empty()) {
            *name = Box::default();
            self.free.push(index);
        }
    }
}

/// `consumer(name)`: a number above 0.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let mut name = Vec::new();
        let sound = call.append_latin1(0, &mut name)
            && (1..=MAX_NAME_BYTES).contains(&name.len())
            && name.iter().all(u8::is_ascii_graphic);
        if !sound {
            return Err(wrong("a consumer's name is printable ASCII without blanks"));
        }
        // SAFETY: as in `this`.
        let number = unsafe { this(call.data) }.consumers.add(&name);
        call.integer(number.ok_or_else(|| wrong("there are too many consumers"))? as i32)
    })
}

/// `dropConsumer(number)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let number = call.integer_at(0)?;
        // SAFETY: as in `this`.
        unsafe { this(call.data) }.consumers.forget(number as usize);
        Ok(ptr::null_mut())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_unknown_ones_have_no_name() {
        let mut consumers = Consumers::default();
        assert_eq!([consumers.name(0), consumers.name(1), consumers.name(-1)], [b""; 3]);
        assert_eq!((consumers.add(b"a"), consumers.add(b"b")), (Some(1), Some(2)));
        consumers.forget(1);
        consumers.forget(1);
        consumers.forget(9);
        assert_eq!((consumers.name(1), consumers.name(2)), (&b""[..], &b"b"[..]));
        assert_eq!((consumers.add(b"c"), consumers.add(b"d")), (Some(1), Some(3)));
        assert_eq!(consumers.name(1), b"c");
    }
}
