//! `ip_in_cidr(ip, network)`: whether an address is in a network (RFC 4632, RFC 4291 section 2.3).
//!
//! A network without `/` is one address; host bits after the prefix are ignored. Text that is no IP address is in no
//! network; text that is no network is an error. An IPv4 address is in no IPv6 network, not even mapped.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, StringViewArray},
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, constant_text, map, per_text, two_texts};
use crate::SqlError;

pub(super) static IP_IN_CIDR: Function = Function {
    name: "ip_in_cidr",
    takes: &[Takes::Text, Takes::Text],
    gives: Gives::Type(DataType::Boolean),
    monotonic_in: None,
    run,
};

/// A prefix and the bits that count of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    V4 { prefix: u32, mask: u32 },
    V6 { prefix: u128, mask: u128 },
}

impl FromStr for Network {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self, SqlError> {
        let invalid = || {
            SqlError::new("22P02", format!("invalid input syntax for type cidr: \"{text}\""))
                .with_hint("Write a network as 10.0.0.0/8 or 2001:db8::/32.")
        };
        let (address, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse::<u32>().ok().filter(|b| *b <= all).ok_or_else(invalid)?,
            None => all,
        };
        Ok(match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Network::V4 { prefix: u32::from(address) & mask, mask }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                Network::V6 { prefix: u128::from(address) & mask, mask }
            }
        })
    }
}

impl Network {
    fn holds(self, text: &str) -> bool {
        match self {
            Network::V4 { prefix, mask } => text.parse::<Ipv4Addr>().is_ok_and(|a| u32::from(a) & mask == prefix),
            Network::V6 { prefix, mask } => text.parse::<Ipv6Addr>().is_ok_and(|a| u128::from(a) & mask == prefix),
        }
    }
}

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    if let Some(network) = constant_text(argument(args, 1)?) {
        let network: Network = network.parse()?;
        let in_network = |texts: &StringViewArray| -> Result<ArrayRef> {
            let answers: BooleanArray = texts.iter().map(|t| t.map(|t| network.holds(t))).collect();
            Ok(Arc::new(answers))
        };
        return map(argument(args, 0)?, |array| per_text(array, in_network));
    }
    let (addresses, networks) = two_texts(args)?;
    let pairs = addresses.as_string_view().iter().zip(networks.as_string_view());
    let answers = pairs.map(|pair| match pair {
        (Some(address), Some(network)) => network.parse::<Network>().map(|n| Some(n.holds(address))),
        _ => Ok(None),
    });
    let answers: BooleanArray = answers.collect::<Result<_, SqlError>>()?;
    Ok(ColumnarValue::Array(Arc::new(answers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().holds(address)
    }

    #[test]
    fn prefixes_of_every_kind() {
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.1.2.3/8", "10.9.9.9"), "host bits are ignored");
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(holds("::/0", "fe80::1"));
        assert!(!holds("::/0", "10.0.0.1"), "families do not mix");
        assert!(!holds("0.0.0.0/0", "aa:bb:cc:dd:ee:ff"), "no address is in no network");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "2001:db8::/129", "10.0.0.0/-1", "host"] {
            assert_eq!(text.parse::<Network>().unwrap_err().sqlstate, "22P02", "{text}");
        }
    }
}
