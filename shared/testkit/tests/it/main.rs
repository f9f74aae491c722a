//! The tools that tests rest on, tried themselves.

mod eventually;
mod proxy;
mod servers;
