use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::worker::{FRAME_START, MAX_FRAME, Order, Report, frame, unframe};

/// Both directions to the host.
pub struct Pipe {
    orders: Mutex<File>,
    reports: Mutex<File>,
}

impl Pipe {
    /// Takes over two descriptors.
    pub fn new(orders: RawFd, reports: RawFd) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: `worker.py` made both with `os.dup` for this purpose alone and never touches them again
        let (orders, reports) = unsafe { (OwnedFd::from_raw_fd(orders), OwnedFd::from_raw_fd(reports)) };
        Self { orders: Mutex::new(orders.into()), reports: Mutex::new(reports.into()) }
    }

    /// The next order; `None` when the host is done with this worker.
    pub fn order(&self) -> io::Result<Option<Order>> {
        let mut orders = lock(&self.orders);
        let mut header = [0; 12];
        match orders.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (start, length) = header.split_at(FRAME_START.len());
        if start != FRAME_START {
            return Err(io::Error::other("an order that is no frame"));
        }
        let length = length.try_into().map_or(0, u32::from_le_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(io::Error::other(format!("an order of {length} bytes")));
        }
        let mut body = vec![0; length];
        orders.read_exact(&mut body)?;
        unframe(&body).map(Some).map_err(io::Error::other)
    }

    /// Says something, at once: what is not said is lost in a crash.
    pub fn report(&self, report: &Report) -> io::Result<()> {
        lock(&self.reports).write_all(&frame(report))
    }
}

fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
