//! The header and the Rust types are one interface: a C program that includes the header prints each size, place and
//! constant, and they are those of this crate.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

use std::fmt::Write as _;
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use polygate_plugin_abi::{ABI_VERSION, Header, Host, Plugin, TABLE_SYMBOL, Text, level, outcome, part};

macro_rules! places {
    ($type:ident as $name:literal: $($field:ident)+) => {
        [(concat!("sizeof(", $name, ")"), size_of::<$type>())]
            .into_iter()
            .chain([$((concat!("offsetof(", $name, ", ", stringify!($field), ")"), offset_of!($type, $field))),+])
            .collect::<Vec<_>>()
    };
}

/// Expressions of C, and what they are here.
fn expected() -> Vec<(&'static str, usize)> {
    let constants = [
        ("POLYGATE_PLUGIN_ABI", ABI_VERSION),
        ("POLYGATE_METHOD", part::METHOD),
        ("POLYGATE_SCHEME", part::SCHEME),
        ("POLYGATE_HOST", part::HOST),
        ("POLYGATE_PATH", part::PATH),
        ("POLYGATE_QUERY", part::QUERY),
        ("POLYGATE_REMOTE_ADDRESS", part::REMOTE_ADDRESS),
        ("POLYGATE_REQUEST_ID", part::REQUEST_ID),
        ("POLYGATE_ROUTE", part::ROUTE),
        ("POLYGATE_CONSUMER", part::CONSUMER),
        ("POLYGATE_BODY", part::BODY),
        ("POLYGATE_UPSTREAM", part::UPSTREAM),
        ("POLYGATE_DONE", outcome::DONE as u32),
        ("POLYGATE_FAILED", outcome::FAILED as u32),
        ("POLYGATE_BROKEN", outcome::BROKEN as u32),
        ("POLYGATE_DEBUG", level::DEBUG),
        ("POLYGATE_INFO", level::INFO),
        ("POLYGATE_WARN", level::WARN),
        ("POLYGATE_ERROR", level::ERROR),
    ];
    let constants = constants.into_iter().map(|(name, value)| (name, value as usize));
    [
        places!(Text as "polygate_text": start length),
        places!(Header as "polygate_header": name value),
        places!(Host as "polygate_host": abi_version struct_size log refuse text set_text header headers set_header
            append_header remove_header context set_context status set_status respond fail),
        places!(Plugin as "polygate_plugin": abi_version struct_size create destroy request authenticate authorize forward
            response log),
    ]
    .concat()
    .into_iter()
    .chain(constants)
    .collect()
}

#[test]
fn sizes_places_and_constants_are_those_of_the_header() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("header-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (source, program) = (folder.join("print.c"), folder.join("print"));
    let mut text = "#include <stdio.h>\n#include \"polygate_plugin.h\"\nint main(void) {\n".to_owned();
    for (expression, _) in expected() {
        writeln!(text, "  printf(\"%s %zu\\n\", \"{expression}\", (size_t)({expression}));").unwrap();
    }
    fs::write(&source, text + "  return 0;\n}\n").unwrap();
    compile("c99", &source, &["-o", program.to_str().unwrap()]);
    let output = Command::new(&program).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let wanted: Vec<_> = expected().iter().map(|(expression, value)| format!("{expression} {value}")).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), wanted);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_function_and_constant_of_the_header_is_looked_at() {
    let header = fs::read_to_string(contract().join("polygate_plugin.h")).unwrap();
    let known = expected();
    let is_known = |name: &str| {
        known.iter().any(|(expression, _)| *expression == name || expression.ends_with(&format!(", {name})")))
    };
    let functions = header.split("(*").skip(1).filter_map(|rest| rest.split(')').next());
    let constants = header
        .lines()
        .filter_map(|line| line.trim().strip_prefix("POLYGATE_"))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| format!("POLYGATE_{name}"));
    let mut count = 0;
    for name in functions.map(str::to_owned).chain(constants) {
        // The table of refusals is native/head's, whose tests look at it.
        let is_refusal = header.find(&name) > header.find("enum polygate_refusal")
            && header.find(&name) < header.find("enum polygate_level");
        assert!(is_refusal || is_known(&name), "{name}");
        count += 1;
    }
    assert!(count > 40, "{count}");
    assert!(header.contains(&format!("polygate_plugin *{}(void);", std::str::from_utf8(&TABLE_SYMBOL[..21]).unwrap())));
}

#[test]
fn the_header_is_good_c_and_good_cpp() {
    for (standard, name) in [("c99", "a.c"), ("c++17", "a.cpp")] {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{standard}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let source = folder.join(name);
        fs::write(&source, "#include \"polygate_plugin.h\"\n#include \"polygate_plugin.h\"\n").unwrap();
        compile(standard, &source, &["-fsyntax-only"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}

fn contract() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn compile(standard: &str, source: &Path, options: &[&str]) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(contract())
        .arg(source)
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
