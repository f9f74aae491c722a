//! Texts that are trouble where a text is more than a text.

/// Control characters, directions, characters of four bytes, formulas, SQL, HTML and templates: no
/// endpoint may stumble over them.
pub const TROUBLE: [&str; 15] = [
    "\0",
    "a\u{7}b",
    "a\r\nTga-Position: 1",
    "\u{202e}desrever",
    "\u{2066}isolated\u{2069}",
    "\u{200f}\u{200e}",
    "\u{1f469}\u{200d}\u{1f680}",
    "\u{10ffff}",
    "e\u{301}\u{301}\u{301}",
    "=HYPERLINK(\"http://example.com\")",
    "+1-2@SUM(A1)",
    "' OR 1=1; DROP TABLE projects --",
    "%' ESCAPE '\\_",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
];
