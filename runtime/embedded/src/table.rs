//! A table of the lake as DataFusion sees it: one snapshot, read through [`lake::read`].

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt as _, TryStreamExt as _};
use iceberg_datafusion::physical_plan::convert_filters_to_predicate;
use lake::{IcebergTable, Reading};

/// One snapshot of a table.
#[derive(Debug)]
pub(crate) struct LakeTable {
    table: IcebergTable,
    schema: SchemaRef,
}

impl LakeTable {
    pub(crate) fn new(table: IcebergTable) -> Result<Self, lake::LakeError> {
        let schema = lake::arrow_schema(&table)?;
        Ok(Self { table, schema })
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema.clone(),
        };
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        let reading =
            Reading { columns: Some(columns), filter: convert_filters_to_predicate(filters), ..Reading::default() };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(Scan { table: self.table.clone(), reading, limit, properties: Arc::new(properties) }))
    }

    /// Filters leave out files and row groups; rows are looked at again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// Reads it, file after file.
#[derive(Debug)]
struct Scan {
    table: IcebergTable,
    reading: Reading,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, reading, limit, properties: _ } = self;
        write!(f, "LakeScan {}: {reading:?}, limit {limit:?}", table.identifier().name())
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "LakeScan"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (table, reading) = (self.table.clone(), self.reading.clone());
        let external = |error| DataFusionError::External(Box::new(error));
        let opening = async move { lake::read(&table, reading).await.map_err(external) };
        let rows = futures::stream::once(opening).map_ok(move |rows| rows.map_err(external)).try_flatten();
        let mut left = self.limit.unwrap_or(usize::MAX);
        let limited = rows.scan((), move |(), batch| {
            let batch = batch.map(|batch| batch.slice(0, batch.num_rows().min(left)));
            let more = left > 0;
            left -= batch.as_ref().map_or(0, |batch| batch.num_rows());
            std::future::ready(more.then_some(batch))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), limited)))
    }
}
