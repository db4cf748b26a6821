//! Raw objects: what there is to read, what it is exactly, and its bytes.
//!
//! An object is named by an *address*: a path, `-` for standard input, or `s3://bucket/key`. [`Objects::list`] turns the
//! address of a directory or a prefix into addresses of objects, [`Objects::head`] turns one into a [`SourceObject`] whose
//! version changes with its content, [`Objects::open`] reads that version and no other.

use std::path::PathBuf;

use async_trait::async_trait;
use model::object::SourceObject;
use tokio::io::AsyncRead;

use crate::error::StoreError;

/// The bucket of local files.
pub const FILE_BUCKET: &str = "file";
/// The bucket of standard input.
pub const STDIN_BUCKET: &str = "stdin";

/// Something that can be read, seen in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// For [`Objects::head`].
    pub address: String,
    /// Bytes as stored.
    pub size: u64,
}

/// An object and what is known about its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The object.
    pub object: SourceObject,
    /// The header `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
}

/// The bytes of an object.
pub enum Body {
    /// They lie in a file of this machine.
    Local(PathBuf),
    /// They come over the network.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => f.debug_tuple("Local").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Where raw objects are read from.
#[async_trait]
pub trait Objects: std::fmt::Debug + Send + Sync {
    /// Every object at or below an address, sorted by address. An address that names nothing is an error.
    async fn list(&self, address: &str) -> Result<Vec<Listed>, StoreError>;

    /// What stands at an address now.
    async fn head(&self, address: &str) -> Result<Head, StoreError>;

    /// The bytes of an object as [`Objects::head`] saw it. If another version stands there now, that is an error.
    async fn open(&self, object: &SourceObject) -> Result<Body, StoreError>;
}
