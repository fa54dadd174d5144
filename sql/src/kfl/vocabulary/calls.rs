//! Variables of one application protocol each.

use super::{Group, Var, VarType, flag, group, int, list, map, text, var};

pub(super) const GROUPS: &[Group] = &[
    group("HTTP, also gRPC and GraphQL", HTTP),
    group("gRPC", GRPC),
    group("DNS", DNS),
    group("TLS", TLS),
    group("TCP, UDP, SCTP, ICMP", TRANSPORT),
    group("WebSocket", WEBSOCKET),
    group("Redis", REDIS),
    group("Kafka", KAFKA),
    group("AMQP", AMQP),
    group("LDAP", LDAP),
    group("RADIUS", RADIUS),
    group("Diameter", DIAMETER),
    group("MongoDB", MONGODB),
    group("MySQL", MYSQL),
    group("PostgreSQL", POSTGRESQL),
];

const HTTP: &[Var] = &[
    text("method", "Method: GET, POST."),
    text("url", "Path and query, without scheme and host."),
    text("path", "Path, without query."),
    int("status_code", "Status of the response; of DNS its response code."),
    text("http_version", "HTTP/1.1, HTTP/2."),
    map("query_string", "Parameters of the query."),
    map("request.headers", "Headers of the request, names in lower case."),
    map("response.headers", "Headers of the response, names in lower case."),
    map("request.cookies", "Cookies of the request."),
    map("response.cookies", "Cookies that the response sets."),
    int("request_headers_size", "Bytes of the request's headers."),
    int("request_body_size", "Bytes of the request's body as transferred."),
    int("response_headers_size", "Bytes of the response's headers."),
    int("response_body_size", "Bytes of the response's body as transferred."),
];

const GRPC: &[Var] = &[
    text("grpc_method", "Method: the last segment of the path."),
    int("grpc_status", "Status, 0 OK to 16; -1 where it is not gRPC."),
];

const DNS: &[Var] = &[
    list("dns_questions", "Names asked for."),
    list("dns_answers", "Answers: addresses, names, texts."),
    list("dns_question_types", "Types of the questions: A, AAAA, MX."),
    flag("dns_request", "The query was seen."),
    flag("dns_response", "The response was seen."),
    int("dns_request_length", "Bytes of the query."),
    int("dns_response_length", "Bytes of the response."),
    int("dns_total_size", "Bytes of both."),
];

const TLS: &[Var] = &[
    text("tls_summary", "Summary of what was read in the clear."),
    text("tls_info", "What was read in the clear."),
    int("tls_request_size", "Bytes of the request in the clear."),
    int("tls_response_size", "Bytes of the response in the clear."),
    int("tls_total_size", "Bytes of both."),
    text("tlsx_sni", "Server name that the client asks for."),
    int("tlsx_cipher_suite", "Cipher suite chosen, by number."),
    list("tlsx_cipher_suites", "Cipher suites offered, by name."),
    text("tlsx_alpn", "Application protocol chosen."),
    int("tlsx_version", "Version agreed on, as on the wire: 771 is TLS 1.2, 772 TLS 1.3."),
    text("tlsx_summary", "Summary of the handshake."),
    text("tlsx_info", "ClientHello or ServerHello."),
];

const TRANSPORT: &[Var] = &[
    text("tcp_method", "What happened."),
    var("tcp_payload", VarType::Bytes, "Payload that no protocol was recognised in."),
    text("tcp_error_type", "Error of the connection: SynSent, CloseWait, LastAck, Reset; empty when none."),
    text("tcp_error_message", "The error in words."),
    int("udp_length", "Bytes of the datagram."),
    int("udp_checksum", "Checksum of the datagram."),
    var("udp_payload", VarType::Bytes, "Payload that no protocol was recognised in."),
    int("sctp_checksum", "Checksum of the packet."),
    text("sctp_chunk_type", "Type of the chunk: DATA, INIT, ABORT."),
    int("sctp_length", "Bytes of the chunk."),
    text("icmp_type", "Type of the message."),
    int("icmp_version", "4 or 6."),
    int("icmp_length", "Bytes of the message."),
];

const WEBSOCKET: &[Var] = &[
    text("ws_opcode", "Kind of the message: text, binary, close, ping, pong."),
    flag("ws_request", "The client sent it."),
    flag("ws_response", "The server sent it."),
    text("ws_request_payload_data", "What the client said, cut."),
    int("ws_request_payload_length", "Bytes of what the client said."),
    int("ws_response_payload_length", "Bytes of what the server said."),
];

