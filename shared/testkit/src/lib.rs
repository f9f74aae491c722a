//! Private Postgres and NATS, fault proxy, waiting with a deadline.
