//! Points in time as people type them: `90m`, `24h`, `7d`, or RFC 3339.

use anyhow::Result;
use model::time::Timestamp;

use crate::exit::input;

/// So long before `now`, or the time itself.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let unknown =
        || input(format!("expected a time like `90m`, `24h`, `7d` or `2026-01-31T00:00:00Z`, found `{text}`"));
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(unknown)?;
    let number: i64 = text[..split].parse().map_err(|_| unknown())?;
    let unit = match text[split..].trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(unknown()),
    };
    Ok(now.plus_seconds(number.saturating_mul(unit).saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_times_are_understood() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(parse("24h", now).unwrap().to_string(), "2026-01-01T00:00:00.000000Z");
        assert_eq!(parse("2026-01-01T00:00:00Z", now).unwrap(), parse("1d", now).unwrap());
        for wrong in ["", "h", "12", "12 parsecs", "yesterday"] {
            assert!(parse(wrong, now).is_err(), "{wrong}");
        }
    }
}
