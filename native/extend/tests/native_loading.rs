//! Loading plugins in native code: what is refused and in which words, that a configuration's fault is its author's to
//! read, that a changed file is new code, and what a plugin in C that makes every mistake in the interface gets.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod support;

use std::fs;
use std::path::PathBuf;

use polygate_extend::{FailureCause, Hook};
use support::{Folder, Slot, c_library, load, root, rust_library, source};

fn faulty_c(folder: &Folder, fault: &str) -> PathBuf {
    let file = root().join("native/extend/tests/plugins/faulty.c");
    c_library(&file, &folder.0, &format!("{fault}.so"), &[&format!("-DFAULT={fault}")])
}

#[test]
fn what_is_no_plugin_of_this_interface_is_refused() {
    let folder = Folder::new();
    for (fault, reason) in [
        ("WRONG_VERSION", "tested: the library is built for version 2 of the plugin interface, the gateway for 1"),
        ("TRUNCATED", "tested: the library's table has 64 bytes, and version 1 has at least 72"),
        ("NO_SYMBOL", "NO_SYMBOL.so does not export `polygate_plugin_table`"),
        ("NO_TABLE", "tested: `polygate_plugin_table` returned no table"),
        ("NO_CREATE", "tested: the library's table has no `create`"),
        ("NO_HOOK", "tested: the manifest names the hook `request`, which the library lacks"),
        ("UNRESOLVED", "nobody_has_this"),
        ("SILENT_CREATE", "tested: `create` returned 1 without a reason"),
    ] {
        let failure = load(&source(&faulty_c(&folder, fault), &folder, "{}", &[Hook::Request])).unwrap_err();
        assert!(failure.reason.contains(reason), "{fault}: {}", failure.reason);
        assert_eq!(failure.cause, FailureCause::Error, "{fault}");
    }
}

#[test]
fn what_is_no_library_is_refused() {
    let folder = Folder::new();
    let file = folder.0.join("plugin.so");
    let refused = |reason: &str| {
        let failure = load(&source(&file, &folder, "{}", &[Hook::Request])).unwrap_err();
        assert!(failure.reason.starts_with("tested: ") && failure.reason.contains(reason), "{}", failure.reason);
        assert!(!failure.reason.contains("libraries/"), "the copy is nobody's business: {}", failure.reason);
    };
    refused("No such file");
    fs::write(&file, "return function(config, host) end").unwrap();
    refused("is no library for this machine");
    fs::write(&file, "").unwrap();
    refused("is no library for this machine");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused("Is a directory");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let folder = Folder::new();
    let library = faulty_c(&folder, "FUTURE");
    fs::write(folder.0.join("libraries"), "a file").unwrap();
    let failure = load(&source(&library, &folder, "{}", &[Hook::Request])).unwrap_err();
    assert!(failure.reason.contains("no copy in") && failure.reason.contains("libraries"), "{}", failure.reason);
}

