"""TLS in its three forms, and SSH."""
from .truth import each, field, first

# The handshakes that a row is made of, by what they came in.
TABLES = {"tls": "tls where app_proto = 'tls'", "dtls": "tls where app_proto = 'dtls'", "quic": "quic"}


def hellos(truth, carrier, what):
    """The hello that a row shows: a client's first (the one behind a HelloRetryRequest repeats it), a server's last."""
    by_stream = {}
    for r in truth.records("tls"):
        if r["in"] == carrier and r["what"] == what:
            # The record of a fragment says nothing.
            by_stream.setdefault((truth.stream(r), r.get("tcp", r.get("udp"))), []).extend([r] if "ciphersuite" in r else [])
    return [(stream, hellos[0 if what == "ClientHello" else -1]) for (stream, _), hellos in by_stream.items() if hellos]


def hello(carrier, what, values):
    return lambda truth: [(stream, v) for stream, r in hellos(truth, carrier, what) for v in values(r) if v is not None]


def version(r):
    return [first(r.get("extensions.supported_version")) or r.get("version")]


def comparisons(carrier):
    table = TABLES[carrier]
    lists = "array_to_string(alpn_offered, ',')"
    yield carrier, "server names", hello(carrier, "ClientHello", lambda r: each(r.get("extensions_server_name"))), "sni", table
    yield carrier, "protocols offered", hello(carrier, "ClientHello", lambda r: [",".join(each(r.get("extensions_alpn_str"))) or None]), lists, f"(select * from {table}) as t where cardinality(alpn_offered) > 0"
    yield carrier, "JA3", hello(carrier, "ClientHello", lambda r: [r.get("ja3")]), "ja3", table
    yield carrier, "JA3 text", hello(carrier, "ClientHello", lambda r: [r.get("ja3_full")]), "ja3_text", table
    yield carrier, "versions", hello(carrier, "ServerHello", version), "tls_version" if carrier == "quic" else "version", table
    yield carrier, "cipher suites", hello(carrier, "ServerHello", lambda r: [r.get("ciphersuite")]), "cipher_suite", table
    yield carrier, "JA3S", hello(carrier, "ServerHello", lambda r: [r.get("ja3s")]), "ja3s", table


def certificates(truth):
    """Serial numbers of the first certificate that a server shows in the clear."""
    seen = {}
    clear = {k for r in truth.records("tls") if r["what"] == "ServerHello" and version(r)[0] != 772 for k in [r.get("tcp")]}
    for r in truth.records("tls"):
        if r["in"] == "tls" and r["what"] == "Certificate" and "x509af.serialNumber" in r and r.get("tcp") in clear:
            seen.setdefault(r["tcp"], (truth.stream(r), first(r["x509af.serialNumber"])))
    return list(seen.values())


COMPARISONS = [c for carrier in TABLES for c in comparisons(carrier)] + [
    ("tls", "serial numbers of certificates", certificates, "cert_serial", "tls where app_proto = 'tls' and version <> 772"),
    ("ssh", "versions", field("ssh", "protocol"), "unnest(make_array(client_version, server_version))", "ssh"),
]
