//! Plugins that run inside the worker's own thread: what they see and may do, and the hosts that call them.
//!
//! A host (native libraries behind the C interface, Luau) knows nothing of slots or of Node: it is given a
//! [`Request`] or a [`Response`] and calls the plugin with it. The addon implements both over a slot's head and edits.

mod exchange;
mod failure;
mod host;
mod lua;
mod native;
mod plugin;
mod reply;
mod request;
mod store;

pub use exchange::{Answer, Carried, Facts, Pair, SlotRequest, Written};
pub use failure::{Failure, FailureCause};
pub use host::{Host, Level, LogLine};
pub use lua::{LuaPlugin, LuaSource, syntax_problem};
pub use native::{NativePlugin, NativeSource};
pub use plugin::Plugin;
pub use polygate_head::{EditKind, EditRefusal};
pub use reply::Reply;
pub use request::{Headers, Hook, Request, Response};
pub use store::{Store, StoreRefusal};
