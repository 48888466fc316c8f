//! The table of refusals is one, in the gateway, in the C header and in the crate for authors: codes, names and words.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod support;

use std::fs;

use polygate_extend::EditRefusal;
use support::root;

/// `BadName` as `BAD_NAME`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(character.to_ascii_uppercase());
    }
    out
}

#[test]
fn codes_are_those_of_the_header() {
    let header = fs::read_to_string(root().join("plugins/contract/polygate_plugin.h")).unwrap();
    let table = header.split("enum polygate_refusal {").nth(1).unwrap().split("};").next().unwrap();
    let listed: Vec<_> = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("POLYGATE_")?.split_once(" = "))
        .map(|(name, rest)| {
            (name.to_owned(), rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
        })
        .collect();
    let ours: Vec<_> =
        EditRefusal::ALL.iter().map(|refusal| (screaming(&format!("{refusal:?}")), refusal.code())).collect();
    assert_eq!(listed, ours);
}

#[test]
fn words_are_those_of_the_crate_for_authors() {
    let crate_text = fs::read_to_string(root().join("plugins/sdk/rust/src/error.rs")).unwrap();
    let mut rest = &crate_text[crate_text.find("BY_CODE").unwrap()..];
    for refusal in EditRefusal::ALL {
        let (name, words) = (format!("Self::{refusal:?},"), format!("{:?}", refusal.detail()));
        let name_at = rest.find(&name).unwrap_or_else(|| panic!("{name} is not next"));
        rest = &rest[name_at + name.len()..];
        assert!(rest.trim_start().starts_with(&words), "{name} has not the words {words}");
    }
}
