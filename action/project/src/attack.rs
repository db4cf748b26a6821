//! MITRE ATT&CK as data: which tactics and techniques there are, and which of them a tag names.
//!
//! The list and MITRE's terms stand in `schemas/attack/`.

use std::{collections::BTreeMap, sync::LazyLock};

use model::ecs::closest;

/// The version of the list.
pub const VERSION: &str = "17.0";

/// Why something is done: a column of the matrix.
#[derive(Debug, PartialEq, Eq)]
pub struct Tactic {
    /// `TA0001`
    pub id: &'static str,
    /// `Initial Access`
    pub name: &'static str,
    /// `initial-access`, as Navigator layers and tags have it.
    pub short_name: &'static str,
}

/// How it is done.
#[derive(Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1078`, of a sub-technique `T1078.004`.
    pub id: &'static str,
    /// `Cloud Accounts`; that of a sub-technique is without its parent's.
    pub name: &'static str,
    /// What it serves, in the order of the matrix.
    pub tactics: Vec<&'static Tactic>,
}

/// What a tag of a detection says about ATT&CK.
#[derive(Debug, PartialEq, Eq)]
pub enum Tag {
    /// `attack.t1078.004`, `T1078.004`
    Technique(&'static Technique),
    /// `attack.initial_access`, `TA0001`
    Tactic(&'static Tactic),
    /// It looks like one of these and is not in the list.
    Unknown(Unknown),
    /// A free word, or a part of ATT&CK that the list leaves out, such as `attack.g0007`.
    Other,
}

/// A tag that looks like ATT&CK and is not in the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The tag that was probably meant, in the same notation.
    pub suggestion: Option<String>,
    /// The technique whose sub-technique was meant.
    pub parent: Option<&'static Technique>,
}

struct Attack {
    tactics: &'static [Tactic],
    techniques: BTreeMap<&'static str, Technique>,
}

static TACTICS: LazyLock<Vec<Tactic>> = LazyLock::new(|| {
    let lines = cells().filter(|[id, ..]| id.starts_with("TA"));
    lines.map(|[id, name, short_name]| Tactic { id, name, short_name }).collect()
});

static ATTACK: LazyLock<Attack> = LazyLock::new(|| {
    let tactics = TACTICS.as_slice();
    let technique = |[id, name, served]: [&'static str; 3]| {
        let served = served.split(',').filter_map(|name| tactics.iter().find(|tactic| tactic.short_name == name));
        (id, Technique { id, name, tactics: served.collect() })
    };
    let techniques = cells().filter(|[id, ..]| !id.starts_with("TA")).map(technique).collect();
    Attack { tactics, techniques }
});

fn cells() -> impl Iterator<Item = [&'static str; 3]> {
    let text = include_str!("../../../schemas/attack/enterprise-17.0.tsv");
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        Some([cells.next()?, cells.next()?, cells.next()?])
    })
}

/// Every tactic, in the order of the matrix.
pub fn tactics() -> &'static [Tactic] {
    ATTACK.tactics
}

/// Every technique and sub-technique, by id.
pub fn all_techniques() -> impl Iterator<Item = &'static Technique> {
    ATTACK.techniques.values()
}

/// The technique of an id such as `T1078` or `T1078.004`.
pub fn technique(id: &str) -> Option<&'static Technique> {
    ATTACK.techniques.get(id)
}

/// The techniques that the tags of a detection name, each once, by id.
pub fn techniques<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<&'static Technique> {
    let named = tags.into_iter().filter_map(|text| match tag(text) {
        Tag::Technique(technique) => Some((technique.id, technique)),
        Tag::Tactic(_) | Tag::Unknown(_) | Tag::Other => None,
    });
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

impl Technique {
    /// The technique of which this is a part.
    pub fn parent(&self) -> Option<&'static Technique> {
        technique(self.id.split_once('.')?.0)
    }

    /// Its parts, by id.
    pub fn sub_techniques(&self) -> impl Iterator<Item = &'static Technique> + use<> {
        let prefix = format!("{}.", self.id);
        let behind = ATTACK.techniques.range(self.id..).skip(1).map(|(_, technique)| technique);
        behind.take_while(move |technique| technique.id.starts_with(&prefix))
    }
}

/// What a tag says. Tags are written as `attack.` and an id or a tactic, in any case, or as a bare id.
pub fn tag(text: &str) -> Tag {
    let lower = text.trim().to_ascii_lowercase();
    let (prefix, name) = match lower.strip_prefix("attack.") {
        Some(name) => ("attack.", name),
        None => ("", lower.as_str()),
    };
    match reference(name) {
        Reference::Technique(id) => of_technique(prefix, &id),
        Reference::Tactic(id) => match tactics().iter().find(|tactic| tactic.id.eq_ignore_ascii_case(id)) {
            Some(tactic) => Tag::Tactic(tactic),
            None => Tag::Unknown(Unknown { suggestion: None, parent: None }),
        },
        Reference::LeftOut => Tag::Other,
        Reference::Word if prefix.is_empty() => Tag::Other,
        Reference::Word => of_tactic(name),
    }
}

/// What a name looks like.
enum Reference<'a> {
    /// The id in upper case, with whatever joins its parts.
    Technique(String),
    Tactic(&'a str),
    /// Groups, software, campaigns, mitigations, data sources, and the techniques of control systems.
    LeftOut,
    Word,
}

