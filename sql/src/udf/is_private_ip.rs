//! `is_private_ip(ip)`: whether an address means nothing outside its own site or link.
//!
//! True for 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918), fc00::/7 (RFC 4193), loopback 127.0.0.0/8 and ::1,
//! link-local 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291). Not for carrier-grade NAT (100.64.0.0/10), multicast
//! or 0.0.0.0. Text that is no IP address gives NULL.

use std::{net::IpAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, StringViewArray},
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, map, per_text};

pub(super) static IS_PRIVATE_IP: Function = Function {
    name: "is_private_ip",
    takes: &[Takes::Text],
    gives: Gives::Type(DataType::Boolean),
    monotonic_in: None,
    run,
};

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let evaluate = |texts: &StringViewArray| -> Result<ArrayRef> {
        let answers: BooleanArray = texts.iter().map(|t| t.and_then(|t| t.parse().ok()).map(is_private)).collect();
        Ok(Arc::new(answers))
    };
    map(argument(args, 0)?, |array| per_text(array, evaluate))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private() || a.is_loopback() || a.is_link_local(),
        IpAddr::V6(a) => a.is_unique_local() || a.is_loopback() || a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_ranges_and_no_others() {
        for text in ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.1.1"] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in ["fc00::1", "fdff::1", "::1", "fe80::1", "febf::1"] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "224.0.0.1", "0.0.0.0", "2001:db8::1", "fec0::1", "ff02::1"]
        {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }
}
