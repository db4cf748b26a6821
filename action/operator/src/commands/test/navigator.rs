//! A layer for the ATT&CK Navigator: which techniques the detections look for, and which of them tests prove.
//!
//! The format: <https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md>

use project::attack;
use serde_json::{Value, json};

use super::coverage::{Coverage, TechniqueCoverage};

const LAYER: &str = "4.5";
/// The first that reads such layers.
const NAVIGATOR: &str = "4.9.0";
const UNPROVEN: &str = "#fdd49e";
const PROVEN: &str = "#74c476";

/// The layer, as JSON.
pub fn layer(name: &str, coverage: &Coverage) -> Value {
    let techniques: Vec<Value> = coverage.techniques.iter().map(technique).collect();
    // the matrix shows tactics in columns: a gradient of one value would be none
    let most = coverage.techniques.iter().map(|technique| technique.detections.len()).max().unwrap_or(1).max(2);
    // a version of ATT&CK is named by its first number
    let attack = attack::VERSION.split('.').next().unwrap_or(attack::VERSION);
    json!({
        "name": name,
        "versions": { "attack": attack, "navigator": NAVIGATOR, "layer": LAYER },
        "domain": "enterprise-attack",
        "description": "techniques that detections name in their tags; the score is how many do",
        "techniques": techniques,
        "gradient": { "colors": ["#ffffff", PROVEN], "minValue": 0, "maxValue": most },
        "legendItems": [
            { "label": "a detection with a firing test looks for it", "color": PROVEN },
            { "label": "a detection without one, or with a failed one, looks for it", "color": UNPROVEN },
        ],
        "layout": { "layout": "side", "showID": true, "showName": true, "expandedSubtechniques": "annotated" },
    })
}

fn technique(technique: &TechniqueCoverage) -> Value {
    let TechniqueCoverage { id, name: _, tactics: _, detections, proven } = technique;
    let names: Vec<&str> = detections.iter().map(String::as_str).collect();
    json!({
        "techniqueID": id,
        "score": detections.len(),
        "color": if proven.is_empty() { UNPROVEN } else { PROVEN },
        "comment": names.join(", "),
        "enabled": true,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_layer_has_what_the_format_asks_for_and_tells_the_proven_from_the_rest() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let technique = |id: &str, detections: &[&str], proven: &[&str]| TechniqueCoverage {
            id: id.to_owned(),
            name: "x".to_owned(),
            tactics: Vec::new(),
            detections: set(detections),
            proven: set(proven),
        };
        let techniques = vec![technique("T1110", &["a", "b", "c"], &["a"]), technique("T1078.004", &["b"], &[])];
        let layer = layer("detections", &Coverage { detections: Vec::new(), techniques });
        assert_eq!(layer["versions"]["layer"], "4.5");
        assert_eq!(layer["domain"], "enterprise-attack");
        assert_eq!(layer["techniques"][0]["techniqueID"], "T1110");
        assert_eq!(layer["techniques"][0]["score"], 3);
        assert_eq!(layer["gradient"]["maxValue"], 3);
        assert_eq!(layer["techniques"][0]["comment"], "a, b, c");
        assert_ne!(layer["techniques"][0]["color"], layer["techniques"][1]["color"]);
    }
}
