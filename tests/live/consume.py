"""A foreign consumer: prints everything in a topic up to its end, one JSON line a record, decoded.

By default it is read_committed, and an open transaction at the end is waited for: what it hides might still be
committed. It is a member of no group and commits nothing. Lines come partition by partition, in offset order:
{"partition": 0, "offset": 7, "timestamp": 1767225600000, "time": "2026-01-01T00:00:00.000Z", "key": "17", "value": {…}}
"""

import argparse
import base64
import json
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Iterator

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

import client

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    client.add_options(parser)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--registry", help="URL of a schema registry")
    parser.add_argument("--schema", action="append", default=[], metavar="ID=FILE", help="a schema, without a registry")
    parser.add_argument("--raw", action="store_true", help="values as base64, not decoded")
    parser.add_argument("--uncommitted", action="store_true", help="read aborted and open transactions, too")
    parser.add_argument("--patience", type=float, default=60, help="seconds for open transactions and for silence")
    return parser.parse_args()


def ends(options: argparse.Namespace, partitions: list[TopicPartition], isolation: IsolationLevel) -> dict[int, int]:
    """The offset after the last record of each partition."""
    # A client of its own for each question: one that waits for a dead broker tries to connect without a pause.
    admin = AdminClient(client.properties(options))
    asked = admin.list_offsets(
        {part: OffsetSpec.latest() for part in partitions}, isolation_level=isolation, request_timeout=10
    )
    return {part.partition: answer.result().offset for part, answer in asked.items()}


def stable_ends(options: argparse.Namespace, partitions: list[TopicPartition]) -> dict[int, int]:
    """The ends, once no open transaction hides records before them."""
    deadline = time.monotonic() + options.patience
    while True:
        try:
            # What is visible is asked for second: it cannot have been behind an end that was asked for before.
            every = ends(options, partitions, IsolationLevel.READ_UNCOMMITTED)
            visible = ends(options, partitions, IsolationLevel.READ_COMMITTED)
        except KafkaException as error:
            # A partition's leader may be dead, and the next one not yet chosen.
            if time.monotonic() > deadline:
                raise
            print(f"asks again after: {error}", file=sys.stderr)
            continue
        hidden = {part: end for part, end in every.items() if visible[part] < end}
        if options.uncommitted or not hidden:
            return every
        if time.monotonic() > deadline:
            raise SystemExit(f"{options.topic}: transactions stay open; hidden are the records up to {hidden}")
        time.sleep(0.1)


def iso(moment: datetime) -> str:
    """A moment in UTC, as text; Avro's logical types come as such."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def line(message: Message, decode: Callable[[bytes], Any]) -> str:
    key, value = message.key(), message.value()
    _, timestamp = message.timestamp()
    record = {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp,
        "time": iso(EPOCH + timedelta(milliseconds=timestamp)),
        "key": None if key is None else key.decode("utf-8", "replace"),
        "value": None if value is None else decode(value),
    }
    if message.headers():
        record["headers"] = {name: base64.b64encode(text or b"").decode() for name, text in message.headers()}
    return json.dumps(record, default=iso)


def messages(options: argparse.Namespace) -> Iterator[Message]:
    """All records of the topic up to its end."""
    consumer = Consumer(
        client.properties(
            options,
            **{
                "group.id": "nobody",  # the client wants a name; nothing is ever committed under it
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted" if options.uncommitted else "read_committed",
                "enable.partition.eof": True,
            },
        )
    )
    found = consumer.list_topics(options.topic, timeout=options.patience).topics[options.topic]
    if found.error is not None:
        raise SystemExit(f"{options.topic}: {found.error}")
    partitions = [TopicPartition(options.topic, number) for number in sorted(found.partitions)]
    left = stable_ends(options, partitions)
    for part in partitions:
        part.offset = OFFSET_BEGINNING
    consumer.assign(partitions)
    heard = time.monotonic()
    while left:
        message = consumer.poll(0.2)
        if message is None:
            if time.monotonic() - heard > options.patience:
                raise SystemExit(f"{options.topic}: nothing for {options.patience:.0f} s; still to come: up to {left}")
            continue
        heard = time.monotonic()
        error = message.error()
        if error is None:
            # Records that came after the end was asked for are not this reader's.
            if message.offset() < left.get(message.partition(), 0):
                yield message
            continue
        # At a partition's end: behind the last record there may be a transaction's marker, which is no message.
        if error.code() != KafkaError._PARTITION_EOF:
            if error.fatal():
                raise KafkaException(error)
            print(f"goes on after: {error}", file=sys.stderr)
        elif message.offset() >= left.get(message.partition(), 0):
            left.pop(message.partition(), None)
    consumer.close()


def main() -> int:
    options = arguments()
    if options.raw:
        decode: Callable[[bytes], Any] = lambda value: base64.b64encode(value).decode()
    else:
        decode = client.decoder(options.topic, options.registry, options.schema)
    for message in messages(options):
        print(line(message, decode))
    return 0


if __name__ == "__main__":
    sys.exit(main())
