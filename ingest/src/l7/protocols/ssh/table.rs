//! Rows of SSH connections.

use wiretape_engine::column::{Symbol, Text, TextList};

use crate::l7::call::{CallColumns, CallRow, call_table};

call_table! {
    /// One row per SSH connection, of what is said before it is encrypted: versions and key exchange (RFC 4253). method is
    /// KEXINIT, target the server's version, status NEWKEYS where keys were agreed on, or why the connection was ended.
    pub static SSH_TABLE: "ssh", row SshRow, builder SshBuilder {
        /// Version line of the client: SSH-2.0-OpenSSH_9.2p1 Debian-2.
        client_version: Option<Symbol> [key()],
        /// Version line of the server.
        server_version: Option<Symbol> [key()],
        /// HASSH fingerprint of the client, MD5 of what it offers.
        hassh: Option<Symbol> [row_index()],
        /// Its text: key exchange, encryption, MAC and compression methods, client to server.
        hassh_text: Option<Text>,
        /// HASSH fingerprint of the server.
        hassh_server: Option<Symbol> [row_index()],
        /// Its text: the same methods, server to client.
        hassh_server_text: Option<Text>,
        /// Key exchange method agreed on: the first one of the client's that the server has; NULL without both offers.
        kex: Option<Symbol>,
        /// Algorithm of the host key agreed on.
        host_key_algorithm: Option<Symbol>,
        /// Fingerprint of the server's host key, as clients show it: SHA256:<base64>.
        host_key: Option<Text>,
        /// Cipher agreed on, client to server.
        cipher: Option<Symbol>,
        /// Cipher agreed on, server to client.
        cipher_back: Option<Symbol>,
        /// MAC agreed on, client to server; of no use where the cipher authenticates by itself.
        mac: Option<Symbol>,
        /// MAC agreed on, server to client.
        mac_back: Option<Symbol>,
        /// Compression agreed on, client to server.
        compression: Option<Symbol>,
        /// Key exchange methods that the client offers, best first.
        client_kex: TextList,
        /// Algorithms of host keys that it takes.
        client_host_keys: TextList,
        /// Ciphers that it offers for what it sends.
        client_ciphers: TextList,
        /// MACs that it offers for what it sends.
        client_macs: TextList,
        /// Key exchange methods that the server offers.
        server_kex: TextList,
        /// Algorithms of the host keys that it has.
        server_host_keys: TextList,
        /// Ciphers that it offers for what it sends.
        server_ciphers: TextList,
        /// MACs that it offers for what it sends.
        server_macs: TextList,
    }
    entry "call" { "ssh" = "true" }
}
