//! The requests of the Kafka protocol: names, versions, and where in them the few fields are that rows show. A table in place of
//! generated types: those read everything, take minutes to compile, and give nothing for a message that is cut.

use Kind::{Acks, Blob, Each, Error, Group, Many, Message, Name, Partition, Skip, Stop, Text, Topic, TopicId};

/// A kind of request.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) name: &'static str,
    /// Highest version there is.
    pub(super) max_version: u16,
    /// First version with compact lengths and tagged fields (KIP-482).
    pub(super) flexible: u16,
    pub(super) request: &'static [Field],
    pub(super) response: &'static [Field],
}

/// A field, in the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) from: u16,
    pub(super) to: u16,
}

/// What a field is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// So many bytes that are not shown.
    Skip(usize),
    /// A text that is not shown.
    Text,
    /// Bytes that are not shown: records.
    Blob,
    /// Name of a topic.
    Topic,
    /// Id of a topic.
    TopicId,
    /// Name of a topic, or nothing in place of one that has an id before.
    Name,
    /// Number of a partition of the topic before.
    Partition,
    /// An error code.
    Error,
    /// The message of an error.
    Message,
    /// Id of a group.
    Group,
    /// Acknowledgements that a producer wants.
    Acks,
    /// Any number of structures of these fields.
    Many(&'static [Field]),
    /// Any number of this field, without a structure around it: it has no tagged fields.
    Each(&'static [Field]),
    /// What follows is not read.
    Stop,
}

const fn field(kind: Kind) -> Field {
    Field { kind, from: 0, to: u16::MAX }
}

const fn since(from: u16, kind: Kind) -> Field {
    Field { kind, from, to: u16::MAX }
}

const fn until(to: u16, kind: Kind) -> Field {
    Field { kind, from: 0, to }
}

const fn within(from: u16, to: u16, kind: Kind) -> Field {
    Field { kind, from, to }
}

/// Never flexible.
const NEVER: u16 = u16::MAX;

const fn api(
    name: &'static str,
    max_version: u16,
    flexible: u16,
    request: &'static [Field],
    response: &'static [Field],
) -> Api {
    Api { name, max_version, flexible, request, response }
}

const fn named(name: &'static str, max_version: u16, flexible: u16) -> Api {
    api(name, max_version, flexible, &[], &[])
}

/// Requests whose first field is a group.
const GROUP: &[Field] = &[field(Group)];

/// Responses that begin with an error.
const ERROR: &[Field] = &[field(Error)];

/// … with a time to wait and an error.
const WAIT_ERROR: &[Field] = &[field(Skip(4)), field(Error)];

/// … where the time came with version 1.
const WAIT_1_ERROR: &[Field] = &[since(1, Skip(4)), field(Error)];

/// Only partitions, by number.
const PARTITIONS: &[Field] = &[field(Partition)];

/// Replicas and the like.
const NUMBERS: &[Field] = &[field(Skip(4))];

/// Offsets that were committed.
const COMMITTED: &[Field] = &[field(Partition), field(Skip(8)), since(5, Skip(4)), field(Text), field(Error)];

/// The kind of request with this key.
pub(super) fn of(key: u16) -> Option<&'static Api> {
    APIS.get(usize::from(key))
}

