//! matano.config.yml

use serde_json::Value;

use super::Loader;
use crate::{
    diagnostic::{Diagnostic, Level},
    project::{Aws, Config, RuleSetting, Target},
    rules,
    spec::{
        ConfigSpec, FileKind,
        config::{RuleLevelSpec, TargetSpec},
    },
    yaml::Doc,
};

const FILE: &str = Config::FILE;

pub fn load(loader: &mut Loader<'_>) {
    let Some(bytes) = loader.files.get(FILE) else {
        let mut diagnostic =
            Diagnostic::new(&rules::MISSING_CONFIG, FILE, None, "the project has no matano.config.yml");
        diagnostic = match loader.files.get("matano.config.yaml") {
            Some(_) => diagnostic.help("rename matano.config.yaml to matano.config.yml"),
            None => diagnostic.help("add it at the root of the project; an empty file will do"),
        };
        loader.report(diagnostic);
        return;
    };
    if let Some((doc, spec)) = loader.read::<ConfigSpec>(FileKind::Config, FILE, bytes) {
        loader.project.config = resolve(loader, &doc, spec);
    }
}

#[expect(deprecated, reason = "the older keys must be read to be accepted")]
fn resolve(loader: &mut Loader<'_>, doc: &Doc, spec: ConfigSpec) -> Config {
    let defaults = Config::default();
    let target = match spec.target {
        None | Some(TargetSpec::Embedded) => Target::Embedded,
        Some(TargetSpec::Aws) => Target::Aws,
    };
    let aws = match spec.aws {
        Some(aws) => {
            let block = aws.set_block_public_access.unwrap_or(true);
            let tags = aws.tags.unwrap_or_default();
            account_and_region(loader, doc, "/aws/account", aws.account, "/aws/region", aws.region)
                .map(|(account, region)| Aws { account, region, tags, block_public_access: block })
        }
        None => {
            let tags = spec.aws_tags.unwrap_or_default();
            account_and_region(loader, doc, "/aws_account", spec.aws_account, "/aws_region", spec.aws_region)
                .map(|(account, region)| Aws { account, region, tags, block_public_access: true })
        }
    };
    if target == Target::Aws {
        for pointer in ["/aws/account", "/aws/region"] {
            let older = pointer.replacen("/aws/", "/aws_", 1);
            if doc.node(pointer).is_none() && doc.node(&older).is_none() {
                let message = format!("the target `aws` needs the key `{}`", pointer[1..].replace('/', "."));
                let at = if doc.node("/aws").is_some() { "/aws" } else { "/target" };
                loader.report(doc.at(&rules::MISSING_KEY, at, message));
            }
        }
    }
    let embedded = spec.embedded.unwrap_or_default();
    let directory = embedded.directory.filter(|path| local_path(loader, doc, "/embedded/directory", path));
    let warehouse = embedded.warehouse.filter(|path| path.starts_with("s3://") || !path.is_empty());
    let project_label = spec.project_label.filter(|label| label_is_good(loader, doc, label));
    let rules = spec.check.unwrap_or_default().rules.unwrap_or_default();
    let rules = rules.into_iter().map(|(id, level)| (id, setting(level))).collect();
    Config { target, directory: directory.unwrap_or(defaults.directory), warehouse, aws, project_label, rules }
}

fn setting(level: RuleLevelSpec) -> RuleSetting {
    match level {
        RuleLevelSpec::Off => RuleSetting::Off,
        RuleLevelSpec::Note => RuleSetting::Level(Level::Note),
        RuleLevelSpec::Warning => RuleSetting::Level(Level::Warning),
        RuleLevelSpec::Error => RuleSetting::Level(Level::Error),
    }
}

fn account_and_region(
    loader: &mut Loader<'_>,
    doc: &Doc,
    account_at: &str,
    account: Option<Value>,
    region_at: &str,
    region: Option<String>,
) -> Option<(String, String)> {
    // as written: a number would have lost its leading zeros
    let account = account.and(doc.text(account_at)).map(str::to_owned);
    let account = account.filter(|account| {
        let good = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !good {
            let message = format!("expected an AWS account of 12 digits, found `{account}`");
            loader.report(doc.at(&rules::INVALID_VALUE, account_at, message));
        }
        good
    });
    let region = region.filter(|region| {
        let parts: Vec<&str> = region.split('-').collect();
        let good = parts.len() >= 3
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            && *region == region.to_ascii_lowercase();
        if !good {
            let message = format!("expected an AWS region such as `eu-central-1`, found `{region}`");
            loader.report(doc.at(&rules::INVALID_VALUE, region_at, message));
        }
        good
    });
    account.zip(region)
}

fn local_path(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, path: &str) -> bool {
    if path.trim().is_empty() {
        loader.report(doc.at(&rules::INVALID_VALUE, pointer, "expected a directory, found nothing"));
        return false;
    }
    true
}

/// 5 to 15 characters, words of letters or of digits joined by `-`, without the product's name.
fn label_is_good(loader: &mut Loader<'_>, doc: &Doc, label: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && (word.bytes().all(|byte| byte.is_ascii_lowercase()) || word.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let problem = if !(5..=15).contains(&label.chars().count()) {
        "has 5 to 15 characters"
    } else if label.contains("matano") {
        "must not contain `matano`"
    } else if !label.starts_with(|c: char| c.is_ascii_lowercase()) || !label.split('-').all(word) {
        "is made of lower-case words and numbers with `-` in between, such as `my-org-123`"
    } else {
        return true;
    };
    loader.report(doc.at(
        &rules::INVALID_NAME,
        "/project_label",
        format!("a project label {problem}, found `{label}`"),
    ));
    false
}
