//! `rate(1 hour)` and `cron(0 * * * *)`: when a scheduled detection comes due.

use std::num::NonZeroU64;

use chrono::{DateTime, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use model::release::Cadence;

use crate::spec::quantity;

/// Reads a schedule. An error says what was expected, and what to do where that is known.
pub fn parse(text: &str) -> Result<Cadence, ScheduleError> {
    let text = text.trim();
    if let Some(inner) = call(text, "rate") {
        return rate(inner);
    }
    let inner = call(text, "cron").unwrap_or(text);
    let fields: Vec<&str> = inner.split_whitespace().collect();
    match fields.as_slice() {
        [_, _, _, _, _] => cron(inner, fields.iter().map(|field| (*field).to_owned()).collect()),
        [minute, hour, day, month, weekday, year] => {
            if *year != "*" {
                let problem = format!("expected `*` as the year, found `{year}`");
                return Err(ScheduleError::new(
                    problem,
                    "a detection that runs in certain years only is not supported",
                ));
            }
            let fields = [minute, hour, day, month].map(|field| field.replace('?', "*"));
            cron(inner, fields.into_iter().chain([aws_weekdays(weekday)?]).collect())
        }
        _ if quantity::seconds(text).is_ok() => {
            Err(ScheduleError::new(expected(text), format!("write `rate({text})`")))
        }
        _ => {
            Err(ScheduleError::new(expected(text), "cron takes five fields: minute, hour, day, month, weekday, in UTC"))
        }
    }
}

/// Why a schedule cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

impl ScheduleError {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into() }
    }
}

fn expected(text: &str) -> String {
    format!("expected `rate(1 hour)` or `cron(0 * * * *)`, found `{text}`")
}

fn call<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')').map(str::trim)
}

fn rate(inner: &str) -> Result<Cadence, ScheduleError> {
    let help = "a rate is a number and a unit: `rate(5 minutes)`, `rate(1 hour)`, `rate(1 day)`";
    let seconds = quantity::seconds(inner).map_err(|problem| ScheduleError::new(problem, help))?;
    match NonZeroU64::new(seconds) {
        Some(seconds) if seconds.get() >= 60 => Ok(Cadence::Every(seconds)),
        Some(_) | None => Err(ScheduleError::new(format!("expected at least one minute, found `{inner}`"), help)),
    }
}

/// AWS counts weekdays from 1 (Sunday) to 7, cron from 0 to 6; steps and the `n` of `#n` are no weekdays.
fn aws_weekdays(field: &str) -> Result<String, ScheduleError> {
    let mut out = String::new();
    let mut previous = ' ';
    for c in field.chars() {
        match c {
            '?' => out.push('*'),
            '0'..='9' if matches!(previous, '/' | '#') => out.push(c),
            '1'..='7' => out.push(char::from(c as u8 - 1)),
            '0' | '8' | '9' => {
                let problem = format!("expected a weekday from 1 (Sunday) to 7, found `{field}`");
                return Err(ScheduleError::new(problem, "six cron fields are read as AWS means them"));
            }
            c => out.push(c),
        }
        previous = c;
    }
    Ok(out)
}

fn cron(written: &str, fields: Vec<String>) -> Result<Cadence, ScheduleError> {
    let pattern = fields.join(" ");
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let help = "cron takes five fields: minute, hour, day, month, weekday, in UTC";
    let cron: Cron = parser.parse(&pattern).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.rsplit(": ").next().unwrap_or(&reason).trim_end_matches('.').replace("CronPattern", "it");
        ScheduleError::new(format!("`{written}` is no cron schedule: {}", lower_first(&reason)), help)
    })?;
    // any moment will do: what never comes due after this one never does
    let start: DateTime<Utc> = DateTime::UNIX_EPOCH;
    if cron.find_next_occurrence(&start, false).is_err() {
        return Err(ScheduleError::new(format!("`{written}` never comes due"), "check day and month"));
    }
    Ok(Cadence::Cron(pattern))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Cadence, &str>) {
        match (parse(text), expected) {
            (Err(error), Err(problem)) => assert!(error.problem.contains(problem), "{text}: {}", error.problem),
            (found, expected) => assert_eq!(found.ok(), expected.ok(), "{text}"),
        }
    }

    fn every(seconds: u64) -> Result<Cadence, &'static str> {
        Ok(Cadence::Every(NonZeroU64::new(seconds).unwrap()))
    }

    fn at(pattern: &str) -> Result<Cadence, &'static str> {
        Ok(Cadence::Cron(pattern.to_owned()))
    }

    #[test]
    fn rates_are_times() {
        check("rate(1 hour)", every(3600));
        check(" rate( 5 minutes ) ", every(300));
        check("rate(7 days)", every(604_800));
        check("rate(0 hours)", Err("at least one minute"));
        check("rate(30 seconds)", Err("at least one minute"));
        check("rate(soon)", Err("such as `5 minutes`"));
    }

    #[test]
    fn cron_has_five_fields_with_or_without_its_name() {
        check("cron(0 * * * *)", at("0 * * * *"));
        check("*/15 8-18 * * MON-FRI", at("*/15 8-18 * * MON-FRI"));
    }

    #[test]
    fn six_fields_are_read_as_aws_means_them() {
        check("cron(0 12 * * ? *)", at("0 12 * * *"));
        check("cron(0 12 ? * 1 *)", at("0 12 * * 0"));
        check("cron(0 12 ? * 2-6 *)", at("0 12 * * 1-5"));
        check("cron(0 12 ? * 6#3 *)", at("0 12 * * 5#3"));
        check("cron(0 12 ? * MON-FRI *)", at("0 12 * * MON-FRI"));
        check("cron(0 12 * * ? 2027)", Err("expected `*` as the year"));
        check("cron(0 12 ? * 0 *)", Err("from 1 (Sunday) to 7"));
    }

    #[test]
    fn what_cannot_be_understood_or_never_comes_due_is_refused() {
        check("hourly", Err("expected `rate(1 hour)`"));
        check("1 hour", Err("expected `rate(1 hour)`"));
        assert_eq!(parse("1 hour").unwrap_err().help, "write `rate(1 hour)`");
        check("cron(99 * * * *)", Err("no cron schedule"));
        check("cron(0 0 30 2 *)", Err("never comes due"));
        check("cron()", Err("expected"));
    }
}
