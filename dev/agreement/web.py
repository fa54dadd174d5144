"""Names, the web, and what rides on it."""
import re
from urllib.parse import unquote

from .truth import each, field, first, of

DNS_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR",
             39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 251: "IXFR", 252: "AXFR",
             255: "ANY", 257: "CAA"}


def dns(record, name):
    """A field of DNS, which has its name in front in the records of mDNS and LLMNR."""
    return record.get(name, record.get(f"dns.{name}"))


def dns_questions(r):
    names = ["" if n == "<Root>" else n for n in each(dns(r, "qry.name"))]
    types = [DNS_TYPES.get(t, f"TYPE{t}") for t in each(dns(r, "qry.type"))]
    return [] if dns(r, "flags.response") else [f"{n} {t}" for n, t in zip(names, types)]


def dns_answers(r):
    """Addresses and names that a response gives; only of responses whose other sections are empty: they are not told apart."""
    others = dns(r, "count.auth_rr") + dns(r, "count.add_rr") - each(dns(r, "resp.type")).count(41)
    kinds = ("a", "aaaa", "cname", "ptr.domain_name", "mx.mail_exchange", "srv.target")
    return [v for k in kinds for v in each(dns(r, k))] if dns(r, "flags.response") and not others else []


# Rows that have both halves.
PAIRED = "request_bytes > 0 and response_bytes > 0"


def dns_comparisons(name):
    table = f"dns where app_proto = '{name}'"
    answers = f"""(select src_ip, src_port, dst_ip, dst_port, unnest(answers) as answer, unnest(answer_types) as type from {table}
                  and authority_count + additional_count = case when edns_udp_size is null then 0 else 1 end)"""
    return [
        (name, "questions", of(name, dns_questions), "unnest(questions) || ' ' || unnest(question_types)", f"{table} and request_bytes > 0"),
        (name, "ids and response codes", of(name, lambda r: [f"{dns(r, 'id')} {dns(r, 'flags.rcode')}"] if dns(r, "flags.response") else []),
         "query_id || ' ' || rcode", f"{table} and response_bytes > 0"),
        (name, "addresses and names answered", of(name, dns_answers), "case type when 'MX' then split_part(answer, ' ', 2) when 'SRV' then split_part(answer, ' ', 4) else answer end",
         f"{answers} where type in ('A', 'AAAA', 'CNAME', 'PTR', 'MX', 'SRV')"),
    ]


def is_final(r):
    code = int(r.get("response.code") or 0)
    return code == 101 or code >= 200


def media_type(r):
    return [str(v).partition(";")[0].strip().lower() for v in each(r.get("content_type"))]


def host(value):
    """Without its port and brackets."""
    return re.sub(r":\d+$", "", str(value)).strip("[]")


def http1(values):
    """Compares what is HTTP/1: a request that is answered with an upgrade to HTTP/2 is a row of HTTP/2."""
    return lambda truth: [(truth.stream(r), v) for r in truth.records("http") if not is_upgrade(truth, r) for v in values(r)]


def http2(name, values):
    """The calls, and the requests of upgrades, which have them in fields of other names."""
    calls = of("http2_calls", lambda r: values(r.get(name)))
    return lambda truth: calls(truth) + [
        (truth.stream(r), v) for r in truth.records("http") if is_upgrade(truth, r) and r.get("request.method") for v in values(r.get(UPGRADES[name]))
    ]


UPGRADES = {"authority": "host", "user_agent": "user_agent", "path": "request.uri"}


def is_upgrade(truth, r):
    if "upgraded" not in truth.memory:
        truth.memory["upgraded"] = {r["tcp"] for r in truth.records("http") if str(r.get("response.code")) == "101" and r.get("upgrade") == "h2c"}
    return r.get("upgrade") == "h2c" and r.get("tcp") in truth.memory["upgraded"]


def is_grpc(r):
    return str(r.get("content_type", "")).startswith("application/grpc")