/// By key.
static APIS: [Api; 93] = [
    api(
        "Produce",
        13,
        9,
        &[
            since(3, Text),
            field(Acks),
            field(Skip(4)),
            field(Many(&[until(12, Topic), since(13, TopicId), field(Many(&[field(Partition), field(Blob)]))])),
        ],
        &[field(Many(&[
            until(12, Topic),
            since(13, TopicId),
            field(Many(&[
                field(Partition),
                field(Error),
                field(Skip(8)),
                since(2, Skip(8)),
                since(5, Skip(8)),
                since(8, Many(&[field(Skip(4)), field(Text)])),
                since(8, Message),
            ])),
        ]))],
    ),
    api(
        "Fetch",
        18,
        12,
        &[
            until(14, Skip(4)),
            field(Skip(8)),
            since(3, Skip(4)),
            since(4, Skip(1)),
            since(7, Skip(8)),
            field(Many(&[
                until(12, Topic),
                since(13, TopicId),
                field(Many(&[
                    field(Partition),
                    since(9, Skip(4)),
                    field(Skip(8)),
                    since(12, Skip(4)),
                    since(5, Skip(8)),
                    field(Skip(4)),
                ])),
            ])),
        ],
        &[
            since(1, Skip(4)),
            since(7, Error),
            since(7, Skip(4)),
            field(Many(&[
                until(12, Topic),
                since(13, TopicId),
                field(Many(&[
                    field(Partition),
                    field(Error),
                    field(Skip(8)),
                    since(4, Skip(8)),
                    since(5, Skip(8)),
                    since(4, Many(&[field(Skip(16))])),
                    since(11, Skip(4)),
                    field(Blob),
                ])),
            ])),
        ],
    ),
    api(
        "ListOffsets",
        11,
        6,
        &[
            field(Skip(4)),
            since(2, Skip(1)),
            field(Many(&[
                field(Topic),
                field(Many(&[field(Partition), since(4, Skip(4)), field(Skip(8)), until(0, Skip(4))])),
            ])),
        ],
        &[
            since(2, Skip(4)),
            field(Many(&[
                field(Topic),
                field(Many(&[
                    field(Partition),
                    field(Error),
                    until(0, Each(&[field(Skip(8))])),
                    since(1, Skip(16)),
                    since(4, Skip(4)),
                ])),
            ])),
        ],
    ),
    api(
        "Metadata",
        13,
        9,
        &[field(Many(&[since(10, TopicId), field(Name)]))],
        &[
            since(3, Skip(4)),
            field(Many(&[field(Skip(4)), field(Text), field(Skip(4)), since(1, Text)])),
            since(2, Text),
            since(1, Skip(4)),
            field(Many(&[
                field(Error),
                field(Name),
                since(10, TopicId),
                since(1, Skip(1)),
                field(Many(&[
                    field(Error),
                    field(Partition),
                    field(Skip(4)),
                    since(7, Skip(4)),
                    field(Each(NUMBERS)),
                    field(Each(NUMBERS)),
                    since(5, Each(NUMBERS)),
                ])),
                since(8, Skip(4)),
            ])),
            within(8, 10, Skip(4)),
            since(13, Error),
        ],
    ),
    named("LeaderAndIsr", 7, 4),
    named("StopReplica", 4, 2),
    named("UpdateMetadata", 8, 6),
    api("ControlledShutdown", 3, 3, &[], ERROR),
    api(
        "OffsetCommit",
        10,
        8,
        &[
            field(Group),
            since(1, Skip(4)),
            since(1, Text),
            since(7, Text),
            within(2, 4, Skip(8)),
            field(Many(&[
                until(9, Topic),
                since(10, TopicId),
                field(Many(&[field(Partition), field(Skip(8)), since(6, Skip(4)), within(1, 1, Skip(8)), field(Text)])),
            ])),
        ],
        &[
            since(3, Skip(4)),
            field(Many(&[until(9, Topic), since(10, TopicId), field(Many(&[field(Partition), field(Error)]))])),
        ],
    ),
    api(
        "OffsetFetch",
        10,
        6,
        &[
            until(7, Group),
            until(7, Many(&[field(Topic), field(Each(PARTITIONS))])),
            since(
                8,
                Many(&[
                    field(Group),
                    since(9, Text),
                    since(9, Skip(4)),
                    field(Many(&[until(9, Topic), since(10, TopicId), field(Each(PARTITIONS))])),
                ]),
            ),
        ],
        &[
            since(3, Skip(4)),
            until(7, Many(&[field(Topic), field(Many(COMMITTED))])),
            within(2, 7, Error),
            since(
                8,
                Many(&[
                    field(Group),
                    field(Many(&[until(9, Topic), since(10, TopicId), field(Many(COMMITTED))])),
                    field(Error),
                ]),
            ),
        ],
    ),
    api(
        "FindCoordinator",
        6,
        3,
        &[until(3, Group), since(1, Skip(1)), since(4, Each(GROUP))],
        &[
            since(1, Skip(4)),
            until(3, Error),
            within(1, 3, Message),
            since(4, Many(&[field(Group), field(Skip(4)), field(Text), field(Skip(4)), field(Error), field(Message)])),
        ],
    ),
    api("JoinGroup", 9, 6, GROUP, &[since(2, Skip(4)), field(Error)]),
    api("Heartbeat", 4, 4, GROUP, WAIT_1_ERROR),
    api("LeaveGroup", 5, 4, GROUP, WAIT_1_ERROR),
    api("SyncGroup", 5, 4, GROUP, WAIT_1_ERROR),
    api(
        "DescribeGroups",
        6,
        5,
        &[field(Each(GROUP))],
        &[since(1, Skip(4)), field(Many(&[field(Error), since(6, Message), field(Group), field(Stop)]))],
    ),
    api("ListGroups", 5, 3, &[], WAIT_1_ERROR),
    api("SaslHandshake", 1, NEVER, &[], ERROR),
    api("ApiVersions", 4, 3, &[], ERROR),
    api(
        "CreateTopics",
        7,
        5,
        &[field(Many(&[
            field(Topic),
            field(Skip(6)),
            field(Many(&[field(Skip(4)), field(Each(NUMBERS))])),
            field(Many(&[field(Text), field(Text)])),
        ]))],
        &[
            since(2, Skip(4)),
            field(Many(&[
                field(Topic),
                since(7, Skip(16)),
                field(Error),
                since(1, Message),
                since(5, Skip(6)),
                since(5, Many(&[field(Text), field(Text), field(Skip(3))])),
            ])),
        ],
    ),
    api(
        "DeleteTopics",
        6,
        4,
        &[until(5, Each(&[field(Topic)])), since(6, Many(&[field(Name), field(TopicId)]))],
        &[since(1, Skip(4)), field(Many(&[field(Name), since(6, TopicId), field(Error), since(5, Message)]))],
    ),
    api(
        "DeleteRecords",
        2,
        2,
        &[field(Many(&[field(Topic), field(Many(&[field(Partition), field(Skip(8))]))]))],
        &[field(Skip(4)), field(Many(&[field(Topic), field(Many(&[field(Partition), field(Skip(8)), field(Error)]))]))],
    ),
    api("InitProducerId", 6, 2, &[], WAIT_ERROR),
    named("OffsetForLeaderEpoch", 4, 4),
    named("AddPartitionsToTxn", 5, 3),
    api("AddOffsetsToTxn", 4, 3, &[field(Text), field(Skip(10)), field(Group)], WAIT_ERROR),
    api("EndTxn", 5, 3, &[], WAIT_ERROR),
    named("WriteTxnMarkers", 2, 1),
    api(
        "TxnOffsetCommit",
        5,
        3,
        &[field(Text), field(Group)],
        &[field(Skip(4)), field(Many(&[field(Topic), field(Many(&[field(Partition), field(Error)]))]))],
    ),
    api("DescribeAcls", 3, 2, &[], &[field(Skip(4)), field(Error), field(Message)]),
    api("CreateAcls", 3, 2, &[], &[field(Skip(4)), field(Many(&[field(Error), field(Message)]))]),
    api("DeleteAcls", 3, 2, &[], &[field(Skip(4)), field(Many(&[field(Error), field(Message), field(Stop)]))]),
    api("DescribeConfigs", 4, 4, &[], &[field(Skip(4)), field(Many(&[field(Error), field(Message), field(Stop)]))]),
    api(
        "AlterConfigs",
        2,
        2,
        &[],
        &[field(Skip(4)), field(Many(&[field(Error), field(Message), field(Skip(1)), field(Text)]))],
    ),
    named("AlterReplicaLogDirs", 2, 2),
    named("DescribeLogDirs", 4, 2),
    api("SaslAuthenticate", 2, 2, &[], &[field(Error), field(Message)]),
    api(
        "CreatePartitions",
        3,
        2,
        &[field(Many(&[field(Topic), field(Skip(4)), field(Many(&[field(Each(NUMBERS))]))]))],
        &[field(Skip(4)), field(Many(&[field(Topic), field(Error), field(Message)]))],
    ),
    api("CreateDelegationToken", 3, 2, &[], ERROR),
    api("RenewDelegationToken", 2, 2, &[], ERROR),
    api("ExpireDelegationToken", 2, 2, &[], ERROR),
    api("DescribeDelegationToken", 3, 2, &[], ERROR),
    api("DeleteGroups", 2, 2, &[field(Each(GROUP))], &[field(Skip(4)), field(Many(&[field(Group), field(Error)]))]),
    named("ElectLeaders", 2, 2),
    api(
        "IncrementalAlterConfigs",
        1,
        1,
        &[],
        &[field(Skip(4)), field(Many(&[field(Error), field(Message), field(Skip(1)), field(Text)]))],
    ),
    named("AlterPartitionReassignments", 1, 0),
    named("ListPartitionReassignments", 0, 0),
    api("OffsetDelete", 0, NEVER, GROUP, ERROR),
    api("DescribeClientQuotas", 1, 1, &[], WAIT_ERROR),
    named("AlterClientQuotas", 1, 1),
    api("DescribeUserScramCredentials", 0, 0, &[], WAIT_ERROR),
    named("AlterUserScramCredentials", 0, 0),
    api("Vote", 2, 0, &[], ERROR),
    api("BeginQuorumEpoch", 1, 1, &[], ERROR),
    api("EndQuorumEpoch", 1, 1, &[], ERROR),
    api("DescribeQuorum", 2, 0, &[], ERROR),
    api("AlterPartition", 3, 0, &[], WAIT_ERROR),
    api("UpdateFeatures", 2, 0, &[], &[field(Skip(4)), field(Error), field(Message)]),
    named("Envelope", 0, 0),
    api("FetchSnapshot", 1, 0, &[], WAIT_ERROR),
    api("DescribeCluster", 2, 0, &[], &[field(Skip(4)), field(Error), field(Message)]),
    named("DescribeProducers", 0, 0),
    api("BrokerRegistration", 4, 0, &[], WAIT_ERROR),
    api("BrokerHeartbeat", 1, 0, &[], WAIT_ERROR),
    api("UnregisterBroker", 0, 0, &[], &[field(Skip(4)), field(Error), field(Message)]),
    named("DescribeTransactions", 0, 0),
    api("ListTransactions", 2, 0, &[], WAIT_ERROR),
    api("AllocateProducerIds", 0, 0, &[], WAIT_ERROR),
    api("ConsumerGroupHeartbeat", 1, 0, GROUP, &[field(Skip(4)), field(Error), field(Message)]),
    named("ConsumerGroupDescribe", 1, 0),
    api("ControllerRegistration", 0, 0, &[], &[field(Skip(4)), field(Error), field(Message)]),
    api("GetTelemetrySubscriptions", 0, 0, &[], WAIT_ERROR),
    api("PushTelemetry", 0, 0, &[], WAIT_ERROR),
    api("AssignReplicasToDirs", 0, 0, &[], WAIT_ERROR),
    api("ListConfigResources", 1, 0, &[], WAIT_ERROR),
    named("DescribeTopicPartitions", 0, 0),
    api("ShareGroupHeartbeat", 1, 0, GROUP, &[field(Skip(4)), field(Error), field(Message)]),
    named("ShareGroupDescribe", 1, 0),
    named("ShareFetch", 2, 0),
    named("ShareAcknowledge", 2, 0),
    named("AddRaftVoter", 1, 0),
    named("RemoveRaftVoter", 0, 0),
    named("UpdateRaftVoter", 0, 0),
    named("InitializeShareGroupState", 0, 0),
    named("ReadShareGroupState", 0, 0),
    named("WriteShareGroupState", 1, 0),
    named("DeleteShareGroupState", 0, 0),
    named("ReadShareGroupStateSummary", 1, 0),
    api("StreamsGroupHeartbeat", 0, 0, GROUP, WAIT_ERROR),
    named("StreamsGroupDescribe", 0, 0),
    named("DescribeShareGroupOffsets", 1, 0),
    named("AlterShareGroupOffsets", 0, 0),
    named("DeleteShareGroupOffsets", 0, 0),
];

