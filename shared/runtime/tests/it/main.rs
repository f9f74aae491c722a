//! Tests of `runtime` that need real processes and real sockets.

mod admin;
mod http;
mod local;
mod process;
mod telemetry;