fn reference(name: &str) -> Reference<'_> {
    let digits = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = |letters: &str| name.strip_prefix(letters).is_some_and(digits);
    if numbered("ta") {
        return Reference::Tactic(name);
    }
    if ["g", "s", "c", "m", "ds"].into_iter().any(numbered) || (name.starts_with("t0") && numbered("t")) {
        return Reference::LeftOut;
    }
    let Some(number) = name.strip_prefix('t') else { return Reference::Word };
    let (number, part) = match number.split_once(['.', '_', '-', '/']) {
        Some((number, part)) => (number, Some(part)),
        None => (number, None),
    };
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match part {
        _ if !digits(number) => Reference::Word,
        Some(part) if !is_part(part) => Reference::Word,
        None | Some(_) => Reference::Technique(format!("T{}", &name[1..])),
    }
}

fn of_technique(prefix: &str, id: &str) -> Tag {
    if let Some(technique) = technique(id) {
        return Tag::Technique(technique);
    }
    let Some((whole, part)) = id.split_once(['.', '_', '-', '/']) else {
        return Tag::Unknown(Unknown { suggestion: None, parent: None });
    };
    let padded = technique(&format!("{whole}.{part:0>3}"));
    let suggestion = padded.map(|technique| match prefix {
        "" => technique.id.to_owned(),
        prefix => format!("{prefix}{}", technique.id.to_ascii_lowercase()),
    });
    Tag::Unknown(Unknown { suggestion, parent: technique(whole) })
}

fn of_tactic(name: &str) -> Tag {
    let short_name = name.replace(['_', ' '], "-");
    if let Some(tactic) = tactics().iter().find(|tactic| tactic.short_name == short_name) {
        return Tag::Tactic(tactic);
    }
    let alike = closest(&short_name, tactics().iter().map(|tactic| tactic.short_name));
    Tag::Unknown(Unknown { suggestion: alike.map(|name| format!("attack.{}", name.replace('-', "_"))), parent: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_whole() {
        assert_eq!((tactics().len(), all_techniques().count()), (14, 679));
        assert_eq!(all_techniques().filter(|technique| technique.parent().is_some()).count(), 468);
        for technique in all_techniques() {
            assert!(!technique.name.is_empty() && !technique.tactics.is_empty(), "{}", technique.id);
            assert_eq!(technique.id.contains('.'), technique.parent().is_some(), "{}", technique.id);
        }
    }

    #[test]
    fn a_technique_knows_its_name_its_tactics_and_its_parts() {
        let cloud = technique("T1078.004").unwrap();
        assert_eq!((cloud.name, cloud.parent().unwrap().name), ("Cloud Accounts", "Valid Accounts"));
        let served: Vec<&str> = cloud.tactics.iter().map(|tactic| tactic.name).collect();
        assert_eq!(served, ["Initial Access", "Persistence", "Privilege Escalation", "Defense Evasion"]);
        let parts: Vec<&str> = technique("T1078").unwrap().sub_techniques().map(|part| part.id).collect();
        assert_eq!(parts, ["T1078.001", "T1078.002", "T1078.003", "T1078.004"]);
        assert_eq!(technique("T1007").unwrap().sub_techniques().count(), 0);
    }

    fn check(text: &str, expected: &str) {
        let found = match tag(text) {
            Tag::Technique(technique) => technique.id.to_owned(),
            Tag::Tactic(tactic) => tactic.id.to_owned(),
            Tag::Unknown(Unknown { suggestion, parent }) => {
                let of = |text: Option<&str>| text.unwrap_or("none").to_owned();
                format!("unknown {} {}", of(suggestion.as_deref()), of(parent.map(|technique| technique.id)))
            }
            Tag::Other => "other".to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn tags_are_read_as_people_write_them() {
        check("attack.t1078.004", "T1078.004");
        check("attack.T1078", "T1078");
        check("T1078", "T1078");
        check(" t1078.004 ", "T1078.004");
        check("attack.initial_access", "TA0001");
        check("attack.initial-access", "TA0001");
        check("attack.ta0001", "TA0001");
        check("TA0040", "TA0040");
    }

    #[test]
    fn what_the_list_lacks_is_told_from_what_it_leaves_out() {
        check("attack.t9999", "unknown none none");
        check("T1078.099", "unknown none T1078");
        check("attack.t1078.4", "unknown attack.t1078.004 T1078");
        check("T1078_004", "unknown T1078.004 T1078");
        check("attack.inital_access", "unknown attack.initial_access none");
        check("attack.something", "unknown none none");
        check("TA9999", "unknown none none");
        for free in ["aws", "t-shirt", "ta", "attack", "initial_access", "attack.g0007", "attack.s0002", "attack.t0803"]
        {
            check(free, "other");
        }
    }

    #[test]
    fn the_techniques_of_a_detection_are_listed_once() {
        let found = techniques(["aws", "T1078.004", "attack.t1078.004", "attack.initial_access", "attack.t1046"]);
        let ids: Vec<&str> = found.iter().map(|technique| technique.id).collect();
        assert_eq!(ids, ["T1046", "T1078.004"]);
    }
}
