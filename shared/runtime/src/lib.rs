//! Configuration, clock, telemetry, lifecycle, health, local servers.
