//! Values of a test's events that no column takes.

use model::{ecs::alike, name::TableName};
use project::{
    Detection, Diagnostic, Level,
    project::{DetectionTest, TestInput},
    yaml::{Data, Doc, Entry, escape},
};

use crate::{
    columns::{Columns, End, elsewhere},
    context::Context,
    rule::{Rule, Standing},
};

/// What the events of a test have are columns.
pub const RULE: Rule = Rule {
    id: "unknown-test-column",
    level: Level::Error,
    standing: Standing::Adjustable,
    summary: "what the events of a detection's test have are columns of their table",
    why: "A row has no place for what is not a column, so the detection under test never sees it: a test with a typo that \
          must stay quiet passes, and proves nothing. Fixtures are not judged, for tests of several tables may share one.",
    bad: "tests:\n  - name: root signs in\n    event: {usr.name: root}\n    fires: false\n",
    good: "tests:\n  - name: root signs in\n    event: {user.name: root}\n    fires: false\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for detection in context.project.detections.values() {
        let Some(doc) = context.project.doc(&detection.file) else { continue };
        for test in &detection.tests {
            of_test(context, detection, doc, test, &mut out);
        }
    }
    out
}

fn of_test(context: &Context<'_>, detection: &Detection, doc: &Doc, test: &DetectionTest, out: &mut Vec<Diagnostic>) {
    let mut judge = |table: &TableName, pointers: Vec<String>| {
        if let Some(columns) = Columns::of(context, std::slice::from_ref(table)) {
            let events = Events { columns, doc, file: &detection.file };
            pointers.iter().for_each(|pointer| events.judge(pointer, &mut Vec::new(), out));
        }
    };
    let TestInput::Tables { rows, .. } = &test.input else {
        if let TestInput::Events { table, .. } = &test.input {
            let pointer = &test.pointer;
            let mut pointers = vec![format!("{pointer}/event")];
            pointers.extend(items(doc, &format!("{pointer}/events")));
            let steps = items(doc, &format!("{pointer}/sequence"));
            pointers.extend(steps.into_iter().map(|step| format!("{step}/event")));
            judge(table, pointers);
        }
        return;
    };
    for table in rows.keys() {
        judge(table, items(doc, &format!("{}/rows/{}", test.pointer, escape(table.as_str()))));
    }
}

/// Pointers to the items of a list.
fn items(doc: &Doc, pointer: &str) -> Vec<String> {
    let Some(Data::Sequence(list)) = doc.node(pointer).map(|node| &node.data) else { return Vec::new() };
    (0..list.len()).map(|index| format!("{pointer}/{index}")).collect()
}

/// Events of one table, written in a file.
struct Events<'a> {
    columns: Columns<'a>,
    doc: &'a Doc,
    file: &'a str,
}

impl Events<'_> {
    /// Every key of the mapping at a pointer, which stands for what is below `path`.
    fn judge(&self, pointer: &str, path: &mut Vec<String>, out: &mut Vec<Diagnostic>) {
        let Some(Data::Mapping(members)) = self.doc.node(pointer).map(|node| &node.data) else { return };
        for Entry { key, node, .. } in members {
            let (pointer, above) = (format!("{pointer}/{}", escape(key)), path.len());
            path.extend(key.split('.').map(str::to_owned));
            match self.columns.known(path).end {
                End::Missing => out.push(self.unknown(&pointer, key, &path[..above])),
                End::Open if matches!(node.data, Data::Mapping(_)) => self.judge(&pointer, path, out),
                End::Open => (),
            }
            path.truncate(above);
        }
    }

    fn unknown(&self, pointer: &str, key: &str, above: &[String]) -> Diagnostic {
        let below = above.iter().map(|key| format!("{key}.")).collect::<String>();
        let dotted = format!("{below}{key}");
        let message = format!("`{dotted}` is not a column of {}", self.columns.names());
        let diagnostic = RULE.diagnostic(self.file, self.doc.key_span(pointer), message);
        let all = self.columns.all();
        match alike(key, all.iter().filter_map(|path| path.strip_prefix(below.as_str()))) {
            Some(alike) => {
                let help = format!("did you mean `{below}{}`?", alike.candidate);
                diagnostic.meant(key, alike).help(help)
            }
            None => elsewhere(diagnostic, &dotted),
        }
    }
}
