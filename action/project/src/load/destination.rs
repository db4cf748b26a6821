//! integrations/destinations/*.yml

use model::{name::DestinationName, release::DestinationKind};

use super::Loader;
use crate::{
    project::Destination,
    rules,
    spec::{
        DestinationSpec, FileKind,
        destination::{PropertiesSpec, TYPES},
    },
    yaml::Doc,
};

const DIRECTORY: &str = "integrations/destinations";

pub fn load(loader: &mut Loader<'_>) {
    let files = loader.files;
    for (path, bytes) in files.below(DIRECTORY) {
        let Some(stem) = path.strip_suffix(".yml").filter(|stem| !stem.contains('/')) else { continue };
        let file = format!("{DIRECTORY}/{path}");
        let loaded = loader.read::<DestinationSpec>(FileKind::Destination, &file, bytes);
        let destination = loaded.and_then(|(doc, spec)| resolve(loader, &doc, spec));
        match destination {
            Some(destination) => drop(loader.project.destinations.insert(destination.name.clone(), destination)),
            None => loader.unread.push(stem.to_owned()),
        }
    }
}

fn resolve(loader: &mut Loader<'_>, doc: &Doc, spec: DestinationSpec) -> Option<Destination> {
    let name = spec.name?;
    let name = loader.name(doc, "/name", DestinationName::parse(&name))?;
    if !loader.claim("destination", name.as_str(), doc, "/name") {
        return None;
    }
    let kind = kind(loader, doc, &spec.kind?, spec.properties.unwrap_or_default())?;
    Some(Destination { name, file: doc.file().to_owned(), kind })
}

fn kind(loader: &mut Loader<'_>, doc: &Doc, kind: &str, properties: PropertiesSpec) -> Option<DestinationKind> {
    let kind = kind.to_lowercase();
    let (used, destination): (&[&str], _) = match kind.as_str() {
        "slack" => (&["channel"], Some(DestinationKind::Slack { channel: properties.channel.clone() })),
        "webhook" => {
            let url = properties.url.clone().filter(|url| https(loader, doc, url));
            (&["url"], Some(DestinationKind::Webhook { url }))
        }
        "stdout" => (&[], Some(DestinationKind::Stdout)),
        "ses" => (&["from", "to"], ses(loader, doc, &properties)),
        other => {
            let message = format!("unknown type of destination `{other}`");
            loader.report(doc.at(&rules::INVALID_VALUE, "/type", message).suggest(other, TYPES));
            return None;
        }
    };
    let given = [
        ("channel", properties.channel.is_some()),
        ("url", properties.url.is_some()),
        ("from", properties.from.is_some()),
        ("to", properties.to.is_some()),
    ];
    for (property, _) in given.into_iter().filter(|(property, given)| *given && !used.contains(property)) {
        let message = format!("`{property}` has no effect on a destination of type `{kind}`");
        loader.report(doc.at_key(&rules::MISPLACED_KEY, &format!("/properties/{property}"), message).help("remove it"));
    }
    destination
}

fn ses(loader: &mut Loader<'_>, doc: &Doc, properties: &PropertiesSpec) -> Option<DestinationKind> {
    for (property, given) in [("from", properties.from.is_some()), ("to", properties.to.is_some())] {
        if !given {
            let message = format!("a destination of type `ses` needs `properties.{property}`");
            loader.report(doc.at_key(&rules::MISSING_KEY, "/type", message));
        }
    }
    let (from, to) = (properties.from.clone()?, properties.to.clone()?);
    if to.is_empty() {
        loader.report(doc.at(
            &rules::INVALID_VALUE,
            "/properties/to",
            "expected at least one reader, found an empty list",
        ));
        return None;
    }
    Some(DestinationKind::Ses { from, to })
}

/// Alerts carry what happened to whom: they are not sent in the clear, except to this machine.
fn https(loader: &mut Loader<'_>, doc: &Doc, url: &str) -> bool {
    let host = |rest: &str| {
        rest.split(['/', ':', '?', '#']).next().is_some_and(|host| !host.is_empty() && !host.contains('@'))
    };
    let local = url.strip_prefix("http://").is_some_and(|rest| {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        matches!(host, "localhost" | "127.0.0.1")
    });
    if local || url.strip_prefix("https://").is_some_and(host) {
        return true;
    }
    let message = "expected an address that begins with `https://`";
    let help = "alerts are sent encrypted only; leave `url` out to take it from the secret `url`";
    loader.report(doc.at(&rules::INVALID_VALUE, "/properties/url", message).help(help));
    false
}
