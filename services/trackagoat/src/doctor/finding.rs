use std::fmt;

use crate::terminal::say;

/// One thing that was looked at.
pub struct Finding {
    what: &'static str,
    grade: Grade,
    says: String,
    mend: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grade {
    Fine,
    Warning,
    Broken,
}

/// All of them, in the order in which they were looked at.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Finding {
    /// As it should be.
    pub fn fine(what: &'static str, says: impl fmt::Display) -> Self {
        Self::new(what, Grade::Fine, says)
    }

    /// It works, but not as well as it could.
    pub fn warning(what: &'static str, says: impl fmt::Display) -> Self {
        Self::new(what, Grade::Warning, says)
    }

    /// It does not work, or nothing may rely on it.
    pub fn broken(what: &'static str, says: impl fmt::Display) -> Self {
        Self::new(what, Grade::Broken, says)
    }

    fn new(what: &'static str, grade: Grade, says: impl fmt::Display) -> Self {
        Self {
            what,
            grade,
            says: says.to_string(),
            mend: None,
        }
    }

    /// The command or statement that mends it.
    pub fn mend(mut self, command: impl fmt::Display) -> Self {
        self.mend = Some(command.to_string());
        self
    }
}

impl Findings {
    pub fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Whether nothing must be mended.
    pub fn is_healthy(&self) -> bool {
        self.0.iter().all(|finding| finding.grade != Grade::Broken)
    }

    /// Prints a line for each, and under what is not fine what mends it.
    pub fn print(&self) {
        for finding in &self.0 {
            say(finding);
        }
        let count = |grade| self.0.iter().filter(|one| one.grade == grade).count();
        say(format_args!(
            "\n{} fine, {} could be better, {} must be mended",
            count(Grade::Fine),
            count(Grade::Warning),
            count(Grade::Broken)
        ));
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Fine => "ok",
            Grade::Warning => "warning",
            Grade::Broken => "BROKEN",
        };
        write!(f, "{grade:<8} {:<20} {}", self.what, self.says)?;
        if let Some(mend) = &self.mend {
            write!(f, "\n{:<8} {:<20} {mend}", "", "-> mend with:")?;
        }
        Ok(())
    }
}
