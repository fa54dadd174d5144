//! Why a capture cannot start or go on.

use std::io;

use crate::config::Method;

/// Why a capture cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A named interface is not there; the operator's to correct.
    #[error("no interface named \"{name}\"{}; there {}", hint(.nearest.as_deref()), list(.present))]
    NoInterface {
        /// The name asked for.
        name: String,
        /// The present name most like it.
        nearest: Option<String>,
        /// Every interface of this network namespace.
        present: Vec<String>,
    },
    /// The configuration cannot mean anything.
    #[error("capture configuration: {0}")]
    Config(String),
    /// The method asked for does not work here; with [`Method::Auto`] it is the last one tried.
    #[error("capture by {method} is not possible here: {reason}")]
    Method {
        /// The way tried.
        method: Method,
        /// What the kernel said, and what it most likely means.
        reason: String,
    },
    /// The kernel refused something it must not refuse once a capture runs.
    #[error("{what}: {source}")]
    Kernel {
        /// The call, by its manual page's name, or what it was to do.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The ring holds something the kernel program never writes.
    #[error("the kernel program's ring holds a record this version cannot read ({0})")]
    Ring(&'static str),
}

fn hint(name: Option<&str>) -> String {
    name.map(|n| format!(", did you mean \"{n}\"?")).unwrap_or_default()
}

fn list(present: &[String]) -> String {
    match present {
        [] => "is none at all".to_owned(),
        [one] => format!("is {one}"),
        more => format!("are {}", more.join(", ")),
    }
}