def is_graphql(r):
    path, _, query = str(r.get("request.uri", "")).partition("?")
    return path.endswith("/graphql") and (r.get("request.method") == "POST" or "query=" in query)


HTTP1 = "http where http_version <> 'HTTP/2'"
HTTP2 = "http where http_version = 'HTTP/2'"
OPCODES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def websocket_messages(truth):
    """Frames put together: kind, length and sender of each message."""
    begun, messages = {}, []
    for r in truth.records("websocket"):
        long = each(r.get("payload_length_ext_16")) + each(r.get("payload_length_ext_64"))
        fields = zip(each(r["opcode"]), each(r["fin"]), each(r["mask"]), each(r["payload_length"]))
        for opcode, fin, mask, length in fields:
            length = long.pop(0) if length > 125 and long else length
            key = (r["tcp"], mask)
            if opcode >= 8:
                messages.append((truth.stream(r), f"{OPCODES.get(opcode)} {length} {mask}"))
                continue
            kind, sum_ = begun.pop(key, (opcode, 0))
            if fin:
                messages.append((truth.stream(r), f"{OPCODES.get(kind)} {sum_ + length} {mask}"))
            else:
                begun[key] = (kind, sum_ + length)
    return messages


COMPARISONS = dns_comparisons("dns") + dns_comparisons("mdns") + dns_comparisons("llmnr") + [
    ("dns", "responses with their queries", of("dns", lambda r: [dns(r, "id")] if dns(r, "response_to") else []), "query_id", f"dns where app_proto = 'dns' and {PAIRED}"),
    ("http", "methods and targets", http1(lambda r: [f"{r['request.method']} {r.get('request.uri')}"] if r.get("request.method") else []),
     "method || ' ' || target", f"{HTTP1} and request_bytes > 0"),
    ("http", "hosts", http1(lambda r: [host(first(r["host"]))] if r.get("request.method") and r.get("host") else []), "host", f"{HTTP1} and request_bytes > 0"),
    ("http", "user agents", http1(lambda r: each(r.get("user_agent"))), "user_agent", HTTP1),
    ("http", "content types of requests", http1(lambda r: media_type(r) if r.get("request.method") else []), "lower(request_content_type)", f"{HTTP1} and request_bytes > 0"),
    ("http", "status codes", http1(lambda r: each(r.get("response.code")) if is_final(r) else []), "status_code", HTTP1),
    ("http", "responses with their requests", http1(lambda r: each(r.get("response.code")) if is_final(r) and r.get("request_in") else []),
     "status_code", f"{HTTP1} and {PAIRED}"),
    ("http", "content types of responses", http1(lambda r: media_type(r) if is_final(r) else []), "lower(response_content_type)", HTTP1),
    ("http2", "paths", http2("path", each), "target", HTTP2),
    ("http2", "authorities", http2("authority", lambda v: [host(v)] if v else []), "host", HTTP2),
    ("http2", "user agents", http2("user_agent", each), "user_agent", HTTP2),
    ("http2", "status codes", field("http2_calls", "status"), "status_code", HTTP2),
    ("grpc", "services and methods", field("http2_calls", "path", lambda r: is_grpc(r)), "'/' || grpc_service || '/' || grpc_method", HTTP2),
    ("grpc", "status", field("http2_calls", "grpc_status"), "grpc_status", HTTP2),
    ("grpc", "messages of status", of("http2_calls", lambda r: [unquote(str(r["grpc_message"]))] if r.get("grpc_message") else []), "grpc_message", f"{HTTP2} and grpc_message <> ''"),
    ("graphql", "operations", field("http", "request.uri", is_graphql), "target", "http where app_proto = 'graphql' and http_version <> 'HTTP/2'"),
    ("websocket", "kinds, lengths and senders", websocket_messages,
     "opcode || ' ' || length || case when masked then ' 1' else ' 0' end", "websocket"),
    ("websocket", "close codes", field("websocket", "payload.close.status_code"), "close_code", "websocket"),
]
