"""What networks run on, mail, calls, and what is recognised only."""
from .truth import each, field, of, streams

DHCP = ["bootp", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"]
DHCPV6 = [None, "solicit", "advertise", "request", "confirm", "renew", "rebind", "reply", "release", "decline", "reconfigure",
          "information_request", "relay_forward", "relay_reply", "lease_query"]
NTP = ["reserved", "symmetric_active", "symmetric_passive", "client", "server", "broadcast", "control", "private"]
RECOGNISED = {"smb": ("smb", "smb2"), "snmp": ("snmp",), "stun": ("stun",), "nbns": ("nbns",), "imap": ("imap",), "pop3": ("pop",), "rdp": ("rdp",)}
RADIUS_FIELDS = {"user names": ("User_Name", "user_name"), "session ids": ("Acct_Session_Id", "acct_session_id"), "calling stations": ("Calling_Station_Id", "calling_station_id")}


def over_tcp(values):
    """Those of TCP: SMB in NetBIOS datagrams is another protocol to us."""
    return lambda truth: [v for v in values(truth) if v[0] in {stream for (kind, _), stream in truth.streams.items() if kind == "tcp"}]


def icmp(truth):
    return [("", f"{kind} {type_}") for kind in ("icmp", "icmpv6") for type_, n in truth.summary.get(kind, {}).get("types", {}).items() for _ in range(n)]


def diameter_command(r):
    return [f"{c} {a} {h}" for c, a, h, q in zip(each(r["cmd.code"]), each(r["applicationId"]), each(r["hopbyhopid"]), each(r["flags.request"])) if q]


# tshark does not pair it.
STATUS_SERVER = 12
REQUESTS = "request_bytes > 0"
ANSWERS = "response_bytes > 0"

COMPARISONS = [
    ("radius", "codes and ids", of("radius", lambda r: [f"{r['code']} {r['id']}"]),
     "unnest(array_concat(case when request_bytes > 0 then array_repeat(code || ' ' || id, 1 + retransmissions) else make_array() end, case when response_bytes > 0 then make_array(response_code || ' ' || id) else make_array() end))", "radius"),
    ("radius", "responses with their requests", field("radius", "id", lambda r: r.get("reqframe")), "id", f"radius where {REQUESTS} and {ANSWERS} and code <> {STATUS_SERVER}"),
    *[("radius", what, field("radius", theirs, lambda r: r["code"] in (1, 4, 12, 40, 43)), f"unnest(array_repeat({ours}, 1 + retransmissions))", f"radius where {REQUESTS}")
      for what, (theirs, ours) in RADIUS_FIELDS.items()],
    ("diameter", "commands, applications and ids", of("diameter", diameter_command), "command_code || ' ' || application_id || ' ' || hop_by_hop_id", f"diameter where {REQUESTS}"),
    ("diameter", "sessions", field("diameter", "Session-Id", lambda r: r["flags.request"] == 1), "session_id", f"diameter where {REQUESTS}"),
    ("diameter", "origin hosts", field("diameter", "Origin-Host", lambda r: r["flags.request"] == 1), "origin_host", f"diameter where {REQUESTS}"),
    ("diameter", "result codes", of("diameter", lambda r: each(r.get("Result-Code")) + each(r.get("Experimental-Result-Code"))), "result_code", f"diameter where {ANSWERS}"),
    ("dhcp", "transactions, kinds and clients", of("dhcp", lambda r: [f"{r['id']} {DHCP[r.get('option.dhcp', 0)]}"]),
     "transaction_id || ' ' || unnest(case when response_type is null then make_array(message_type) when request_bytes is null then make_array(response_type) else make_array(message_type, response_type) end)", "dhcp"),
    ("dhcp", "host names", field("dhcp", "option.hostname"), "hostname", "dhcp"),
    ("dhcpv6", "transactions and kinds", of("dhcpv6", lambda r: [f"{x} {DHCPV6[m]}" for x, m in [(each(r.get('xid'))[-1], each(r['msgtype'])[-1])] if m < len(DHCPV6)]), "transaction_id || ' ' || message_type", "dhcpv6"),
    ("ntp", "modes and strata", of("ntp", lambda r: [f"{NTP[r['flags.mode']]} {r.get('stratum', '')}"]),
     "unnest(array_concat(case when request_bytes > 0 then make_array(concat(mode, ' ', request_stratum)) else make_array() end, case when response_bytes > 0 then make_array(concat(response_mode, ' ', stratum)) else make_array() end))", "ntp"),
    ("ntp", "versions of requests", field("ntp", "flags.vn", lambda r: r["flags.mode"] == 3), "version", "ntp where mode = 'client' and request_bytes > 0"),
    ("sip", "methods, targets and calls", of("sip", lambda r: [f"{r['Method']} {r['r-uri']} {r['Call-ID']}"] if "Method" in r else []),
     "unnest(array_repeat(method || ' ' || target || ' ' || sip_call_id, 1 + retransmissions))", f"sip where {REQUESTS}"),
    ("sip", "status codes", field("sip", "Status-Code"), "unnest(case when status_code is null then provisional when provisional is null then make_array(cast(status_code as varchar)) else array_append(provisional, cast(status_code as varchar)) end)", "sip"),
    ("smtp", "commands", of("smtp", lambda r: [c.upper() for c in each(r.get("req.command"))]), "method", f"smtp where method <> 'greeting' and {REQUESTS}"),
    ("smtp", "reply codes", of("smtp", lambda r: [c for c in each(r.get("response.code")) if c != 354]), "reply_code", "smtp"),
    ("ftp", "commands", field("ftp", "request.command"), "method", f"ftp where {REQUESTS}"),
    ("ftp", "reply codes", field("ftp", "response.code"), "unnest(make_array(preliminary_code, reply_code))", "ftp"),
    ("sctp", "payload protocols of data", field("sctp", "data_payload_proto_id"), "unnest(array_repeat(payload_protocol, chunks))", "sctp where method = 'DATA'"),
    ("icmp", "types", icmp, "case when version = 4 then 'icmp ' else 'icmpv6 ' end || unnest(case when request_bytes is null then make_array(response_type) when response_bytes is null then make_array(message_type) else make_array(message_type, response_type) end)", "icmp"),
    *[(name, "streams recognised", over_tcp(streams(*kinds)) if name == "smb" else streams(*kinds), "''", f"flows where app_proto = '{name}'") for name, kinds in RECOGNISED.items()],
]
