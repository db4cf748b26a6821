//! alert_forwarder
