//! What people see: colours only on a terminal, progress only there, results on standard output, the rest on standard
//! error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use check::render;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::{Colour, Global, Output};

/// Where and how a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    output: Output,
    colour: bool,
    verbose: bool,
}

impl Terminal {
    /// By the flags, the environment's NO_COLOR and what standard output is.
    pub fn new(global: &Global, no_color: bool) -> Self {
        let colour = match global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => io::stdout().is_terminal() && !no_color,
        };
        Self { output: global.output, colour: colour && global.output == Output::Text, verbose: global.verbose > 0 }
    }

    /// Whether results are JSON.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Whether more is to be said.
    pub fn is_verbose(self) -> bool {
        self.verbose
    }

    /// Whether colours may be used.
    pub fn colour(self) -> bool {
        self.colour
    }

    /// The same, for diagnostics.
    pub fn render(self) -> render::terminal::Terminal {
        let colors = if self.colour { render::terminal::Colors::On } else { render::terminal::Colors::Off };
        render::terminal::Terminal { colors, ..Default::default() }
    }

    /// Whether someone is there to answer.
    pub fn is_interactive(self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal() && self.output == Output::Text
    }

    /// A line of the result. A reader that has gone away is no error.
    pub fn line(self, text: &str) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// Text of the result as it is.
    pub fn write(self, text: &str) {
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// The result as one JSON document.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// A word to the person at the terminal, on standard error; nothing with `--output json`.
    pub fn note(self, text: &str) {
        if self.output == Output::Text {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Text in an ANSI style, where colours may be used.
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A progress line on a terminal; silent elsewhere.
    pub fn progress(self, what: &str) -> ProgressBar {
        if !io::stderr().is_terminal() || self.output == Output::Json {
            return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// 1234567 as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
