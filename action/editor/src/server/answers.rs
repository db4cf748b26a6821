//! Requests and their results.

use lsp_server::ErrorCode;
use lsp_types::{
    CodeActionParams, CompletionItem, CompletionList, CompletionParams, CompletionTextEdit, Documentation, Hover,
    HoverContents, HoverParams, MarkupContent, MarkupKind, TextDocumentPositionParams, TextEdit,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::projects::{Here, Projects};
use crate::{completion, fixes, hover, position::Lines, publish};

/// Why there is no result.
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

/// A longer list is of no help, and slow to send.
const MOST_OFFERS: usize = 1000;

/// The result of a request; null where there is nothing to say.
pub(super) fn answer(projects: &Projects, method: &str, parameters: Value) -> Result<Value, Refusal> {
    match method {
        "textDocument/hover" => with(parameters, |parameters| hovered(projects, parameters)),
        "textDocument/completion" => with(parameters, |parameters| completed(projects, parameters)),
        "textDocument/codeAction" => with(parameters, |parameters| fixed(projects, parameters)),
        _ => Err(Refusal { code: ErrorCode::MethodNotFound, message: format!("`{method}` is not known here") }),
    }
}

fn with<P: DeserializeOwned, R: Serialize>(parameters: Value, act: impl FnOnce(P) -> R) -> Result<Value, Refusal> {
    let parameters = serde_json::from_value(parameters)
        .map_err(|error| Refusal { code: ErrorCode::InvalidParams, message: error.to_string() })?;
    serde_json::to_value(act(parameters))
        .map_err(|error| Refusal { code: ErrorCode::InternalError, message: error.to_string() })
}

fn hovered(projects: &Projects, parameters: HoverParams) -> Option<Hover> {
    let TextDocumentPositionParams { text_document, position } = parameters.text_document_position_params;
    let Here { root: _, file, text, analysis } = projects.here(&text_document.uri)?;
    let lines = Lines::new(text, projects.encoding);
    let shown = hover::at(&analysis.project, &file, text, lines.offset(position))?;
    Some(Hover {
        contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: shown.markdown }),
        range: Some(lines.range(shown.range.start, shown.range.end)),
    })
}

fn completed(projects: &Projects, parameters: CompletionParams) -> Option<CompletionList> {
    let TextDocumentPositionParams { text_document, position } = parameters.text_document_position;
    let Here { root: _, file, text, analysis } = projects.here(&text_document.uri)?;
    let lines = Lines::new(text, projects.encoding);
    let completion::Offers { range, offers } = completion::at(&analysis.project, &file, text, lines.offset(position));
    let typed = text[range.clone()].trim_start_matches('.').to_lowercase();
    let range = lines.range(range.start, range.end);
    let fitting = offers.into_iter().filter(|offer| offer.label.to_lowercase().contains(&typed));
    let items: Vec<CompletionItem> = fitting.take(MOST_OFFERS + 1).map(|offer| item(offer, range)).collect();
    let is_incomplete = items.len() > MOST_OFFERS;
    Some(CompletionList { is_incomplete, items: items.into_iter().take(MOST_OFFERS).collect() })
}

fn item(offer: completion::Offer, range: lsp_types::Range) -> CompletionItem {
    let completion::Offer { label, kind, detail, words, text } = offer;
    let documentation =
        words.map(|value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value }));
    CompletionItem {
        filter_text: Some(label.clone()),
        label,
        kind: Some(kind),
        detail,
        documentation,
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text })),
        ..CompletionItem::default()
    }
}

fn fixed(projects: &Projects, parameters: CodeActionParams) -> Vec<lsp_types::CodeAction> {
    let uri = &parameters.text_document.uri;
    let Some(Here { root, file, text, analysis }) = projects.here(uri) else { return Vec::new() };
    // fixes are for the text that was looked at; for another they would hit the wrong place
    if analysis.text(&file) != Some(text) {
        return Vec::new();
    }
    let shown: Vec<_> = publish::shown(analysis, root, projects.encoding)
        .into_iter()
        .filter(|shown| shown.file == file && shown.diagnostic.file == file)
        .collect();
    let lines = Lines::new(text, projects.encoding);
    fixes::actions(&shown, uri, &lines, parameters.range, parameters.context.only.as_deref())
}
