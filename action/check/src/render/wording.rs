//! A diagnostic as plain paragraphs, for outputs that show no excerpt.

use project::Diagnostic;

use super::{printable, repository::Repository};

/// The message, then a line for each other place, then what to do. Nothing in it can move a cursor or hide.
pub(super) fn paragraphs(diagnostic: &Diagnostic, repository: &Repository<'_>) -> String {
    let Diagnostic { rule: _, severity: _, file: _, span: _, message, help, related, fix: _ } = diagnostic;
    let mut out = printable::lines(message);
    if let Some(managed) = repository.place(diagnostic).managed {
        out.push_str(&format!("\nnote: it stands in `{}`", printable::line(&managed)));
    }
    for related in related {
        let place = repository.place_related(related);
        let place = place.managed.clone().unwrap_or_else(|| place.line_text());
        out.push_str(&format!("\nnote: {} (`{}`)", printable::lines(&related.message), printable::line(&place)));
    }
    if let Some(help) = help {
        out.push_str(&format!("\nhelp: {}", printable::lines(help.trim_end())));
    }
    out
}

/// Text of at most so many bytes; what is cut off shows as `…`.
pub(super) fn clipped(text: &str, most: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_whole_characters_within_the_limit() {
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("日本語", 8), "日…");
        assert_eq!(clipped("日本語", 9), "日本語");
    }
}
