//! The addon: N-API conversions only. What it converts for lives in the other crates, which are tested without Node.

mod arguments;
mod certificates;
mod consumers;
mod direct;
mod downstream;
mod edits;
mod exchanges;
mod heads;
mod idle_metrics;
mod jwt;
mod keys;
mod limit_places;
mod limits;
mod parent;
mod passwords;
mod plugins;
mod response_edits;
mod shared_memory;
mod signing;
mod upstream;

/// The addon's version; `ts/shared/native.ts` refuses an addon of another version than the package's.
#[napi_derive::napi(catch_unwind)]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
