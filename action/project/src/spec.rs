//! What users may write, file by file. The doc comments are what editors show: they become the JSON Schemas.
//!
//! These types say what is well formed; what it means is decided in [`crate::load`].

pub mod config;
pub mod destination;
pub mod detection;
pub mod enrichment;
pub mod log_source;
pub mod quantity; // `5 minutes`, `16 MB`
pub mod table;
pub mod test;

pub use self::{
    config::ConfigSpec, destination::DestinationSpec, detection::DetectionSpec, enrichment::EnrichmentSpec,
    log_source::LogSourceSpec, table::TableSpec,
};

/// The kinds of YAML file that a project has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `matano.config.yml`
    Config,
    /// `log_sources/<dir>/log_source.yml`
    LogSource,
    /// `log_sources/<dir>/tables/<table>.yml`
    Table,
    /// `detections/<dir>/detection.yml`
    Detection,
    /// `integrations/destinations/<name>.yml`
    Destination,
    /// `enrichment/<dir>/enrichment.yml`
    Enrichment,
}

impl FileKind {
    /// All, in the order of the directory tree.
    pub const ALL: [Self; 6] =
        [Self::Config, Self::LogSource, Self::Table, Self::Detection, Self::Destination, Self::Enrichment];

    /// The kind of the file at a path within the project; `None` where nothing is read from there.
    pub fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        Some(match parts.as_slice() {
            ["matano.config.yml"] => Self::Config,
            ["log_sources", _, "log_source.yml"] => Self::LogSource,
            ["log_sources", _, "tables", file] if file.ends_with(".yml") => Self::Table,
            ["detections", _, "detection.yml"] => Self::Detection,
            ["integrations", "destinations", file] if file.ends_with(".yml") => Self::Destination,
            ["enrichment", _, "enrichment.yml"] => Self::Enrichment,
            _ => return None,
        })
    }

    /// The name of its JSON Schema: `detection` for `detection.schema.json`.
    pub fn schema_name(self) -> &'static str {
        match self {
            Self::Config => "matano.config",
            Self::LogSource => "log_source",
            Self::Table => "table",
            Self::Detection => "detection",
            Self::Destination => "destination",
            Self::Enrichment => "enrichment",
        }
    }
}
