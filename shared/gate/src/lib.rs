//! Who may call: credential cache, apply task, window, quota.
