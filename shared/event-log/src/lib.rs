//! The log: append, read, subscribe on Postgres, mirror on JetStream.
