"""Databases and brokers."""
from .truth import each, field, first, of

MYSQL = {1: "COM_QUIT", 2: "COM_INIT_DB", 3: "COM_QUERY", 4: "COM_FIELD_LIST", 9: "COM_STATISTICS", 14: "COM_PING", 22: "COM_STMT_PREPARE",
         23: "COM_STMT_EXECUTE", 25: "COM_STMT_CLOSE", 26: "COM_STMT_RESET", 27: "COM_SET_OPTION", 31: "COM_RESET_CONNECTION"}
MONGODB = {1: "OP_REPLY", 2004: "OP_QUERY", 2005: "OP_GET_MORE", 2010: "OP_COMMAND", 2011: "OP_COMMANDREPLY", 2012: "OP_COMPRESSED", 2013: "OP_MSG"}
LDAP = {0: "bind", 2: "unbind", 3: "search", 6: "modify", 8: "add", 10: "delete", 12: "modify_dn", 14: "compare", 16: "abandon", 23: "extended"}
LDAP_ANSWERS = {1: "bind", 5: "search", 7: "modify", 9: "add", 11: "delete", 13: "modify_dn", 15: "compare", 24: "extended"}
# The versions of Kafka's requests from which on they are flexible, which tshark 4.0 does not read.
KAFKA_FLEXIBLE = {0: 9, 1: 12, 2: 6, 3: 9, 8: 8, 9: 6, 19: 5, 20: 4, 37: 2}
KAFKA_READ = " or ".join(f"api_key = {key} and api_version < {version}" for key, version in KAFKA_FLEXIBLE.items())
AMQP = {
    10: ("connection", {1: "start", 2: "secure", 3: "tune", 4: "open", 5: "close", 6: "blocked"}),
    20: ("channel", {1: "open", 2: "flow", 4: "close"}),
    40: ("exchange", {1: "declare", 2: "delete", 3: "bind", 4: "unbind", 5: "unbind"}),
    50: ("queue", {1: "declare", 2: "bind", 3: "purge", 4: "delete", 5: "unbind"}),
    60: ("basic", {1: "qos", 2: "consume", 3: "cancel", 4: "publish", 5: "return", 6: "deliver", 7: "get", 8: "ack", 9: "reject", 11: "recover", 12: "nack"}),
    85: ("confirm", {1: "select"}),
    90: ("tx", {1: "select", 2: "commit", 3: "rollback"}),
}


def redis_command(r):
    return [" ".join(map(str, r["value"]))] if r.get("cmd") and r["dport"] == 6379 else []


def ldap_operations(r):
    return [f"{i} {LDAP[op]}" for i, op in zip(each(r.get("messageID")), each(r.get("protocolOp"))) if op in LDAP]


def ldap_results(r):
    answers = [(i, op) for i, op in zip(each(r.get("messageID")), each(r.get("protocolOp"))) if op in LDAP_ANSWERS]
    return [f"{i} {LDAP_ANSWERS[op]} {code}" for (i, op), code in zip(answers, each(r.get("resultCode")))]


def mongodb_command(r):
    return [first(r["element.name"])] if not r["response_to"] and r["opcode"] != 1 else []


def amqp_method(r):
    """Methods have tens; their replies come behind them."""
    name, methods = AMQP.get(r.get("method.class"), ("?", {}))
    number = r.get("method.method")
    return [] if number is None else [f"{r['channel']} {name}.{methods.get(number // 10)}{'-ok' if number % 10 else ''}"]


def amqp(*names):
    """These arguments of a method, if it has all of them."""
    names = [f"method.arguments.{name}" for name in names]
    return of("amqp", lambda r: [" ".join(str(r[n]) for n in names)] if all(n in r for n in names) and (r["method.class"] == 60 or len(names) == 1 or "code" in names[0]) else [])


def kafka_topics(truth):
    """Each topic of a request once: tshark lists it for every partition."""
    read = [r for r in truth.records("kafka") if "request_key" in r and r["api_version"] < KAFKA_FLEXIBLE.get(r["api_key"], 0)]
    return sorted({(truth.stream(r), f"{r['correlation_id']} {t}") for r in read for t in each(r.get("topic_name"))})


def pgsql(kind):
    return lambda r: r["type"] == kind


KAFKA = "kafka where request_bytes > 0"

