//! Request heads for JavaScript: one `RequestHeads` a worker. JS sees of a head only what it needs for matching, as
//! numbers in `info` and texts in `slab`, both made once; the head itself stays here until it is composed.
//!
//! Everything of an instance belongs to the thread that made it, and is found by a number instead of a pointer: a
//! function that outlives its instance finds nothing.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

mod object;
mod options;

use std::cell::RefCell;
use std::ptr::NonNull;

use polygate_head::{
    ComposeError, EditedHead, Edits, Flag, Forwarding, Framing, Head, Heads, Limits, Policy, Refusal, compose_edited,
};

/// Ints of `info`; `HeadInfo` in `ts/shared/native-heads.ts` names them.
pub const INFO_INTS: usize = 15;
/// What `maxHeadBytes: 0` means: the slab is made once, so there must be some limit.
const MOST_HEAD_BYTES: usize = 1 << 20;
/// A method (32), a request id (128), the `/` of an absolute target without a path.
const SLAB_EXTRA: usize = 256;

/// No such slot, or no such instance; never a refusal's code.
pub const NO_SLOT: i32 = -1;

struct Instance {
    heads: Heads,
    policies: Vec<Option<Policy>>,
    info: NonNull<[i32; INFO_INTS]>,
    slab: NonNull<u8>,
    slab_bytes: usize,
    /// A string from JS, in UTF-8 and in latin-1.
    utf8: Vec<u8>,
    latin1: Vec<u8>,
}

thread_local! {
    static INSTANCES: RefCell<Vec<Option<Instance>>> = const { RefCell::new(Vec::new()) };
}

/// Why nothing was composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The slot holds no head.
    NoHead,
    /// No policy of that number.
    NoPolicy,
    /// A text of the request or an edit is not valid.
    Compose(ComposeError),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHead => formatter.write_str("no head in this slot"),
            Self::NoPolicy => formatter.write_str("no such policy"),
            Self::Compose(error) => error.fmt(formatter),
        }
    }
}

/// Reads a head into a slot of the instance and fills its `info` and `slab`. 0, a refusal's code, or [`NO_SLOT`].
/// `instance` is `RequestHeads.id`.
pub fn take_bytes(instance: usize, slot: usize, head: &[u8]) -> i32 {
    with(instance, |instance| instance.take(slot, head)).unwrap_or(NO_SLOT)
}

/// Appends the upstream's head of a slot to `out`, with the slot's edits; after a problem `out` is as it was.
pub fn compose_head(
    instance: usize,
    slot: usize,
    policy: usize,
    forwarding: &Forwarding<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    with(instance, |instance| {
        let head = instance.heads.edited(slot).ok_or(Problem::NoHead)?;
        let policy = instance.policies.get(policy).and_then(Option::as_ref).ok_or(Problem::NoPolicy)?;
        compose_edited(head, policy, forwarding, out).map_err(Problem::Compose)
    })
    .unwrap_or(Err(Problem::NoHead))
}

/// How the client framed the body of the slot's request.
pub fn framing_of(instance: usize, slot: usize) -> Framing {
    with(instance, |instance| instance.heads.framing(slot)).unwrap_or(Framing::None)
}

/// Lends the head of a slot, as the client sent it, to `work`, which must not call into JS.
pub fn with_head<R>(instance: usize, slot: usize, work: impl FnOnce(Option<&Head>) -> R) -> R {
    INSTANCES.with_borrow(|instances| {
        work(instances.get(instance).and_then(Option::as_ref).and_then(|instance| instance.heads.get(slot)))
    })
}

