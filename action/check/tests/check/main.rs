//! Whole projects through `check`, and its output as people and programs read it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod fixing; // fixes applied until there are none
mod github; // outputs for GitHub, on hostile input too
mod golden; // fixtures on disk and what is expected of them
mod planted; // 120 mistakes in every output
mod positions; // diagnostics inside VRL blocks and Python
mod reference; // docs/rules.md
mod rendering; // the terminal and JSON, on hostile input too
mod rules; // every rule has a fixture that breaks it
mod settings; // what a project decides about rules
mod twenty_mistakes; // one project with twenty of them
