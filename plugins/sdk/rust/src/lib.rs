//! Write plugins for Polygate in Rust: implement [`Plugin`], name it and its hooks to [`polygate_plugin!`], and build a
//! `cdylib` (`crate-type = ["cdylib"]`).
//!
//! ```
//! use polygate_plugin::{Config, Host, Plugin, Request, Result, Verdict, polygate_plugin};
//!
//! #[derive(serde::Deserialize)]
//! struct Greeting {
//!     greeting: String,
//! }
//!
//! impl Plugin for Greeting {
//!     fn new(config: &Config<'_>, _host: &Host) -> Result<Self> {
//!         config.parse()
//!     }
//!
//!     fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
//!         if request.headers.get("x-block").is_some() {
//!             return request.respond(403, &[("content-type", "text/plain")], "blocked");
//!         }
//!         request.headers.set("x-greeting", &self.greeting)?;
//!         Ok(Verdict::Continue)
//!     }
//! }
//!
//! polygate_plugin!(Greeting: request);
//! ```
//!
//! A hook runs on the worker's own loop: it must not block, and nothing can stop it. An instance belongs to one thread and
//! is called one call at a time; each worker has its own. A panic is caught, and the instance is not called again until
//! the gateway makes a new one; so `panic = "abort"` must not be set in the plugin's profile.
//! `plugins/contract/polygate_plugin.h` has the whole contract.

mod config;
mod error;
#[doc(hidden)]
pub mod export;
mod headers;
mod host;
mod messages;

pub use config::Config;
pub use error::{Error, Refusal, Result};
pub use headers::Headers;
pub use host::{Host, Level};
pub use messages::{Request, Response, Verdict};

/// What the macro writes down.
#[doc(hidden)]
pub use polygate_plugin_abi as abi;

/// A plugin with one configuration. Only the hooks that are named to [`polygate_plugin!`] are called.
pub trait Plugin: Sized + 'static {
    /// Called once per configuration and worker. An error refuses the configuration, and says why.
    fn new(config: &Config<'_>, host: &Host) -> Result<Self>;

    /// After the route is known, before the guards.
    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let _ = request;
        Ok(Verdict::Continue)
    }

    /// In the guards' place for credentials: [`Request::set_consumer`], or [`Request::respond`] to reject. Neither: not
    /// this plugin's credentials.
    fn authenticate(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let _ = request;
        Ok(Verdict::Continue)
    }

    /// The consumer is known.
    fn authorize(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let _ = request;
        Ok(Verdict::Continue)
    }

    /// Last before the upstream.
    fn forward(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let _ = request;
        Ok(Verdict::Continue)
    }

    /// The upstream's response is there.
    fn response(&mut self, response: &mut Response<'_>, request: &Request<'_>) -> Result<Verdict> {
        let _ = (response, request);
        Ok(Verdict::Continue)
    }

    /// After the last byte. `response` is None where the upstream gave none.
    fn log(&mut self, request: &Request<'_>, response: Option<&Response<'_>>) -> Result<()> {
        let _ = (request, response);
        Ok(())
    }
}

/// Exports a [`Plugin`] with the hooks that it has: `polygate_plugin!(Greeting: request, response);`. Once per library.
#[macro_export]
macro_rules! polygate_plugin {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        const _: () = {
            static TABLE: $crate::abi::Plugin = $crate::export::Table::<$plugin>::new()$(.$hook())+.table;

            #[unsafe(no_mangle)]
            extern "C" fn polygate_plugin_table() -> *const $crate::abi::Plugin {
                &raw const TABLE
            }
        };
    };
}
