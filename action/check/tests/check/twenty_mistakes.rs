use project::FileSet;

use crate::golden;

/// Each mistake is marked on its own line in the fixture, as `# mistake: <rule>`, or, where a comment cannot stand, on the
/// line before as `# next line: <rule>`.
#[test]
fn twenty_mistakes_are_twenty_diagnostics_at_their_lines() {
    let folder = golden::fixtures().join("twenty_mistakes");
    let mut expected: Vec<(String, usize, String)> = Vec::new();
    for (path, bytes) in golden::read(&folder).iter() {
        for (index, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
            for (mark, offset) in [("# mistake: ", 1), ("# next line: ", 2)] {
                if let Some((_, rule)) = line.split_once(mark) {
                    expected.push((path.to_owned(), index + offset, rule.trim().to_owned()));
                }
            }
        }
    }
    expected.sort();
    assert_eq!(expected.len(), 20);

    let mut found: Vec<(String, usize, String)> = golden::check_folder(&folder)
        .into_iter()
        .map(|diagnostic| {
            (diagnostic.file, diagnostic.span.map_or(0, |span| span.start.line), diagnostic.rule.to_owned())
        })
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

/// Each mistake mended: the line as it is, and as it should be.
const MENDED: &[(&str, &str)] = &[
    ("target: embeded", "target: embedded"),
    ("key_prefx: web/", "key_prefix: web/"),
    ("dwncase(.json.user)", "downcase(.json.user) ?? null"),
    ("event.outcom #", "event.outcome #"),
    (" ?? null # mistake: vrl-migration", ""),
    ("type: integer", "type: long"),
    (".source.adress = ", ".source.ip = "),
    ("\"bounce: \" + \"unused\"", "text = \"bounce: \" + string!(.json.text)\n  .email.message_id = text"),
    ("[source.ip, email.subject]", "[source.ip, email.subject, email.message_id]"),
    ("  - adress", "  - address"),
    ("type: slak", "type: slack"),
    ("- mail_bounces", "- mail_bounce"),
    ("- opps", "- secops"),
    ("severity: urgent", "severity: high"),
    ("  severity: low # mistake: duplicate-key\n", ""),
    ("def detct(r)", "def detect(r)"),
    ("== \"192.0.2.1\" # mistake", "== \"192.0.2.1\": # mistake"),
    ("def title():", "def title(r):"),
    ("bad_ip # mistake", "bad_ips as bad_ip # mistake"),
    (
        "alert: {severity: low}\n\n",
        "alert: {severity: low}\ntests: [{name: it fires, event: {source.ip: 192.0.2.1}}, {name: it does not, event: \
         {source.ip: 192.0.2.2}, fires: false}]\n",
    ),
    ("schedule: every hour", "schedule: rate(1 hour)"),
];

#[test]
fn the_project_without_its_mistakes_has_no_diagnostics() {
    let files: FileSet = golden::read(&golden::fixtures().join("twenty_mistakes"))
        .iter()
        .map(|(path, bytes)| {
            // an empty line marks the end of a file that lacks something
            let text = format!("{}\n", String::from_utf8_lossy(bytes));
            let mended = MENDED.iter().fold(text, |text, (wrong, right)| text.replace(wrong, right));
            (path.to_owned(), mended)
        })
        .collect();
    assert_eq!(golden::check(&files), []);
}