#[test]
fn a_bad_configuration_is_refused_in_the_plugins_words() {
    let folder = Folder::new();
    let (greeting, faulty) = (rust_library("greeting-rust"), rust_library("faulty-plugin"));
    let c = c_library(&root().join("plugins/examples/greeting-c/greeting.c"), &folder.0, "greeting.so", &[]);
    for (library, config, reason) in [
        (&greeting, "{}", "tested: config: missing field `greeting` at line 1 column 2"),
        (&greeting, "[", "tested: config: EOF while parsing"),
        (&greeting, r#"{ "greeting": 1 }"#, "tested: config: invalid type: integer `1`, expected a string"),
        (&faulty, r#"{ "name": "a", "fault": "error" }"#, "tested: the name is taken"),
        (&faulty, r#"{ "name": "a", "fault": "panic" }"#, "no more of this"),
        (&c, "{}", "tested: config: `greeting` must be a text without escapes"),
        (&c, r#"{ "greeting": 1 }"#, "tested: config: `greeting` must be a text without escapes"),
    ] {
        let failure = load(&source(library, &folder, config, &[Hook::Request])).unwrap_err();
        assert!(failure.reason.starts_with("tested: ") && failure.reason.contains(reason), "{}", failure.reason);
    }
    // None of them has spoilt the library.
    let mut plugin = load(&source(&greeting, &folder, r#"{ "greeting": "hello" }"#, &[Hook::Request])).unwrap();
    let mut slot = Slot::new("/", "");
    slot.call(&mut plugin, Hook::Request).unwrap();
    assert_eq!(slot.header("x-greeting").as_deref(), Some("hello"));
}

#[test]
fn a_changed_file_of_the_same_name_is_new_code() {
    let folder = Folder::new();
    let text = fs::read_to_string(root().join("plugins/examples/greeting-c/greeting.c")).unwrap();
    let (file, config) = (folder.0.join("plugin.c"), r#"{"greeting":"hello"}"#);
    let build = |header: &str| {
        fs::write(&file, text.replace("x-greeting", header)).unwrap();
        let library = c_library(&file, &folder.0, "plugin.so", &[]);
        load(&source(&library, &folder, config, &[Hook::Request])).unwrap()
    };
    let greets = |plugin: &mut _, header: &str| {
        let mut slot = Slot::new("/", "");
        slot.call(plugin, Hook::Request).unwrap();
        slot.header(header).as_deref() == Some("hello")
    };
    let mut first = build("x-first");
    let mut second = build("x-second");
    let mut again = build("x-first");
    assert!(greets(&mut first, "x-first") && greets(&mut second, "x-second") && greets(&mut again, "x-first"));
    assert!(!greets(&mut first, "x-second"), "the old one goes on as it was");
    let entries = fs::read_dir(folder.0.join("libraries")).unwrap();
    let copies: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(copies.len(), 2, "one file for each content: {copies:?}");

    // A copy that somebody has changed is not what was asked for.
    for copy in copies {
        fs::remove_file(&copy).unwrap();
        fs::write(copy, "something else").unwrap();
    }
    assert!(greets(&mut build("x-third"), "x-third"));
    assert!(greets(&mut build("x-second"), "x-second"));
}

#[test]
fn a_table_of_a_later_gateway_is_taken_as_far_as_it_is_known() {
    let folder = Folder::new();
    let mut plugin = load(&source(&faulty_c(&folder, "FUTURE"), &folder, "{}", &[Hook::Request])).unwrap();
    assert_eq!(Slot::new("/", "").call(&mut plugin, Hook::Request), Ok(()));
}

#[test]
fn mistakes_in_the_interface_are_refused_and_survived() {
    let folder = Folder::new();
    let mut plugin = load(&source(&faulty_c(&folder, "NULLS"), &folder, "{}", &[Hook::Request])).unwrap();
    let mut slot = Slot::new("/", "");
    assert_eq!(slot.call(&mut plugin, Hook::Request), Ok(()));
    assert!(slot.edits.is_empty());
    let answer = slot.carried.take_answer().unwrap();
    assert_eq!((answer.status, answer.headers.len(), answer.body.len()), (204, 0, 0));

    let mut plugin = load(&source(&faulty_c(&folder, "SILENT_FAILURE"), &folder, "{}", &[Hook::Request])).unwrap();
    for _ in 0..2 {
        let failure = Slot::new("/", "").call(&mut plugin, Hook::Request).unwrap_err();
        assert_eq!(failure.reason, "the hook returned 1 without a reason");
    }
    let mut plugin = load(&source(&faulty_c(&folder, "STRANGE_OUTCOME"), &folder, "{}", &[Hook::Request])).unwrap();
    // What is not known may be the instance's end: it is made anew.
    for _ in 0..2 {
        let failure = Slot::new("/", "").call(&mut plugin, Hook::Request).unwrap_err();
        assert_eq!(failure.reason, "the hook returned 77 without a reason");
    }
}
