//! Opens a plugin's library: under a path that its content alone gives, so that a changed file is a new library, and for
//! ever, since code that was unloaded might still be needed (thread-local destructors, rust-lang/rust#59629).

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use polygate_plugin_abi as abi;
use sha2::{Digest as _, Sha256};

use crate::{Failure, FailureCause};

/// The table of the plugin in `file`, checked as far as it can be.
pub fn open(file: &Path, folder: &Path, name: &str) -> Result<&'static abi::Plugin, Failure> {
    let failed = |text: String| Failure::new(FailureCause::Error, format!("{name}: {text}"));
    let shown = file.display();
    let content = fs::read(file).map_err(|error| failed(format!("{shown}: {error}")))?;
    let copy = copy(&content, folder).map_err(|error| failed(format!("no copy in {}: {error}", folder.display())))?;
    // All symbols are looked up now, so that one that is missing is found before a request is; none is given to others.
    // SAFETY: code of the library runs. Whoever configures the gateway trusts it.
    let library = unsafe { Library::open(Some(&copy), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| failed(format!("{shown} is no library for this machine: {}", cause(&error, &copy))))?;
    // SAFETY: the type is that of the header, which whatever exports this name has promised.
    let function = unsafe { library.get::<abi::TableFunction>(abi::TABLE_SYMBOL) }
        .map(|symbol| *symbol)
        .map_err(|_| failed(format!("{shown} does not export `polygate_plugin_table`")));
    // Never closed; also where it was refused, since its code has run.
    std::mem::forget(library);
    // SAFETY: no arguments; the library stays.
    let table = unsafe { function?() };
    check(table).map_err(failed)
}

fn check(table: *const abi::Plugin) -> Result<&'static abi::Plugin, String> {
    if table.is_null() || !table.is_aligned() {
        return Err("`polygate_plugin_table` returned no table".to_owned());
    }
    // SAFETY: every table begins with these two numbers, whatever its version.
    let (version, size) =
        unsafe { ((&raw const (*table).abi_version).read(), (&raw const (*table).struct_size).read()) };
    if version != abi::ABI_VERSION {
        let ours = abi::ABI_VERSION;
        return Err(format!(
            "the library is built for version {version} of the plugin interface, the gateway for {ours}"
        ));
    }
    if (size as usize) < size_of::<abi::Plugin>() {
        let least = size_of::<abi::Plugin>();
        return Err(format!("the library's table has {size} bytes, and version {version} has at least {least}"));
    }
    // SAFETY: it is as long as it must be, and stays for as long as the library, which is never closed.
    Ok(unsafe { &*table })
}

/// Writes the content where it is not there yet.
fn copy(content: &[u8], folder: &Path) -> std::io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = String::with_capacity(67);
    for byte in Sha256::digest(content) {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    let path = folder.join(name + ".so");
    if fs::read(&path).is_ok_and(|there| there == content) {
        return Ok(path);
    }
    fs::create_dir_all(folder)?;
    // Other workers do the same at the same time: whoever comes last puts the same bytes there.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{count}.new", std::process::id()));
    let written = fs::File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, &path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.map(|()| path)
}

/// The loader's own words, without the copy's path, which says nothing to the operator.
fn cause(error: &libloading::Error, copy: &Path) -> String {
    let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    source.replace(&format!("{}: ", copy.display()), "")
}
