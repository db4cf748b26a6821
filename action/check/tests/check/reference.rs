use std::path::Path;

use crate::golden;

#[test]
fn the_page_of_rules_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    golden::compare(&page, &check::explain::reference());
}
