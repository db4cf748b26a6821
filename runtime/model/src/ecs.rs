//! The Elastic Common Schema 9.4: which fields there are, their types, and what values they allow.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use crate::schema::{Field, FieldType, SchemaConflict, TableSchema};

/// The version stamped on every row as `ecs.version`.
pub const VERSION: &str = "9.4.0";

/// One field of ECS as its reference lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsField {
    /// Dotted path: `source.geo.country_iso_code`.
    pub path: &'static str,
    /// The Elasticsearch type: `keyword`, `ip`, `date`.
    pub ecs_type: &'static str,
    /// Normally holds several values.
    pub array: bool,
    /// The only values that ECS defines; empty where any is fine.
    pub allowed: Vec<&'static str>,
}

/// All fields of ECS, in the reference's order.
#[derive(Debug)]
pub struct Ecs {
    fields: Vec<EcsField>,
    by_path: BTreeMap<&'static str, usize>,
    groups: BTreeSet<String>,
}

static ECS: LazyLock<Ecs> = LazyLock::new(|| Ecs::read(include_str!("../../../schemas/ecs/9.4.0.tsv")));

/// The schema that this release of matano speaks.
pub fn ecs() -> &'static Ecs {
    &ECS
}

impl Ecs {
    fn read(text: &'static str) -> Self {
        let fields: Vec<EcsField> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let mut cells = line.split('\t');
                EcsField {
                    path: cells.next().unwrap_or_default(),
                    ecs_type: cells.next().unwrap_or_default(),
                    array: cells.next() == Some("array"),
                    allowed: cells.next().map(|values| values.split('|').collect()).unwrap_or_default(),
                }
            })
            .collect();
        let by_path = fields.iter().enumerate().map(|(index, field)| (field.path, index)).collect();
        let mut groups = BTreeSet::new();
        for field in &fields {
            for (at, _) in field.path.match_indices('.') {
                groups.insert(field.path[..at].to_owned());
            }
        }
        Self { fields, by_path, groups }
    }

    /// Every field, in the reference's order.
    pub fn fields(&self) -> &[EcsField] {
        &self.fields
    }

    /// The field at exactly this path.
    pub fn field(&self, path: &str) -> Option<&EcsField> {
        self.by_path.get(path).map(|&index| &self.fields[index])
    }

    /// Whether fields stand below this path: `source.geo`.
    pub fn is_group(&self, path: &str) -> bool {
        self.groups.contains(path)
    }

    /// The columns for a list of fields and groups (`ecs_field_names`), merged into `schema` in order.
    ///
    /// Returns the names that ECS does not have. A conflict is a column that `schema` types otherwise.
    pub fn select(&self, names: &[String], schema: &mut TableSchema) -> (Vec<String>, Vec<SchemaConflict>) {
        let (mut unknown, mut conflicts) = (Vec::new(), Vec::new());
        for name in names {
            let below = format!("{name}.");
            let mut found = false;
            for field in &self.fields {
                let chosen = field.path == name || field.path.starts_with(&below);
                // the time of the event is the column `ts`
                if !chosen || field.path == "@timestamp" {
                    found |= chosen;
                    continue;
                }
                found = true;
                if self.is_group(field.path) {
                    continue;
                }
                conflicts.extend(schema.add(self.column(field)).err());
            }
            if !found {
                unknown.push(name.clone());
            }
        }
        (unknown, conflicts)
    }

    /// One leaf wrapped in its structs, and in a list where a parent is a list of structs.
    fn column(&self, leaf: &EcsField) -> Field {
        let mut kind = leaf_type(leaf);
        let mut path = leaf.path;
        loop {
            match path.rsplit_once('.') {
                None => return Field { name: path.to_owned(), kind },
                Some((parent, name)) => {
                    let member = FieldType::Struct(vec![Field { name: name.to_owned(), kind }]);
                    let repeated = self.field(parent).is_some_and(|field| field.array || field.ecs_type == "nested");
                    kind = if repeated { FieldType::List(Box::new(member)) } else { member };
                    path = parent;
                }
            }
        }
    }

    /// The path of a field or group that looks most like `path`.
    pub fn suggest(&self, path: &str) -> Option<&str> {
        self.alike(path).map(|alike| alike.candidate)
    }

    /// The same, and whether it is certain.
    pub fn alike(&self, path: &str) -> Option<Alike<'_>> {
        let all = self.fields.iter().map(|field| field.path).chain(self.groups.iter().map(String::as_str));
        alike(path, all)
    }
}

/// A candidate for what was meant by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike<'a> {
    /// It.
    pub candidate: &'a str,
    /// Whether it is a slip of one or two letters away, and no other candidate is as near: then it may be put in unasked.
    pub certain: bool,
}

