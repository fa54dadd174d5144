//! The path of encapsulations of a frame, packed into one integer, so that a row costs nothing until its name is asked for.

/// Encapsulations passed on the way in, outermost first; at least one, at most [`Tunnel::MAX_DEPTH`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tunnel(u64);

/// One encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Encapsulation {
    /// An MPLS label stack, of any depth.
    Mpls = 1,
    /// PPPoE session.
    Pppoe,
    /// GRE, with Ethernet, IP or PPP inside.
    Gre,
    /// Mirrored Ethernet over GRE.
    Erspan,
    /// VXLAN or VXLAN-GPE.
    Vxlan,
    /// Geneve.
    Geneve,
    /// GTP-U.
    Gtp,
    /// IP directly in IP.
    Ipip,
    /// IPv6 in UDP (RFC 4380).
    Teredo,
}

const NAMES: [&str; 10] = ["", "mpls", "pppoe", "gre", "erspan", "vxlan", "geneve", "gtp", "ipip", "teredo"];

impl Tunnel {
    /// 4 bits each in 64.
    pub const MAX_DEPTH: u32 = 16;

    /// `path` with one more inside it, or `None` when it is full.
    pub(crate) fn push(path: Option<Tunnel>, inner: Encapsulation) -> Option<Tunnel> {
        let packed = path.map_or(0, |path| path.0);
        if packed >> 60 != 0 {
            return None;
        }
        Some(Tunnel(packed << 4 | inner as u64))
    }

    /// The names, outermost first, joined by '/', written into `text` in place of what it held.
    pub fn name(self, text: &mut String) -> &str {
        text.clear();
        let depth = Self::MAX_DEPTH - self.0.leading_zeros() / 4;
        for place in (0..depth).rev() {
            let code = (self.0 >> (place * 4)) & 0xf;
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(usize::try_from(code).ok().and_then(|code| NAMES.get(code)).unwrap_or(&""));
        }
        text
    }

    /// The path as an integer: a cheap key for a cache of names.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name(&mut String::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_outermost_first() {
        let path = Tunnel::push(None, Encapsulation::Mpls);
        let path = Tunnel::push(path, Encapsulation::Teredo);
        assert_eq!(path.unwrap().name(&mut String::from("old")), "mpls/teredo");
    }

    /// The comment of the column says which names there are.
    #[test]
    fn the_column_names_every_encapsulation() {
        let (_, column) = crate::tables::PACKETS.column("tunnel").unwrap();
        let list = column.comment.rsplit(": ").next().unwrap().trim_end_matches('.');
        assert_eq!(list.split(", ").collect::<Vec<_>>(), NAMES[1..]);
    }

    #[test]
    fn path_ends_at_its_limit() {
        let mut path = None;
        for _ in 0..Tunnel::MAX_DEPTH {
            path = Tunnel::push(path, Encapsulation::Ipip);
            assert!(path.is_some());
        }
        assert_eq!(Tunnel::push(path, Encapsulation::Ipip), None);
        assert_eq!(path.unwrap().name(&mut String::new()).split('/').count(), 16);
    }
}
