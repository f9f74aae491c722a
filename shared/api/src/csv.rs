//! CSV as spreadsheets and programs both read it: RFC 4180, and no text that a spreadsheet would
//! take for a formula (v1-contract.md 15.5).

use std::fmt::{self, Write as _};

use bytes::Bytes;

/// Writes rows into memory; [`Csv::take`] hands over what is written, so that long files stream.
#[derive(Debug, Default)]
pub struct Csv {
    text: String,
    is_inside_row: bool,
}

impl Csv {
    /// With its header row, whose names are ours.
    pub fn new(header: &[&str]) -> Self {
        let mut csv = Self::default();
        for name in header {
            csv.plain(name);
        }
        csv.end_row();
        csv
    }

    /// A text cell: quoted where needed, and with a leading `'` where a spreadsheet would see a
    /// formula.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.separate();
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let mark = if formula { "'" } else { "" };
        if text.contains([',', '"', '\r', '\n']) {
            let escaped = text.replace('"', "\"\"");
            // Writing to a String cannot fail.
            let _ = write!(self.text, "\"{mark}{escaped}\"");
        } else {
            self.text.push_str(mark);
            self.text.push_str(text);
        }
        self
    }

    /// A cell of ours that needs no escape: a number, negative ones too, an id, a date, a name
    /// from a list.
    pub fn plain(&mut self, value: impl fmt::Display) -> &mut Self {
        self.separate();
        let _ = write!(self.text, "{value}");
        self
    }

    /// A cell that is empty where there is no value.
    pub fn maybe(&mut self, value: Option<impl fmt::Display>) -> &mut Self {
        match value {
            Some(value) => self.plain(value),
            None => self.plain(""),
        }
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.is_inside_row = false;
    }

    /// What is written and not yet taken.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.text).into()
    }

    fn separate(&mut self) {
        if self.is_inside_row {
            self.text.push(',');
        }
        self.is_inside_row = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(write: impl FnOnce(&mut Csv)) -> String {
        let mut csv = Csv::default();
        write(&mut csv);
        csv.end_row();
        String::from_utf8_lossy(&csv.take()).into_owned()
    }

    #[test]
    fn rows_end_with_cr_lf_and_only_what_needs_it_is_quoted() {
        let mut csv = Csv::new(&["a", "b"]);
        csv.text("plain").text("x, \"y\"\nz").end_row();
        assert_eq!(csv.take(), "a,b\r\nplain,\"x, \"\"y\"\"\nz\"\r\n");
    }

    #[test]
    fn text_that_looks_like_a_formula_is_marked_and_numbers_are_left_alone() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert_eq!(
                row(|csv| {
                    csv.text(formula).plain(-1);
                }),
                format!("'{formula},-1\r\n")
            );
        }
        assert_eq!(
            row(|csv| {
                csv.text("\rx").text("=HYPERLINK(\"x\",\"y\")");
            }),
            "\"'\rx\",\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\r\n"
        );
        assert_eq!(
            row(|csv| {
                csv.text("a=1");
            }),
            "a=1\r\n"
        );
    }

    #[test]
    fn null_is_an_empty_cell_also_at_the_beginning() {
        assert_eq!(
            row(|csv| {
                csv.maybe(None::<i64>)
                    .maybe(Some(0))
                    .plain(true)
                    .maybe(None::<i64>);
            }),
            ",0,true,\r\n"
        );
    }
}
