"""What tshark says of a capture (a truth file of the shared corpus), as values that can be compared with ours."""
import re


def each(value):
    """A field of the truth: one value, a list of them, or none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def first(value):
    return next(iter(each(value)), None)


# What a value is compared by: tshark shows what is not ASCII in a way of its own for every protocol, and the truth has 300 characters.
NOT_ASCII = re.compile(r"(?:\\x[0-9a-f]{2}|[^ -~])+")
COMPARED = 70


def normal(value):
    """A value as it is compared."""
    return NOT_ASCII.sub("?", re.sub(r"\s", " ", str(value)))[:COMPARED]


def ends(a, b):
    """Two ends, whoever asks: what a stream is called here."""
    return " ".join(sorted(f"{ip}:{port if port is not None else ''}" for ip, port in (a, b)))


class Truth:
    """A truth file."""

    def __init__(self, document):
        self.all = document.get("records", {})
        self.summary = document.get("summary", {})
        # What comparisons found out about the whole of it.
        self.memory = {}
        self.streams = {
            (kind, s["id"]): ends(s["client"], s["server"]) for kind in ("tcp", "udp") for s in document.get(f"{kind}_streams", [])
        }

    def records(self, *kinds):
        """Records of these kinds, without what ICMP errors quote: nobody said that."""
        return [r for kind in kinds for r in self.all.get(kind, []) if not r.get("in_icmp")]

    def stream(self, record):
        """The two ends of a record's stream; nothing where the truth does not know it."""
        kind = "tcp" if "tcp" in record else "udp"
        return self.streams.get((kind, record[kind]), "") if kind in record else ""


def of(kind, values):
    """Compares what `values` makes of each record of a kind."""
    return lambda truth: [(truth.stream(r), v) for r in truth.records(*each(kind)) for v in values(r)]


def field(kind, name, when=lambda r: True):
    """Compares a field of a kind's records."""
    return of(kind, lambda r: each(r.get(name)) if when(r) else [])


def streams(*kinds):
    """Compares the streams that have records of these kinds."""
    return lambda truth: sorted({(truth.stream(r), "") for r in truth.records(*kinds)} - {("", "")})
