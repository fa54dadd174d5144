//! Rows of QUIC connections.

use wiretape_engine::column::{Bool, I64, Symbol, Text, TextList, U16, U32};

use crate::l7::call::{CallColumns, CallRow, call_table};

call_table! {
    /// One row per QUIC connection, of what its first packets say: they are protected with keys that everyone knows (RFC 9001
    /// section 5.2). method is Initial, target the server name, status the version of TLS agreed on, or why the connection was
    /// closed before that.
    pub static QUIC_TABLE: "quic", row QuicRow, builder QuicBuilder {
        /// Version of QUIC, as on the wire: the server's, where it has answered. 1, 1798521807 (version 2), 4278190109 (draft 29).
        version: U32 [row_index()],
        /// Its name: 1, 2, draft-29, Q046.
        version_name: Symbol [row_index()],
        /// Version in the client's first packet.
        client_version: U32,
        /// Versions that a server offers which does not know the client's.
        server_versions: TextList,
        /// Connection id that the client's first packet goes to, hexadecimal digits.
        dcid: Text,
        /// Connection id of the client, hexadecimal digits.
        scid: Text,
        /// Connection id that the server chose, hexadecimal digits.
        server_cid: Option<Text>,
        /// The server sent the client back with a token (Retry).
        retry: Bool,
        /// The client sent data before the handshake was over (0-RTT packets).
        zero_rtt: Bool,
        /// Server name that the client asks for; with ECH, the public one.
        sni: Option<Symbol> [key()],
        /// Version of TLS agreed on, as on the wire.
        tls_version: Option<U16>,
        /// Its name.
        tls_version_name: Option<Symbol>,
        /// Versions of TLS offered.
        tls_versions_offered: TextList,
        /// Cipher suite chosen (IANA TLS Cipher Suites).
        cipher_suite: Option<U16> [row_index()],
        /// Its name.
        cipher_suite_name: Option<Symbol> [row_index()],
        /// Names of the cipher suites offered.
        cipher_suites: TextList,
        /// Application protocols offered; which of them is chosen is encrypted.
        alpn_offered: TextList,
        /// Names of the client's extensions, in its order.
        extensions: TextList,
        /// Names of the extensions of the server's hello.
        server_extensions: TextList,
        /// Names of the groups offered for the key exchange.
        groups: TextList,
        /// Group of the key exchange.
        group: Option<Symbol>,
        /// An earlier session goes on.
        resumed: Option<Bool>,
        /// The server asked for another client hello.
        hello_retry: Option<Bool>,
        /// The client hello announces data before the handshake is over.
        early_data: Option<Bool>,
        /// The client hello has an encrypted one in it, or pretends to (ECH).
        ech: Option<Bool>,
        /// JA3 fingerprint of the client hello, MD5.
        ja3: Option<Symbol> [row_index()],
        /// Its text.
        ja3_text: Option<Text>,
        /// JA3S fingerprint of the server hello, MD5.
        ja3s: Option<Symbol> [row_index()],
        /// Its text.
        ja3s_text: Option<Text>,
        /// JA4 fingerprint of the client hello.
        ja4: Option<Symbol> [row_index()],
        /// Error code of a close among the first packets (RFC 9000 section 20.1).
        close_code: Option<I64>,
        /// What it says.
        close_reason: Option<Text>,
        /// Who closed: client, server.
        close_by: Option<Symbol>,
    }
    entry "call" {
        "quic" = "true",
        "tlsx" = "true",
        "tlsx_sni" = "sni",
        "tlsx_cipher_suite" = "cipher_suite",
        "tlsx_cipher_suites" = "cipher_suites",
        "tlsx_version" = "tls_version",
        "tlsx_summary" = "concat_ws(' ', sni, tls_version_name, cipher_suite_name)",
        "tlsx_info" = "'ClientHello'",
        "ja3" = "ja3",
        "ja3s" = "ja3s",
        "ja4" = "ja4",
    }
}
