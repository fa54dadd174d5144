//! `tcp_flags_text(flags)`: the names of the TCP flags that are set, `18` as `SYN,ACK` (RFC 9293 section 3.1).
//!
//! Names stand in the order of their bits, lowest first, joined by commas; no flag is the empty text. A number over 255
//! or below 0 is no set of flags and gives NULL.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray, StringArray},
    datatypes::{DataType, Int64Type},
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, map};

pub(super) static TCP_FLAGS_TEXT: Function = Function {
    name: "tcp_flags_text",
    takes: &[Takes::Integer],
    gives: Gives::Type(DataType::Utf8),
    monotonic_in: None,
    run,
};

/// Names of the flags, from bit 0 on.
pub(super) const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// The text of every value.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| (0..=u8::MAX).map(text).collect());

fn text(flags: u8) -> String {
    let set: Vec<&str> =
        FLAGS.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0).map(|(_, name)| *name).collect();
    set.join(",")
}

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    map(argument(args, 0)?, |array| {
        let flags = array.as_primitive::<Int64Type>();
        let texts: StringArray = flags.iter().map(|f| f.and_then(|f| TEXTS.get(usize::try_from(f).ok()?))).collect();
        Ok(Arc::new(texts) as ArrayRef)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_order_of_bits() {
        assert_eq!(text(0x12), "SYN,ACK");
        assert_eq!(text(0), "");
        assert_eq!(text(0xff), "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR");
    }
}
