//! What the tests of the hosts share: plugins built as their authors would, a request in a slot, and a host that keeps
//! what was logged.

#![allow(dead_code, clippy::unwrap_used)] // Reason: no test uses all of it; a test may panic.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use polygate_extend::{
    Carried, EditRefusal, Facts, Failure, Headers, Hook, Host, LogLine, NativePlugin, NativeSource, Response,
    SlotRequest,
};
use polygate_head::{EditedHead, Edits, Head, Limits};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// A folder that is gone with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The library of a package of this workspace, built by cargo, once.
pub fn rust_library(package: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    BUILT.lock().unwrap().entry(package).or_insert_with(|| build(package)).clone()
}

fn build(package: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--message-format=json", "--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let end = messages.rfind(".so\"").unwrap() + 3;
    let start = messages[..end].rfind('"').unwrap() + 1;
    PathBuf::from(&messages[start..end])
}

/// A library from one file of C.
pub fn c_library(source: &Path, folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let library = folder.join(name);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(compiler)
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"])
        .args(options)
        .arg("-I")
        .arg(root().join("plugins/contract"))
        .arg(source)
        .arg("-o")
        .arg(&library)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Lines as `level hook route request-id: message`.
#[derive(Default)]
pub struct Lines(pub RefCell<Vec<String>>);

impl Host for Lines {
    fn log(&self, line: &LogLine<'_>) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let hook = line.hook.map_or("-", Hook::name);
        let (route, id) = (text(line.route), text(line.request_id));
        self.0.borrow_mut().push(format!("{} {hook} {route} {id}: {}", line.level.name(), text(line.message)));
    }
}

pub fn source(file: &Path, folder: &Folder, config: &str, hooks: &[Hook]) -> NativeSource {
    NativeSource {
        name: "tested".to_owned(),
        file: file.to_path_buf(),
        folder: folder.0.join("libraries"),
        config_json: config.to_owned(),
        hooks: hooks.to_vec(),
    }
}

pub fn load(source: &NativeSource) -> Result<NativePlugin, Failure> {
    NativePlugin::load(source, Rc::new(Lines::default()))
}

/// A request in flight.
pub struct Slot {
    pub head: Head,
    pub edits: Edits,
    pub carried: Carried,
}

impl Slot {
    pub fn new(target: &str, fields: &str) -> Self {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: id-1\r\n{fields}\r\n");
        let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
        Self { head, edits: Edits::default(), carried: Carried::default() }
    }

    pub fn request(&mut self, hook: Hook) -> SlotRequest<'_> {
        let facts = Facts { hook, tls: true, body: None, remote_address: b"10.0.0.1", route: b"shop", consumer: b"" };
        SlotRequest::new(&self.head, &mut self.edits, &mut self.carried, facts)
    }

    pub fn edited(&self) -> EditedHead<'_> {
        EditedHead::new(&self.head, Some(&self.edits))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.edited().header(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub fn call(&mut self, plugin: &mut NativePlugin, hook: Hook) -> Result<(), Failure> {
        plugin.on_request(hook, &mut self.request(hook))
    }
}

/// An upstream's response, whole.
pub struct Answered {
    pub status: u16,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
}

impl Headers for Answered {
    fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    fn headers<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], &'a [u8])) {
        for (name, value) in &self.fields {
            visit(name, value);
        }
    }

    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        polygate_head::check_header(name, value)?;
        self.remove_header(name)?;
        self.append_header(name, value)
    }

    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        polygate_head::check_header(name, value)?;
        self.fields.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        Ok(())
    }
}

impl Response for Answered {
    fn status(&self) -> u16 {
        self.status
    }

    fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    fn set_status(&mut self, status: u16) -> Result<(), EditRefusal> {
        self.status = status;
        Ok(())
    }

    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal> {
        self.body.as_mut().ok_or(EditRefusal::NoBody)?.splice(.., body.iter().copied());
        Ok(())
    }

    fn fail(&mut self, _reason: &[u8]) {}
}