/// Lends the head of a slot with the edits made so far: what guards and plugins read. `work` must not call into JS.
pub fn with_edited<R>(instance: usize, slot: usize, work: impl FnOnce(Option<EditedHead<'_>>) -> R) -> R {
    INSTANCES.with_borrow(|instances| {
        work(instances.get(instance).and_then(Option::as_ref).and_then(|instance| instance.heads.edited(slot)))
    })
}

/// Lends the head of a slot and its edits to `work`, which must not call into JS.
pub fn with_edits<R>(instance: usize, slot: usize, work: impl FnOnce(Option<(&Head, &mut Edits)>) -> R) -> R {
    INSTANCES.with_borrow_mut(|instances| {
        let instance = instances.get_mut(instance).and_then(Option::as_mut);
        work(instance.and_then(|instance| instance.heads.edit(slot)))
    })
}

/// Remembers the edits of a slot, or makes them what they were then.
pub fn keep_edits(instance: usize, slot: usize, restore: bool) {
    with(
        instance,
        |instance| {
            if restore { instance.heads.restore_edits(slot) } else { instance.heads.save_edits(slot) }
        },
    );
}

/// Reads a head into a slot if it needs nothing but to be forwarded: no body, no expectation, no upgrade. False: the
/// slot is free, also where the head is malformed.
pub fn take_plain(instance: usize, slot: usize, head: &[u8]) -> bool {
    const OTHER: u32 = Flag::EXPECT_CONTINUE | Flag::EXPECT_OTHER | Flag::WEB_SOCKET | Flag::OTHER_UPGRADE;
    with(instance, |instance| {
        let plain = match instance.heads.take(slot, head) {
            Some(Ok(head)) => head.framing() == Framing::None && head.flags() & OTHER == 0,
            _ => false,
        };
        if !plain {
            instance.heads.release(slot);
        }
        plain
    })
    .unwrap_or(false)
}

/// Writes the numbers of a slot's head into `info` and its texts to the front of `slab`. Returns the bytes used; None:
/// no head, or no room.
pub fn describe_head(instance: usize, slot: usize, info: &mut [i32], slab: &mut [u8]) -> Option<usize> {
    with(instance, |instance| {
        let head = instance.heads.get(slot)?;
        let (info, _) = info.split_first_chunk_mut::<INFO_INTS>()?;
        (slab.len() >= head.raw().len() + SLAB_EXTRA).then(|| describe(head, info, slab))
    })
    .flatten()
}

/// Frees a slot.
pub fn release(instance: usize, slot: usize) {
    with(instance, |instance| instance.heads.release(slot));
}

/// Nothing in `work` may call into JS: the instances are borrowed meanwhile.
fn with<R>(instance: usize, work: impl FnOnce(&mut Instance) -> R) -> Option<R> {
    INSTANCES.with_borrow_mut(|instances| instances.get_mut(instance)?.as_mut().map(work))
}

fn add(instance: Instance) -> usize {
    INSTANCES.with_borrow_mut(|instances| {
        instances.push(Some(instance));
        instances.len() - 1
    })
}

fn forget(instance: usize) {
    // At the end of a thread its statics may be gone already, and the instance with them.
    let _ = INSTANCES.try_with(|instances| instances.borrow_mut().get_mut(instance).map(Option::take));
}

fn limits(max_head_bytes: u32, max_headers: u32) -> Limits {
    let max_bytes = match max_head_bytes as usize {
        0 => MOST_HEAD_BYTES,
        bytes => bytes.min(MOST_HEAD_BYTES),
    };
    Limits { max_bytes, max_headers: max_headers as usize }
}

impl Instance {
    fn take(&mut self, slot: usize, input: &[u8]) -> i32 {
        match self.heads.take(slot, input) {
            None => NO_SLOT,
            Some(Err(refusal)) => refusal.code(),
            Some(Ok(head)) => {
                // SAFETY: `info` and `slab` are the memory of the typed array and the buffer that `object::create` made
                // on this thread; it holds a reference to both for as long as the environment lives, and the instance
                // is forgotten before that ends. Our JS transfers neither to another thread (`RequestHeads` says so), and none runs
                // during the call, so nothing else reads or writes them.
                let (info, slab) = unsafe {
                    (self.info.as_mut(), std::slice::from_raw_parts_mut(self.slab.as_ptr(), self.slab_bytes))
                };
                describe(head, info, slab);
                0
            }
        }
    }

    /// As for a head that was refused by its reader.
    fn refuse(&mut self, slot: usize, refusal: Refusal) -> i32 {
        if !self.heads.has_slot(slot) {
            return NO_SLOT;
        }
        self.heads.release(slot);
        refusal.code()
    }

    fn add_policy(&mut self, policy: Policy) -> usize {
        if let Some(free) = self.policies.iter().position(Option::is_none) {
            self.policies[free] = Some(policy);
            return free;
        }
        self.policies.push(Some(policy));
        self.policies.len() - 1
    }

    fn drop_policy(&mut self, policy: usize) {
        if let Some(place) = self.policies.get_mut(policy) {
            *place = None;
        }
    }
}

/// Packs the texts from the slab's beginning, path first. Returns the bytes used.
fn describe(head: &Head, info: &mut [i32; INFO_INTS], slab: &mut [u8]) -> usize {
    let mut used = 0;
    let mut put = |text: &[u8]| {
        let start = used;
        // Never true: the texts come from one head of limited size. A panic would be worse than an empty text.
        let Some(place) = slab.get_mut(start..start + text.len()) else {
            return (0, 0);
        };
        place.copy_from_slice(text);
        used += text.len();
        (start as i32, text.len() as i32)
    };
    let path = put(head.match_path());
    let query = put(head.query().unwrap_or_default());
    let host = put(head.host_name());
    let request_id = put(head.request_id());
    let method = put(head.method_text());
    let (framing, length) = match head.framing() {
        Framing::None => (0, 0),
        Framing::Length(length) => (1, length),
        Framing::Chunked => (2, 0),
    };
    *info = [
        head.method() as i32,
        path.0,
        path.1,
        query.0,
        query.1,
        host.0,
        host.1,
        framing,
        length as u32 as i32,
        (length >> 32) as i32,
        head.flags() as i32,
        request_id.0,
        request_id.1,
        method.0,
        method.1,
    ];
    used
}

/// The bits of `HeadFlag` in `ts/shared/native-heads.ts`, which a test compares with these.
const FLAGS: [(&str, u32); 10] = [
    ("expectContinue", Flag::EXPECT_CONTINUE),
    ("expectOther", Flag::EXPECT_OTHER),
    ("webSocket", Flag::WEB_SOCKET),
    ("close", Flag::CLOSE),
    ("query", Flag::QUERY),
    ("normalised", Flag::NORMALISED),
    ("clientRequestId", Flag::CLIENT_REQUEST_ID),
    ("absoluteForm", Flag::ABSOLUTE_FORM),
    ("connectionNames", Flag::CONNECTION_NAMES),
    ("otherUpgrade", Flag::OTHER_UPGRADE),
];
