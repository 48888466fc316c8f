//! Luau plugins, called without Node.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

mod edits;
mod examples;
mod limits;
mod loading;
mod sandbox;
mod speed;
mod support;
