use std::io::{Cursor, Write as _};

use github::artifact::{self, ArtifactError, ArtifactLimits};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::bench::{Bench, REPOSITORY};

fn zip(file: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(file, SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

async fn download(bench: &Bench) -> Result<Vec<u8>, ArtifactError> {
    let limits = ArtifactLimits { zip_bytes: 10_000, ..ArtifactLimits::default() };
    artifact::download(&bench.client(), 77, "matano", limits).await
}

#[tokio::test]
async fn the_newest_artifact_of_the_run_and_name_is_read() {
    let bench = Bench::new();
    bench.world().upload(REPOSITORY, 77, "matano", zip("report.json", b"old"));
    bench.world().upload(REPOSITORY, 77, "matano", zip("report.json", b"new"));
    bench.world().upload(REPOSITORY, 77, "other", zip("report.json", b"other"));
    bench.world().upload(REPOSITORY, 78, "matano", zip("report.json", b"another run"));
    assert_eq!(download(&bench).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_run_without_an_artifact_says_what_to_upload() {
    let bench = Bench::new();
    assert!(matches!(download(&bench).await, Err(ArtifactError::Missing { run: 77, .. })));
    let id = bench.world().upload(REPOSITORY, 77, "matano", zip("report.json", b"{}"));
    bench.world().repository(REPOSITORY).artifacts.get_mut(&id).unwrap().expired = true;
    assert!(matches!(download(&bench).await, Err(ArtifactError::Missing { .. })));
}

#[tokio::test]
async fn a_huge_artifact_is_not_downloaded() {
    let bench = Bench::new();
    bench.world().upload(REPOSITORY, 77, "matano", vec![0; 10_001]);
    let error = download(&bench).await.unwrap_err();
    assert!(error.to_string().contains("10001 bytes"), "{error}");
    assert!(bench.world().seen.iter().all(|seen| !seen.url.ends_with("/zip")));
}
