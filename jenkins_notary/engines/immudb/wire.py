"""Describe the part of immudb's protocol that is used, and nothing else.

immudb speaks gRPC. The messages are built at run time from the table below, so that no
generated code, and of immudb's own client nothing at all, is needed: that client brings
two dozen packages, knows no TLS, and leaves proofs unchecked. A field that is not here
is skipped on reading, as protocol buffers want it.

Source: immudb 1.11.1, pkg/api/schema/schema.proto (names and numbers of fields).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "immudb.schema"
SERVICE = f"/{PACKAGE}.ImmuService/"

_SCALARS = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
}

# Message: its fields, each "number type name"; "*" behind a type for a repeated one.
_MESSAGES: Mapping[str, str] = {
    "Empty": "",
    "OpenSessionRequest": "1 bytes username, 2 bytes password, 3 string database",
    "OpenSessionResponse": "1 string session, 2 string server",
    "MustNotExist": "1 bytes key",
    "NotModifiedAfter": "1 bytes key, 2 uint64 tx",
    "Precondition": "2 MustNotExist mustNotExist, 3 NotModifiedAfter notModifiedAfter",
    "Metadata": "1 bool deleted, 2 Expiration expiration, 3 bool nonIndexable",
    "Expiration": "1 int64 expiresAt",
    "KeyValue": "1 bytes key, 2 bytes value, 3 Metadata metadata",
    "Reference": "1 uint64 tx",
    "Entry": "1 uint64 tx, 2 bytes key, 3 bytes value, 4 Reference referencedBy,"
    " 5 Metadata metadata, 6 bool expired, 7 uint64 revision",
    "Entries": "1 Entry* entries",
    "ScanRequest": "1 bytes seekKey, 7 bytes endKey, 2 bytes prefix, 3 bool desc,"
    " 4 uint64 limit, 5 uint64 sinceTx, 8 bool inclusiveSeek, 9 bool inclusiveEnd",
    "HistoryRequest": "1 bytes key, 2 uint64 offset, 3 int32 limit, 4 bool desc",
    "Signature": "1 bytes publicKey, 2 bytes signature",
    "TxMetadata": "1 uint64 truncatedTx, 2 bytes extra",
    "TxHeader": "1 uint64 id, 2 bytes prevAlh, 3 int64 ts, 4 int32 nentries,"
    " 5 bytes eH, 6 uint64 blTxId, 7 bytes blRoot, 8 int32 version,"
    " 9 TxMetadata metadata",
    "LinearProof": "1 uint64 source, 2 uint64 target, 3 bytes* terms",
    "LinearAdvanceProof": "1 bytes* terms, 2 InclusionProof* inclusions",
    "DualProof": "1 TxHeader source, 2 TxHeader target, 3 bytes* inclusion,"
    " 4 bytes* consistency, 5 bytes lastAlh, 6 bytes* lastInclusion,"
    " 7 LinearProof linear, 8 LinearAdvanceProof advance",
    "TxEntry": "1 bytes key, 2 bytes hValue, 3 int32 vLen, 4 Metadata metadata",
    "Tx": "1 TxHeader header, 2 TxEntry* entries",
    "VerifiableTx": "1 Tx tx, 2 DualProof dualProof, 3 Signature signature",
    "InclusionProof": "1 int32 leaf, 2 int32 width, 3 bytes* terms",
    "VerifiableEntry": "1 Entry entry, 2 VerifiableTx verifiableTx,"
    " 3 InclusionProof inclusionProof",
    "SetRequest": "1 KeyValue* entries, 2 bool noWait, 3 Precondition* preconditions",
    "VerifiableSetRequest": "1 SetRequest set, 2 uint64 since",
    "KeyRequest": "1 bytes key, 2 uint64 atTx, 3 uint64 sinceTx, 4 bool noWait",
    "KeyListRequest": "1 bytes* keys, 2 uint64 sinceTx",
    "VerifiableGetRequest": "1 KeyRequest key, 2 uint64 since",
    "DeleteKeysRequest": "1 bytes* keys, 2 uint64 sinceTx, 3 bool noWait",
    "TxRequest": "1 uint64 tx, 3 uint64 sinceTx",
    "VerifiableTxRequest": "1 uint64 tx, 2 uint64 since",
    "State": "1 string db, 2 uint64 txId, 3 bytes txHash, 4 Signature signature",
    "Number": "1 uint32 value",
    "Flag": "1 bool value",
    "Replication": "1 Flag replica",
    "Settings": "2 Replication replicationSettings, 9 Number maxKeyLen,"
    " 10 Number maxValueLen, 11 Number maxTxEntries, 19 IndexSettings indexSettings,"
    " 23 Milliseconds syncFrequency, 29 Truncation truncationSettings",
    "Truncation": "1 Milliseconds retentionPeriod",
    "LongNumber": "1 uint64 value",
    "Milliseconds": "1 int64 value",
    "IndexSettings": "5 LongNumber renewSnapRootAfter",
    "CreateDatabaseRequest": "1 string name, 2 Settings settings, 3 bool ifNotExists",
    "CreateDatabaseResponse": "1 string name, 2 Settings settings, 3 bool existed",
    "SettingsRequest": "",
    "SettingsResponse": "1 string database, 2 Settings settings",
    "ServerInfoRequest": "",
    "ServerInfo": "1 string version, 3 int64 transactions",
    "Health": "1 uint32 pending, 2 int64 lastCompletedAt",
    "ErrorInfo": "1 string code, 2 string cause",
}

METHODS: Mapping[str, tuple[str, str]] = {
    "OpenSession": ("OpenSessionRequest", "OpenSessionResponse"),
    "CloseSession": ("Empty", "Empty"),
    "KeepAlive": ("Empty", "Empty"),
    "Set": ("SetRequest", "TxHeader"),
    "VerifiableSet": ("VerifiableSetRequest", "VerifiableTx"),
    "Get": ("KeyRequest", "Entry"),
    "GetAll": ("KeyListRequest", "Entries"),
    "VerifiableGet": ("VerifiableGetRequest", "VerifiableEntry"),
    "VerifiableTxById": ("VerifiableTxRequest", "VerifiableTx"),
    "History": ("HistoryRequest", "Entries"),
    "Scan": ("ScanRequest", "Entries"),
    "Delete": ("DeleteKeysRequest", "TxHeader"),
    "CurrentState": ("Empty", "State"),
    "CreateDatabaseV2": ("CreateDatabaseRequest", "CreateDatabaseResponse"),
    "GetDatabaseSettingsV2": ("SettingsRequest", "SettingsResponse"),
    "ServerInfo": ("ServerInfoRequest", "ServerInfo"),
}
"""(request, answer) of each call that is made."""


def _describe() -> FileDescriptorProto:
    """Return the description of all messages."""
    file = FileDescriptorProto(name="immudb.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for one in filter(None, fields.split(",")):
            number, kind, field_name = one.split()
            field = message.field.add(name=field_name, number=int(number))
            is_list, kind = kind.endswith("*"), kind.rstrip("*")
            field.label = (
                FieldDescriptorProto.LABEL_REPEATED
                if is_list
                else FieldDescriptorProto.LABEL_OPTIONAL
            )
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = FieldDescriptorProto.TYPE_MESSAGE
                field.type_name = f".{PACKAGE}.{kind}"
    return file


def _build() -> Mapping[str, Any]:
    """Return the class of each message, in a pool of their own."""
    pool = DescriptorPool()
    file = pool.AddSerializedFile(_describe().SerializeToString())
    return {
        name: GetMessageClass(file.message_types_by_name[name]) for name in _MESSAGES
    }


MESSAGES: Mapping[str, Any] = _build()
"""The class of each message, by its name."""
