//! Secrets by destination and key: `secops_slack` and `bot_user_oauth_token`. Never in a project, a log or an error.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use model::name::DestinationName;

use crate::error::StoreError;

/// A secret; printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes in the secret itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the request it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where secrets are.
#[async_trait]
pub trait Secrets: Send + Sync + fmt::Debug {
    /// The secret, or `None` where nobody has given it.
    async fn find(&self, destination: &DestinationName, key: &str) -> Result<Option<Secret>, StoreError>;

    /// How to give this secret: the end of a message about its absence.
    fn hint(&self, destination: &DestinationName, key: &str) -> String;

    /// The secret, or an error that says how to give it.
    async fn get(&self, destination: &DestinationName, key: &str) -> Result<Secret, StoreError> {
        self.find(destination, key).await?.ok_or_else(|| StoreError::NoSecret {
            destination: destination.to_string(),
            key: key.to_owned(),
            hint: self.hint(destination, key),
        })
    }
}

/// Secrets of this machine: environment variables first, then a JSON file `{"destination": {"key": "secret"}}` that
/// only its owner may read.
#[derive(Clone)]
pub struct LocalSecrets {
    environment: BTreeMap<String, Secret>,
    file: Option<PathBuf>,
}

impl fmt::Debug for LocalSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, file } = self;
        let names: Vec<&String> = environment.keys().collect();
        f.debug_struct("LocalSecrets").field("environment", &names).field("file", file).finish()
    }
}

const PREFIX: &str = "MATANO_SECRET_";

impl LocalSecrets {
    /// From the process's environment, of which it keeps what starts with `MATANO_SECRET_`, and a file that need not
    /// exist. The file is read at each look, so that a changed secret needs no restart.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>, file: Option<PathBuf>) -> Self {
        let ours = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        Self { environment: ours.map(|(name, value)| (name, Secret(value))).collect(), file }
    }

    /// The variable that holds a secret: upper case, with `_` for all that is no letter or digit.
    pub fn variable(destination: &DestinationName, key: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("{PREFIX}{}_{}", destination.as_str().chars().map(plain).collect::<String>(), key.to_ascii_uppercase())
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn find(&self, destination: &DestinationName, key: &str) -> Result<Option<Secret>, StoreError> {
        if let Some(secret) = self.environment.get(&Self::variable(destination, key))
            && is_given(&secret.0)
        {
            return Ok(Some(secret.clone()));
        }
        let Some(path) = &self.file else { return Ok(None) };
        let mut all = read_file(path).await?;
        let found = all.remove(destination.as_str()).and_then(|mut keys| keys.remove(key));
        Ok(found.filter(|text| is_given(text)).map(Secret))
    }

    fn hint(&self, destination: &DestinationName, key: &str) -> String {
        let variable = Self::variable(destination, key);
        let given = self.environment.get(&variable);
        let set = match given {
            Some(_) => format!("`{variable}` is empty or still a placeholder, set it"),
            None => format!("set `{variable}`"),
        };
        match &self.file {
            Some(path) => format!("{set}, or put it into `{}` in place of any `<placeholder>`", path.display()),
            None => set,
        }
    }
}

/// `<your token here>` is what a template says, not a secret.
fn is_given(text: &str) -> bool {
    let text = text.trim();
    let placeholder = text.starts_with('<') && text.ends_with('>');
    !text.is_empty() && !placeholder
}

async fn read_file(path: &Path) -> Result<BTreeMap<String, BTreeMap<String, String>>, StoreError> {
    let problem = |problem: String| StoreError::SecretsFile { path: path.display().to_string(), problem };
    let metadata = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(problem(format!("cannot be opened: {error}"))),
    };
    if let Some(mode) = open_to_others(&metadata) {
        return Err(problem(format!("has mode `{mode:03o}`, expected `600`: run `chmod 600` on it")));
    }
    let bytes = tokio::fs::read(path).await.map_err(|error| problem(format!("cannot be read: {error}")))?;
    // serde's message would quote the value it stumbled over
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        problem(format!(
            "is wrong at line {line}, column {column}: expected `{{\"destination\": {{\"key\": \"secret\"}}}}`"
        ))
    })
}

#[cfg(unix)]
fn open_to_others(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> Option<u32> {
    None
}
