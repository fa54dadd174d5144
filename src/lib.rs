//! Wiretape: an embedded time-series packet database.

pub mod demo;