/// The candidate most like `name`, if one is alike enough to be what was meant.
pub fn alike<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<Alike<'a>> {
    const SLIP: usize = 2;
    // the best two
    let mut best: [Option<(usize, &str)>; 2] = [None, None];
    for candidate in candidates {
        let longest = name.len().max(candidate.len());
        let limit = (longest / 3).clamp(1, 4);
        // a difference in length is at least as many edits
        if candidate.chars().count().abs_diff(name.chars().count()) > limit {
            continue;
        }
        let distance = strsim::damerau_levenshtein(name, candidate);
        let found = Some((distance, candidate));
        if distance > limit || found == best[0] || found == best[1] {
            continue;
        }
        if best[0].is_none_or(|first| (distance, candidate) < first) {
            best = [found, best[0]];
        } else if best[1].is_none_or(|second| (distance, candidate) < second) {
            best[1] = found;
        }
    }
    let (distance, candidate) = best[0]?;
    let alone = best[1].is_none_or(|(second, _)| second > distance);
    // in a word of three letters, two slips are another word
    let slip = distance <= SLIP && distance * 4 <= name.len();
    Some(Alike { candidate, certain: alone && slip })
}

/// The candidate most like `name`, if one is alike enough to be what was meant.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    alike(name, candidates).map(|alike| alike.candidate)
}

/// ECS types as columns. Floating point is `double` throughout: a 32-bit float loses digits of what the log said.
/// `flattened` and childless `object` hold free-form objects and are stored as JSON text.
fn leaf_type(field: &EcsField) -> FieldType {
    let kind = match field.ecs_type {
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Timestamp,
        "long" | "integer" => FieldType::Long,
        "float" | "double" | "scaled_float" => FieldType::Double,
        "geo_point" => FieldType::Struct(vec![
            Field { name: "lon".to_owned(), kind: FieldType::Double },
            Field { name: "lat".to_owned(), kind: FieldType::Double },
        ]),
        // keyword, constant_keyword, wildcard, match_only_text, ip, flattened, object, nested without members
        _ => FieldType::String,
    };
    if field.array { FieldType::List(Box::new(kind)) } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str]) -> TableSchema {
        let mut schema = TableSchema::default();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (unknown, conflicts) = ecs().select(&names, &mut schema);
        assert_eq!((unknown, conflicts), (vec![], vec![]));
        schema
    }

    #[test]
    fn what_was_meant_is_certain_after_one_slip_and_without_a_rival() {
        let certain = |name: &str, candidates: &[&str]| {
            let alike = alike(name, candidates.iter().copied());
            alike.map(|alike| (alike.candidate.to_owned(), alike.certain))
        };
        assert_eq!(certain("aws_cloudtrial", &["aws_cloudtrail", "okta"]), Some(("aws_cloudtrail".to_owned(), true)));
        assert_eq!(certain("webs", &["web", "web", "okta"]), Some(("web".to_owned(), true)));
        assert_eq!(certain("web_c", &["web_a", "web_b"]), Some(("web_a".to_owned(), false)));
        assert_eq!(certain("ops", &["opt"]), Some(("opt".to_owned(), false)));
        assert!(certain("destination.adres", &["destination.address"]).unwrap().1);
        assert_eq!(certain("okta", &["aws_cloudtrail"]), None);
    }

    #[test]
    fn the_reference_is_read_whole() {
        assert_eq!(ecs().fields().len(), 2605);
        assert!(ecs().field("event.category").unwrap().allowed.contains(&"authentication"));
        assert!(ecs().fields().iter().all(|field| !field.ecs_type.is_empty()));
    }

    #[test]
    fn leaves_and_groups_become_columns() {
        let schema = selected(&["source.ip", "source.geo", "related.ip", "event.created", "user.risk"]);
        assert_eq!(schema.get("source.ip"), Some(&FieldType::String));
        assert_eq!(schema.get("source.geo.location.lat"), Some(&FieldType::Double));
        assert_eq!(schema.get("related.ip"), Some(&FieldType::List(Box::new(FieldType::String))));
        assert_eq!(schema.get("event.created"), Some(&FieldType::Timestamp));
        assert_eq!(schema.get("user.risk.static_score"), Some(&FieldType::Double));
    }

    #[test]
    fn members_of_nested_fields_are_lists_of_structs() {
        let schema = selected(&["dns.answers", "threat.enrichments.matched.atomic"]);
        let answers = schema.get("dns.answers").unwrap().to_string();
        assert!(answers.starts_with("list<struct<class: string"), "{answers}");
        assert!(schema.get("threat.enrichments").unwrap().to_string().starts_with("list<struct<matched"));
    }

    #[test]
    fn every_field_of_ecs_fits_in_one_table() {
        let roots: BTreeSet<&str> = ecs().fields().iter().filter_map(|field| field.path.split('.').next()).collect();
        let schema = selected(&roots.into_iter().collect::<Vec<_>>());
        assert!(schema.leaves().len() > 2000);
    }

    #[test]
    fn an_unknown_field_gets_a_suggestion() {
        let (unknown, _) = ecs().select(&["event.outcom".to_owned()], &mut TableSchema::default());
        assert_eq!(unknown, ["event.outcom"]);
        assert_eq!(ecs().suggest("event.outcom"), Some("event.outcome"));
        assert!(ecs().alike("event.outcom").unwrap().certain);
        assert_eq!(ecs().suggest("zzzzzzzz"), None);
    }
}
