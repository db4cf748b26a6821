//! Everything as one text, for a program that finds the records itself.

use model::object::{Position, RejectRule};

use super::{Body, Item, Out, window::Window};

/// Reads one stream as one record.
pub(super) fn read<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    window.skip_bom();
    let limit = out.limits.max_expand_bytes;
    while window.bytes().len() <= limit && window.more() {}
    if window.is_broken() {
        window.stop();
        return Ok(());
    }
    let text = window.bytes();
    if text.len() > limit {
        let error = format!("expected at most `{limit}` bytes to expand at once, found more");
        out.reject(RejectRule::TooLarge, error, text)?;
    } else if let Err(error) = std::str::from_utf8(text) {
        out.malformed(format!("expected UTF-8, found other bytes from byte `{}` on", error.valid_up_to()), text)?;
    } else if !text.is_empty() {
        let position = Position(out.next);
        out.next += 1;
        (out.on)(Item::Record { position, body: Body::Text(text), ts_millis: None, raw: text })?;
    }
    window.consume(window.bytes().len());
    Ok(())
}
