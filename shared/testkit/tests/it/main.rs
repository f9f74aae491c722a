//! The tools that tests rest on, tried themselves.

mod eventually;
mod history;
mod proxy;
mod servers;
