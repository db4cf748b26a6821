//! Rejects as rows of `matano_rejects`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use columns::{FieldIds, Json, RowBuilder};
use model::{
    object::{RecordId, Reject},
    system,
};
use serde_json::json;

/// The rows of the rejects of one object.
pub(crate) struct RejectRows {
    pub builder: RowBuilder,
}

impl RejectRows {
    pub fn new(ids: Option<&FieldIds>) -> Self {
        Self { builder: RowBuilder::new(&system::rejects(), ids) }
    }

    pub fn push(&mut self, reject: &Reject) {
        let (raw, encoding) = match std::str::from_utf8(&reject.raw) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (STANDARD.encode(&reject.raw), Some("base64")),
        };
        let row = json!({
            "ts": reject.rejected_at.to_string(),
            "record_id": RecordId::of(reject.object.id(), reject.position).to_string(),
            "log_source": reject.log_source.as_str(),
            "table": reject.table.as_ref().map(|table| table.as_str()),
            "object": {
                "bucket": reject.object.bucket,
                "key": reject.object.key,
                "version": reject.object.version,
                "size": reject.object.size,
            },
            "position": reject.position.0,
            "rule": reject.rule.as_str(),
            "error": reject.error,
            "raw": raw,
            "raw_encoding": encoding,
            "release": reject.release.to_string(),
        });
        self.builder.push_event::<Json>(&row);
        self.builder.end_row();
    }
}
