//! One macro for the two small sets of this module, [`Layers`](super::Layers) and [`Anomalies`](super::Anomalies): an
//! enum of named members and a bit set of them. The enum's order is the bit order and the order of the names.

/// Declares an enum of at most 64 members, each with its name in SQL, and the bit set over it.
macro_rules! flag_set {
    (
        $(#[$set_doc:meta])* set $set:ident of
        $(#[$doc:meta])* enum $member:ident { $($(#[$member_doc:meta])* $variant:ident = $name:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $member {
            $($(#[$member_doc])* $variant,)+
        }

        impl $member {
            /// Every member, in bit order.
            pub const ALL: &'static [$member] = &[$($member::$variant,)+];

            /// The name in SQL.
            pub const fn name(self) -> &'static str {
                match self {
                    $($member::$variant => $name,)+
                }
            }
        }

        const _: () = assert!($member::ALL.len() <= 64, "the set is a u64");

        $(#[$set_doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $set(u64);

        impl $set {
            /// Adds a member; adding it again changes nothing.
            #[inline]
            pub fn insert(&mut self, member: $member) {
                self.0 |= 1 << (member as u8);
            }

            /// Whether the member was added.
            #[inline]
            pub fn contains(self, member: $member) -> bool {
                self.0 & (1 << (member as u8)) != 0
            }

            /// Whether nothing was added.
            #[inline]
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The set as bits, bit n standing for the n-th member: a cheap key for a cache of names.
            pub fn bits(self) -> u64 {
                self.0
            }

            /// The members in it, in bit order.
            pub fn iter(self) -> impl Iterator<Item = $member> {
                $member::ALL.iter().copied().filter(move |member| self.contains(*member))
            }

            /// Writes the names, joined by ',', into `text` in place of what it held, and returns them; empty for the
            /// empty set.
            pub fn names(self, text: &mut String) -> &str {
                text.clear();
                for member in self.iter() {
                    if !text.is_empty() {
                        text.push(',');
                    }
                    text.push_str(member.name());
                }
                text
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.names(&mut String::new()))
            }
        }
    };
}

pub(crate) use flag_set;
