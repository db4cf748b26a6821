use std::path::Path;

use crate::golden;

#[test]
fn the_page_of_rules_is_up_to_date() {
    golden::compare(Path::new("../../docs/rules.md"), &check::explain::reference());
}
