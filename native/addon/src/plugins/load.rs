//! Loads a plugin of each runtime, for JavaScript: its number.

use std::path::PathBuf;
use std::rc::Rc;

use napi::bindgen_prelude::{Error, Result};
use napi::sys;
use napi_derive::napi;
use polygate_extend::{Failure, Hook, LuaPlugin, LuaSource, NativePlugin, NativeSource, Plugin, syntax_problem};

use super::Entry;
use super::lines::Lines;
use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;

/// See `NativePluginOptions` in `ts/shared/native-plugins.ts`.
#[napi(object, object_to_js = false)]
pub struct NativePluginOptions {
    pub name: String,
    pub file: String,
    pub folder: String,
    pub config: String,
    pub hooks: Vec<u32>,
}

/// See `LuaPluginOptions` in `ts/shared/native-plugins.ts`.
#[napi(object, object_to_js = false)]
pub struct LuaPluginOptions {
    pub file: String,
    pub text: String,
    pub config: String,
    pub hooks: Vec<u32>,
    pub memory_bytes: u32,
}

/// See `NativePluginsModule` in `ts/shared/native-plugins.ts`.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn luau_problem(file: String, text: String) -> Option<String> {
    syntax_problem(&file, text.as_bytes())
}

/// `loadNativePlugin(options)`.
pub unsafe extern "C" fn native(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let options = call.object_at::<NativePluginOptions>(0)?;
        let source = NativeSource {
            name: options.name,
            file: PathBuf::from(options.file),
            folder: PathBuf::from(options.folder),
            config_json: options.config,
            hooks: hooks(&options.hooks)?,
        };
        load(call, |lines| Ok(Box::new(NativePlugin::load(&source, lines)?)))
    })
}

/// `loadLuaPlugin(options)`.
pub unsafe extern "C" fn lua(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let options = call.object_at::<LuaPluginOptions>(0)?;
        let source = LuaSource {
            hooks: hooks(&options.hooks)?,
            memory_bytes: options.memory_bytes as usize,
            ..LuaSource::new(options.file, options.text, options.config)
        };
        load(call, |lines| Ok(Box::new(LuaPlugin::load(source, lines)?)))
    })
}

fn hooks(numbers: &[u32]) -> Result<Vec<Hook>> {
    numbers.iter().map(|hook| Hook::of(*hook as usize).ok_or_else(|| wrong("no such hook"))).collect()
}

fn load(
    call: &Arguments<1>,
    make: impl FnOnce(Rc<Lines>) -> std::result::Result<Box<dyn Plugin>, Failure>,
) -> Result<sys::napi_value> {
    let lines = Rc::new(Lines::default());
    let plugin = make(Rc::clone(&lines)).map_err(|failure| Error::from_reason(failure.cut().into_text()))?;
    // SAFETY: as in `this`.
    let list = &mut unsafe { this(call.data) }.plugins.list;
    let index = list.iter().position(Option::is_none).unwrap_or_else(|| {
        list.push(None);
        list.len() - 1
    });
    list[index] = Some(Entry { plugin, lines });
    call.integer(index as i32)
}
