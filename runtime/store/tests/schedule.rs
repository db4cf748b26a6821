//! What every memory of a scheduler must hold to.

use model::{name::DetectionName, time::Timestamp};
use store::schedule::{SqliteWindows, Windows};

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

#[tokio::test]
async fn a_detection_goes_on_where_its_last_window_ended_and_never_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let (hourly, daily) = (DetectionName::parse("hourly").unwrap(), DetectionName::parse("daily").unwrap());
    let windows: Box<dyn Windows> = Box::new(SqliteWindows::open(&path).unwrap());
    assert_eq!(windows.next_start(&hourly).await.unwrap(), None);
    windows.done(&hourly, at(7200)).await.unwrap();
    windows.done(&hourly, at(3600)).await.unwrap();
    assert_eq!(windows.next_start(&daily).await.unwrap(), None);
    // another process
    let again = SqliteWindows::open(&path).unwrap();
    assert_eq!(again.next_start(&hourly).await.unwrap(), Some(at(7200)));
}
