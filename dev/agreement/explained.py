"""What is not compared, and why lines are below the goal: what tshark reads otherwise, or what we do not read."""
from fnmatch import fnmatch

# Capture, protocol: why.
NOT_COMPARED = {
    ("derived-bitflips.pcap", "*"): "bits flipped at random, in addresses too: streams fall apart, and each reader makes its own of the rest",
    ("mix-arkime.pcap", "tls"): "the truth file has none of TLS over TCP; tshark, asked again, reads the same JA3 and JA3S in all ten handshakes",
    ("ldap-mix.pcapng", "ldap"): "single packets of many sessions put together: tshark reads 13 messages of 26",
}

# Captures of which each value counts once in a stream, and why.
COUNTED_ONCE = {
    "lab-k8s-any-sll2.pcap": "each packet is seen inside a VXLAN tunnel and outside of it: one row to us, one stream to tshark",
}

# Protocol, line: why.
WHY = {
    ("http", "methods and targets"): "tshark does not know methods in lower case, nor HTTP/0.9",
    ("http", "status codes"): "tshark shows no responses behind a lost packet, nor those whose body is not whole",
    ("http", "content types of responses"): "the same responses",
    ("http", "responses with their requests"): "tshark pairs pipelined requests seldom, and the same responses",
    ("http2", "paths"): "tshark does not read some requests behind an upgrade to h2c",
    ("http2", "authorities"): "the same requests",
    ("http2", "user agents"): "the same requests",
    ("graphql", "operations"): "the others carry no document that can be executed: they are HTTP to us",
    ("redis", "commands with arguments"): "tshark does not read inline commands",
    ("ssh", "versions"): "a connection on port 8000, which tshark takes for HTTP",
    ("postgresql", "users and databases"): "a made startup message whose length is wrong is not recognised",
    ("kafka", "lengths of responses"): "responses before the first request of a capture are not read",
    ("memcached", "keys"): "tshark reads the keys of the first commands of the text protocol only",
    ("tds", "packets"): "a login of a version before 7.2",
    ("dhcp", "transactions, kinds and clients"): "packets that the capture cuts before the magic cookie",
    ("icmp", "types"): "a message that is seen at three interfaces (`lab-k8s-multi-if`) is one row, and three lines of tshark",
    ("snmp", "streams recognised"): "three made messages that tshark finds malformed: recognising is all we do",
}


def is_compared(capture, protocol):
    return not any(fnmatch(capture, c) and fnmatch(protocol, p) for c, p in NOT_COMPARED)