/// The name of an error code.
pub(super) fn error_name(code: i16) -> String {
    let known = usize::try_from(code).ok().and_then(|code| ERRORS.get(code));
    match (known, code) {
        (Some(name), _) => (*name).to_owned(),
        (None, -1) => "UNKNOWN_SERVER_ERROR".to_owned(),
        (None, 100) => "UNKNOWN_TOPIC_ID".to_owned(),
        (None, code) => format!("ERROR_{code}"),
    }
}

/// By code. Later ones are told by their number.
const ERRORS: [&str; 83] = [
    "NONE",
    "OFFSET_OUT_OF_RANGE",
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_FETCH_SIZE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "MESSAGE_TOO_LARGE",
    "STALE_CONTROLLER_EPOCH",
    "OFFSET_METADATA_TOO_LARGE",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "INVALID_TOPIC_EXCEPTION",
    "RECORD_LIST_TOO_LARGE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "INVALID_REQUIRED_ACKS",
    "ILLEGAL_GENERATION",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "UNKNOWN_MEMBER_ID",
    "INVALID_SESSION_TIMEOUT",
    "REBALANCE_IN_PROGRESS",
    "INVALID_COMMIT_OFFSET_SIZE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_TIMESTAMP",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "UNSUPPORTED_VERSION",
    "TOPIC_ALREADY_EXISTS",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_CONFIG",
    "NOT_CONTROLLER",
    "INVALID_REQUEST",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "POLICY_VIOLATION",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "DUPLICATE_SEQUENCE_NUMBER",
    "INVALID_PRODUCER_EPOCH",
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_ID_MAPPING",
    "INVALID_TRANSACTION_TIMEOUT",
    "CONCURRENT_TRANSACTIONS",
    "TRANSACTION_COORDINATOR_FENCED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "SECURITY_DISABLED",
    "OPERATION_NOT_ATTEMPTED",
    "KAFKA_STORAGE_ERROR",
    "LOG_DIR_NOT_FOUND",
    "SASL_AUTHENTICATION_FAILED",
    "UNKNOWN_PRODUCER_ID",
    "REASSIGNMENT_IN_PROGRESS",
    "DELEGATION_TOKEN_AUTH_DISABLED",
    "DELEGATION_TOKEN_NOT_FOUND",
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "DELEGATION_TOKEN_EXPIRED",
    "INVALID_PRINCIPAL_TYPE",
    "NON_EMPTY_GROUP",
    "GROUP_ID_NOT_FOUND",
    "FETCH_SESSION_ID_NOT_FOUND",
    "INVALID_FETCH_SESSION_EPOCH",
    "LISTENER_NOT_FOUND",
    "TOPIC_DELETION_DISABLED",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "STALE_BROKER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "MEMBER_ID_REQUIRED",
    "PREFERRED_LEADER_NOT_AVAILABLE",
    "GROUP_MAX_SIZE_REACHED",
    "FENCED_INSTANCE_ID",
];
