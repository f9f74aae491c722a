//! v1 wire types: envelope, error codes, cursors, rate headers, OpenAPI parts.
