//! Where the catalog says that a table's metadata is, changed if nobody else has. iceberg 0.10 commits appends, columns and
//! properties through its `Catalog`; a snapshot of one's own making it does not take, so that one change is made here, in
//! the table that its SQL catalog shares with every other client.

use model::name::TableName;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{LakeError, NAMESPACE};

/// The catalog's database.
#[derive(Debug, Clone)]
pub(crate) struct Pointer {
    options: SqliteConnectOptions,
}

impl Pointer {
    pub(crate) fn new(options: SqliteConnectOptions) -> Self {
        Self { options }
    }

    /// Lets the table's metadata be at `to` if it still is at `from`. Returns whether it was.
    pub(crate) async fn swap(&self, table: &TableName, from: &str, to: &str) -> Result<bool, LakeError> {
        let failed = |source| LakeError::Swap { table: table.clone(), source };
        let mut connection = self.options.connect().await.map_err(failed)?;
        let update = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
             WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
        );
        // the catalog and its only namespace have one name
        let update = update.bind(to).bind(from).bind(NAMESPACE).bind(NAMESPACE).bind(table.as_str()).bind(from);
        let changed = update.execute(&mut connection).await.map_err(failed)?.rows_affected();
        connection.close().await.map_err(failed)?;
        Ok(changed == 1)
    }
}
