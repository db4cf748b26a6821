//! Scheduled detections: each window of each detection is run once, a missed one is caught up.

use model::{
    name::TableName,
    release::{Detection, Schedule, Trigger},
};
use serde_json::Value;
use store::schedule::Windows as _;

use crate::{
    EmbeddedError,
    flow::{Session, blocking},
    report::Settled,
    schedule::{self, Stretch},
    sql, trial,
};
use futures::TryStreamExt as _;

impl Session<'_> {
    /// Runs every window that has ended, with its allowance for late rows, and was not run: a detection's first window is
    /// the one that is running when it is first seen. An error of one detection is reported and does not keep the others.
    pub async fn run_schedules(&self, settled: &mut Settled) -> Result<(), EmbeddedError> {
        for (detection, schedule) in self.scheduled() {
            if let Err(error) = self.run_due(detection, schedule, settled).await {
                settled.problems.push(format!("scheduled detection `{}`: {error}", detection.name));
            }
        }
        self.alert(settled).await
    }

    /// Runs the whole windows of a stretch of the past, whether they were run or not: a match that is known is not counted
    /// again.
    pub async fn backfill(&self, past: Stretch, settled: &mut Settled) -> Result<(), EmbeddedError> {
        for (detection, schedule) in self.scheduled() {
            let start = schedule::boundary(&schedule.cadence, past.start)?;
            for window in schedule::windows(&schedule.cadence, start, past.end)? {
                self.run_window(detection, schedule, window, settled).await?;
                settled.windows += 1;
            }
        }
        self.alert(settled).await
    }

    fn scheduled(&self) -> impl Iterator<Item = (&Detection, &Schedule)> {
        self.bundle.release.detections.values().filter_map(|detection| match &detection.trigger {
            Trigger::Streaming => None,
            Trigger::Scheduled(schedule) => Some((detection, schedule)),
        })
    }

    async fn run_due(
        &self,
        detection: &Detection,
        schedule: &Schedule,
        settled: &mut Settled,
    ) -> Result<(), EmbeddedError> {
        let now = (self.clock)();
        let Some(start) = self.target.windows.next_start(&detection.name).await? else {
            let first = schedule::boundary(&schedule.cadence, now)?;
            return Ok(self.target.windows.done(&detection.name, first).await?);
        };
        let lateness = i64::try_from(schedule.lateness_seconds).unwrap_or(i64::MAX);
        for window in schedule::windows(&schedule.cadence, start, now.plus_seconds(lateness.saturating_neg()))? {
            self.run_window(detection, schedule, window, settled).await?;
            self.target.windows.done(&detection.name, window.end).await?;
            settled.windows += 1;
        }
        Ok(())
    }

    async fn run_window(
        &self,
        detection: &Detection,
        schedule: &Schedule,
        window: Stretch,
        settled: &mut Settled,
    ) -> Result<(), EmbeddedError> {
        let query = self.bundle.text(schedule.query).unwrap_or_default();
        let rows = sql::query(&self.target.lake, &sql::bind(query, window.start, window.end)).await?;
        let failed = |error: datafusion::error::DataFusionError| sql::SqlError::Execution(error.to_string());
        let batches: Vec<_> = rows.stream.try_collect().await.map_err(failed)?;
        let (Some(rows), Some(host)) = (trial::joined(&batches)?, self.host.clone()) else { return Ok(()) };
        let directory = self.target.scratch(&self.owner)?;
        let path = directory.path().join("rows.parquet");
        trial::write_file(&path, rows)?;
        let (name, table) =
            (detection.name.clone(), detection.tables.first().cloned().unwrap_or_else(TableName::alerts));
        let report = blocking(move || {
            let identify = |_: u64, row: &Value| trial::identity_of_query(&name, window, row);
            host.scheduled(&name, &table, &path, &identify)
        })
        .await??;
        self.absorb(report, settled).await
    }
}
