//! The functions that programs may call: VRL's own without those that reach outside the record, and three of Matano's.

mod bitwise_and;
mod groks;
mod log;
mod lookup;
mod to_timestamp;

use vrl::compiler::Function;

use crate::EnrichmentTables;

/// Functions of VRL's library that reach the network, the environment, the system or its files. They are not compiled in
/// (see the features of `vrl` in the workspace manifest); the list holds should a dependency ever switch them on.
const OUTSIDE: &[&str] = &[
    "get_env_var",
    "get_hostname",
    "get_timezone_name",
    "dns_lookup",
    "reverse_dns",
    "http_request",
    "encode_proto",
    "parse_proto",
    "parse_etld",
    "validate_json_schema",
    "get_secret",
    "set_secret",
    "remove_secret",
];

/// Functions of VRL's library that have a version of their own here.
const REPLACED: &[&str] = &["parse_groks", "log"];

pub(crate) fn functions(tables: &EnrichmentTables) -> Vec<Box<dyn Function>> {
    let mut functions = vrl::stdlib::all();
    functions.retain(|function| {
        let name = function.identifier();
        !OUTSIDE.contains(&name) && !REPLACED.contains(&name)
    });
    functions.push(Box::new(groks::ParseGroks));
    functions.push(Box::new(log::Log));
    functions.push(Box::new(to_timestamp::ToTimestamp));
    functions.push(Box::new(bitwise_and::BitwiseAnd));
    functions.push(Box::new(lookup::GetEnrichmentTableRecord { tables: tables.clone() }));
    functions
}
