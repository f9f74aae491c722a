//! Tests of `runtime` that need real processes and real sockets.

mod http;
mod local;
