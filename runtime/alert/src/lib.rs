//! Turns rule matches into alerts, decides which destination hears of them, and finds the words for each destination.
//!
//! Start at [`fold::AlertState`] (matches to an alert), [`decide::deliveries`] (an alert to deliveries) and
//! [`news::News`] (what a message says); [`slack`], [`webhook`] and [`console`] render it. Everything here is a pure
//! function: nothing sends, stores, or asks the clock.

pub mod context; // flattened fields and their first values
pub mod fold; // matches -> alert, whatever the order and the batches
pub mod row; // match -> row of matano_alerts

pub mod decide; // alert -> deliveries
pub mod news; // what is new since a destination last heard

pub mod plain; // text from logs, made harmless

pub mod console; // lines on standard output
pub mod slack; // Block Kit
pub mod webhook; // signed JSON
