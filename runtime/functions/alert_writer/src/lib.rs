//! alert_writer
