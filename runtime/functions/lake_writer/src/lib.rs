//! lake_writer
