//! One try at one object.

use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};

use model::{
    object::{ObjectId, SourceObject},
    staged::{ObjectReport, StagedFile},
};
use store::{
    ledger::{Claim, Lease},
    objects::{Body, Head},
};
use tokio_util::io::SyncIoBridge;
use tracing::{info, warn};
use transform::{Hints, SourceTransform, TransformOutput};

use crate::{AttemptError, Fate, Request, Transformer, When};

impl Transformer {
    pub(crate) async fn one(&self, request: &Request) -> Fate {
        match self.begin(request).await {
            Ok(fate) => fate,
            Err(error) => Fate::Again(error),
        }
    }

    /// Up to the claim: an error leaves nothing behind.
    async fn begin(&self, request: &Request) -> Result<Fate, AttemptError> {
        let head = self.objects.head(&request.address).await?;
        let object = &head.object;
        let name = match &request.source {
            Some(name) => name,
            None => match self.sources.routes.route(&object.bucket, &object.key) {
                Some(name) => name,
                None => return Ok(Fate::NoSource(head.object)),
            },
        };
        let source = self.sources.get(name).ok_or_else(|| AttemptError::UnknownSource(name.clone()))?;
        let Some(_flight) = Flight::begin(self, object.id()) else {
            let until = self.lease().until;
            return Ok(Fate::Busy { object: head.object, until });
        };
        let attempt = match self.ledger.claim(object, &self.lease(), (self.clock)()).await? {
            Claim::Claimed { attempt } => attempt,
            Claim::Done(report) => return Ok(Fate::Done { report, when: When::Before }),
            Claim::Busy { until } => return Ok(Fate::Busy { object: head.object, until }),
            Claim::Dead { reason, .. } => return Ok(Fate::Dead { object: head.object, reason }),
        };
        Ok(match self.held(&head, source, attempt).await {
            Ok(report) => {
                info!(object = object.uri(), rows = report.rows, rejects = report.rejects, "object transformed");
                Fate::Done { report, when: When::Now }
            }
            // a crash does not tidy up
            Err(error @ AttemptError::Failpoint(_)) => Fate::Again(error),
            Err(error) => self.give_back(head.object, attempt, error).await,
        })
    }

    /// With the claim: transform while the lease is prolonged.
    async fn held(
        &self,
        head: &Head,
        source: &Arc<SourceTransform>,
        attempt: u32,
    ) -> Result<ObjectReport, AttemptError> {
        let id = head.object.id();
        let work = self.work(head, source, attempt);
        let third = Duration::from_secs(u64::from(self.limits.lease_seconds / 3).max(1));
        let renewing = async {
            loop {
                tokio::time::sleep(third).await;
                // if it is lost, recording will say so
                if let Err(error) = self.ledger.renew(id, attempt, &self.lease()).await {
                    warn!(object = head.object.uri(), %error, "the lease could not be prolonged");
                }
            }
        };
        tokio::select! {
            done = work => done,
            () = renewing => unreachable!("the loop has no end"),
        }
    }

    async fn work(
        &self,
        head: &Head,
        source: &Arc<SourceTransform>,
        attempt: u32,
    ) -> Result<ObjectReport, AttemptError> {
        self.step("transform: claimed")?;
        let id = head.object.id();
        if attempt > 1 {
            self.forget_earlier(id, attempt).await?;
        }
        let body = self.objects.open(&head.object).await?;
        let out = Scratch(self.staging.workspace().join(format!("{}-{}-{attempt}", self.owner, id.0.short(16))));
        let output = self.transform(head, source, body, &out).await?;
        self.step("transform: rows written")?;
        let mut files = Vec::with_capacity(output.files.len());
        for file in output.files {
            // Under a name of this attempt, so that one whose lease ran out cannot overwrite what its successor staged.
            let key = format!("{}{}", prefix(id, attempt), below(id, &file));
            self.staging.put(&key, &out.0.join(&file.key)).await?;
            files.push(StagedFile { key, ..file });
        }
        self.step("transform: files staged")?;
        if let Err(error) = self.ledger.staged(&output.report, attempt, &files, (self.clock)()).await {
            for file in &files {
                self.staging.delete(&file.key).await?;
            }
            return Err(error.into());
        }
        self.step("transform: recorded")?;
        Ok(output.report)
    }

    async fn transform(
        &self,
        head: &Head,
        source: &Arc<SourceTransform>,
        body: Body,
        out: &Scratch,
    ) -> Result<TransformOutput, AttemptError> {
        let failed = |source| AttemptError::Workspace { path: out.0.clone(), source };
        fs::create_dir_all(&out.0).map_err(failed)?;
        let (source, object, now, out) = (source.clone(), head.object.clone(), (self.clock)(), out.0.clone());
        let hints = Hints {
            key: head.object.key.clone(),
            content_encoding: head.content_encoding.clone(),
            content_type: head.content_type.clone(),
        };
        let running = tokio::task::spawn_blocking(move || {
            let input: Box<dyn Read + Send> = match body {
                Body::Local(path) => Box::new(File::open(&path).map_err(|source| {
                    let path = path.clone();
                    store::error::StoreError::File { action: "open", path, source }
                })?),
                Body::Stream(stream) => Box::new(SyncIoBridge::new(stream)),
            };
            Ok(source.run(&object, input, &hints, now, &out)?)
        });
        running.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What crashed attempts staged and never recorded.
    async fn forget_earlier(&self, id: ObjectId, attempt: u32) -> Result<(), AttemptError> {
        for earlier in 1..attempt {
            for entry in self.staging.list(&prefix(id, earlier)).await? {
                self.staging.delete(&entry.key).await?;
            }
        }
        Ok(())
    }

    async fn give_back(&self, object: SourceObject, attempt: u32, error: AttemptError) -> Fate {
        warn!(object = object.uri(), attempt, %error, "object failed");
        let tries = if error.is_retryable() { self.limits.max_attempts } else { 1 };
        match self.ledger.failed(object.id(), attempt, &error.to_string(), tries).await {
            Ok(true) => Fate::Dead { object, reason: error.to_string() },
            // the lease runs out by itself
            Ok(false) | Err(_) => Fate::Again(error),
        }
    }

    fn lease(&self) -> Lease {
        Lease::new(&self.owner, (self.clock)(), self.limits.lease_seconds)
    }

    fn step(&self, name: &'static str) -> Result<(), AttemptError> {
        match &self.failpoint {
            Some(failpoint) if failpoint(name) => Err(AttemptError::Failpoint(name)),
            Some(_) | None => Ok(()),
        }
    }
}

/// Of the files of one attempt.
fn prefix(id: ObjectId, attempt: u32) -> String {
    format!("{}/{attempt}/", id.0.short(16))
}

/// The transform names the object too.
fn below(id: ObjectId, file: &StagedFile) -> &str {
    file.key.strip_prefix(&format!("staged/{}/", id.0.short(16))).unwrap_or(&file.key)
}

/// An object that this process is at.
struct Flight<'a> {
    transformer: &'a Transformer,
    object: ObjectId,
}

impl<'a> Flight<'a> {
    fn begin(transformer: &'a Transformer, object: ObjectId) -> Option<Self> {
        let mut in_flight = transformer.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.insert(object).then_some(Self { transformer, object })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.transformer.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.object);
    }
}

/// A directory that goes away.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