COMPARISONS = [
    ("redis", "commands with arguments", of("redis", redis_command), "array_to_string(array_prepend(method, arguments), ' ')", "redis where request_bytes > 0"),
    ("redis", "errors", of("redis", lambda r: [r["value"]["error"]] if isinstance(r["value"], dict) and "error" in r["value"] else []), "reply", "redis where reply_type = 'error'"),
    ("postgresql", "simple queries", field("pgsql", "query", pgsql("Simple query")), "query", "postgresql where command = 'Query' and request_bytes > 0"),
    ("postgresql", "executions", field("pgsql", "type", pgsql("Execute")), "command", "postgresql where command = 'Execute' and request_bytes > 0"),
    ("postgresql", "users and databases", of("pgsql", lambda r: each(r.get("parameter_value"))[:2] if r["type"] == "Startup message" else []),
     'unnest(make_array("user", database))', "postgresql where command = 'Startup' and request_bytes > 0"),
    ("postgresql", "command tags", field("pgsql", "tag"), "tag", "postgresql"),
    ("postgresql", "errors", of("pgsql", lambda r: [f"{r['code']} {r['message']}"] if r["type"] == "Error" else []), "error_code || ' ' || error_message", "postgresql"),
    ("mysql", "commands", of("mysql", lambda r: [MYSQL.get(r["command"], r["command"])] if "command" in r else []), "command", "mysql where command <> 'Login' and request_bytes > 0"),
    ("mysql", "statements", field("mysql", "query"), "query", "mysql where command in ('COM_QUERY', 'COM_STMT_PREPARE') and request_bytes > 0"),
    ("mysql", "users", field("mysql", "user"), '"user"', "mysql where command = 'Login'"),
    ("mysql", "server versions", field("mysql", "version"), "server_version", "mysql where command in ('greeting', 'Login')"),
    ("mysql", "errors", of("mysql", lambda r: [f"{r['error_code']} {r.get('sqlstate')} {r['error.message']}"] if "error_code" in r else []),
     "error_code || ' ' || error_state || ' ' || error_message", "mysql"),
    ("mysql", "affected rows", field("mysql", "affected_rows", lambda r: r["packet_number"] == 1), "affected_rows", "mysql"),
    ("mongodb", "commands", of("mongo", mongodb_command), "command", "mongodb where request_bytes > 0"),
    ("mongodb", "replies", of("mongo", lambda r: ["reply"] if r["response_to"] or r["opcode"] == 1 else []), "'reply'", "mongodb where response_bytes > 0"),
    ("kafka", "keys, versions, ids and clients", of("kafka", lambda r: [f"{r['api_key']} {r['api_version']} {r['correlation_id']} {r.get('client_id', '')}"] if "request_key" in r else []),
     "concat(api_key, ' ', api_version, ' ', correlation_id, ' ', client_id)", KAFKA),
    ("kafka", "lengths of requests", of("kafka", lambda r: [f"{r['correlation_id']} {r['len']}"] if "request_key" in r else []), "correlation_id || ' ' || (request_bytes - 4)", KAFKA),
    ("kafka", "lengths of responses", of("kafka", lambda r: [f"{r['correlation_id']} {r['len']}"] if "request_key" not in r else []),
     "correlation_id || ' ' || (response_bytes - 4)", "kafka where response_bytes > 0"),
    ("kafka", "topics", kafka_topics, "t", f"(select distinct src_ip, src_port, dst_ip, dst_port, correlation_id || ' ' || unnest(topics) as t from {KAFKA} and ({KAFKA_READ}))"),
    ("amqp", "methods and replies", of("amqp", amqp_method),
     "channel || ' ' || unnest(case when request_bytes > 0 and response_bytes > 0 then make_array(method, method || '-ok') else make_array(method) end)", "amqp"),
    ("amqp", "exchanges and routing keys", amqp("exchange", "routing_key"),
     "exchange || ' ' || routing_key", "amqp where method in ('basic.publish', 'basic.deliver', 'basic.return', 'basic.get')"),
    ("amqp", "consumers", amqp("consumer_tag", "delivery_tag"), "consumer_tag || ' ' || delivery_tag", "amqp where method = 'basic.deliver'"),
    ("amqp", "lengths of bodies", field("amqp", "header.body-size"), "body_bytes", "amqp"),
    ("amqp", "reply codes and texts", amqp("reply_code", "reply_text"), "reply_code || ' ' || reply_text", "amqp"),
    ("memcached", "keys", field("memcache", "key"), "unnest(keys)", "memcached"),
    ("mqtt", "topics", field("mqtt", "topic"), "unnest(case when topic is null then topics else make_array(topic) end)", "mqtt where request_bytes > 0"),
    ("mqtt", "client ids", of("mqtt", lambda r: [c for c in each(r.get("clientid")) if c != ""]), "client_id", "mqtt where method = 'CONNECT' and request_bytes > 0 and client_id not like 'auto-%'"),
    ("tds", "packets", field("tds", "type"), "2", "tds where request_bytes > 0"),
    ("ldap", "operations", of("ldap", ldap_operations), "message_id || ' ' || method", "ldap where request_bytes > 0"),
    ("ldap", "results", of("ldap", ldap_results), "message_id || ' ' || method || ' ' || result_code", "ldap"),
    ("ldap", "results with their requests", of("ldap", lambda r: ldap_results(r) if r.get("response_to") else []),
     "message_id || ' ' || method || ' ' || result_code", "ldap where request_bytes > 0"),
    ("ldap", "names asked for", of("ldap", lambda r: [n for k in ("name", "baseObject", "entry") for n in each(r.get(k))]), "dn", "ldap where method in ('bind', 'search', 'add', 'modify_dn', 'compare') and request_bytes > 0"),
    ("ldap", "entries found", field("ldap", "objectName"), "unnest(entry_dns)", "ldap"),
    ("ldap", "diagnostics", of("ldap", lambda r: [m for m in each(r.get("errorMessage")) if m]), "diagnostic", "ldap where diagnostic <> ''"),
    ("ldap", "names of extended operations", field("ldap", "requestName"), "oid", "ldap where method = 'extended' and request_bytes > 0"),
]