const REDIS: &[Var] = &[
    text("redis_type", "Verb of the command: GET, SET."),
    text("redis_command", "The whole command."),
    text("redis_key", "Key, at most 64 bytes."),
    int("redis_request_size", "Bytes of the request."),
    int("redis_response_size", "Bytes of the response."),
    int("redis_total_size", "Bytes of both."),
];

const KAFKA: &[Var] = &[
    int("kafka_api_key", "API key, as in the protocol: 0 Produce, 1 Fetch."),
    text("kafka_api_key_name", "Name of the API key, in upper case: PRODUCE, FETCH."),
    text("kafka_client_id", "Client id."),
    int("kafka_size", "Bytes of the request, else of the response."),
    flag("kafka_request", "The request was seen."),
    flag("kafka_response", "The response was seen."),
    text("kafka_request_summary", "Topics of the request."),
    int("kafka_request_size", "Bytes of the request."),
    int("kafka_response_size", "Bytes of the response."),
];

const AMQP: &[Var] = &[
    text("amqp_method", "Class and method: basic.publish, channel.open."),
    text("amqp_summary", "Summary: routing key, queue or exchange."),
    flag("amqp_request", "The request was seen."),
    flag("amqp_response", "The reply was seen."),
    int("amqp_request_length", "Bytes of the request."),
    int("amqp_response_length", "Bytes of the reply."),
    int("amqp_total_size", "Bytes of both."),
];

const LDAP: &[Var] = &[
    text("ldap_type", "Operation: bind, search."),
    text("ldap_summary", "Summary of the operation."),
    flag("ldap_request", "The request was seen."),
    flag("ldap_response", "The response was seen."),
    int("ldap_request_length", "Bytes of the request."),
    int("ldap_response_length", "Bytes of the response."),
    int("ldap_total_size", "Bytes of both."),
];

const RADIUS: &[Var] = &[
    int("radius_code", "Code of the packet."),
    text("radius_code_name", "Name of the code: Access-Request, Access-Reject."),
    flag("radius_request", "The request was seen."),
    flag("radius_response", "The response was seen."),
    text("radius_request_authenticator", "Authenticator of the request, hexadecimal."),
    int("radius_request_length", "Bytes of the request."),
    int("radius_response_length", "Bytes of the response."),
    int("radius_total_size", "Bytes of both."),
];

const DIAMETER: &[Var] = &[
    text("diameter_method", "Command: Credit-Control, Device-Watchdog."),
    text("diameter_summary", "Summary of the command."),
    flag("diameter_request", "The request was seen."),
    flag("diameter_response", "The answer was seen."),
    int("diameter_request_length", "Bytes of the request."),
    int("diameter_response_length", "Bytes of the answer."),
    int("diameter_total_size", "Bytes of both."),
];

const MONGODB: &[Var] = &[
    text("mongodb_command", "Command: find, insert."),
    text("mongodb_database", "Database."),
    text("mongodb_collection", "Collection."),
    text("mongodb_opcode", "Opcode of the message: OP_MSG."),
    int("mongodb_request_size", "Bytes of the request."),
    int("mongodb_response_size", "Bytes of the response."),
    int("mongodb_total_size", "Bytes of both."),
    flag("mongodb_success", "The command succeeded; false where it is not MongoDB."),
    int("mongodb_error_code", "Number of the error; 0 when none."),
    text("mongodb_error_message", "Text of the error."),
    text("mongodb_error_code_name", "Name of the error: DuplicateKey."),
];

const MYSQL: &[Var] = &[
    text("mysql_command", "Command: COM_QUERY, COM_STMT_PREPARE."),
    text("mysql_query", "Statement."),
    text("mysql_database", "Database."),
    int("mysql_statement_id", "Number of a prepared statement."),
    int("mysql_request_size", "Bytes of the request."),
    int("mysql_response_size", "Bytes of the response."),
    int("mysql_total_size", "Bytes of both."),
    flag("mysql_success", "The command succeeded; false where it is not MySQL."),
    int("mysql_error_code", "Number of the error: 1045; 0 when none."),
    text("mysql_error_message", "Text of the error."),
];

const POSTGRESQL: &[Var] = &[
    text("postgresql_command", "Command tag: SELECT, INSERT."),
    text("postgresql_query", "Statement."),
    text("postgresql_database", "Database."),
    text("postgresql_user", "User."),
    int("postgresql_request_size", "Bytes of the request."),
    int("postgresql_response_size", "Bytes of the response."),
    int("postgresql_total_size", "Bytes of both."),
    flag("postgresql_success", "The statement succeeded; false where it is not PostgreSQL."),
    text("postgresql_error_code", "SQLSTATE of the error, five characters: 23505; empty when none."),
    text("postgresql_error_message", "Text of the error."),
];
