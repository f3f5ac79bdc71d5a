"""A foreign producer: JSON lines become Avro in Confluent's frame, sent by Confluent's client with acks=all.

Every line is sent once and awaited; an idempotent producer keeps brokers that fail from doubling or reordering what it
sends. SIGINT and SIGTERM end it in order. The last line on standard output says what became of the records:
{"sent": 100, "acknowledged": 100, "failed": 0}; the exit code is 1 when any failed.
"""

import argparse
import json
import signal
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Iterator

from confluent_kafka import Producer

import client

# How long a record may take, brokers' failures included. The client's own default is five minutes.
DELIVERY_MS = 120_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    client.add_options(parser)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--file", type=Path, required=True, help="JSON lines")
    parser.add_argument("--schema", type=Path, required=True, help="the values' Avro schema; other fields are left out")
    parser.add_argument("--registry", help="URL of a schema registry")
    parser.add_argument("--id", type=int, help="the schema's id, without a registry")
    parser.add_argument("--key", default="user_id", help="the field that is the record's key")
    parser.add_argument("--time", help="the field that is the record's timestamp, in ms or as text; now without")
    parser.add_argument("--rate", type=float, help="records a second; as fast as it goes without")
    parser.add_argument("--transaction", choices=["commit", "abort"], help="all in one transaction, and how it ends")
    # Java's own way, by which everybody else's partitions are found; librdkafka's default is another one.
    parser.add_argument("--partitioner", default="murmur2_random")
    return parser.parse_args()


def milliseconds(time_of_row: int | str) -> int:
    """A number as it is, a text such as 2026-01-01T00:00:00.000Z since the epoch."""
    if isinstance(time_of_row, int):
        return time_of_row
    return round(datetime.fromisoformat(time_of_row.replace("Z", "+00:00")).timestamp() * 1000)


def paced(lines: Iterator[str], rate: float | None) -> Iterator[str]:
    """The lines, at most `rate` a second."""
    began = time.monotonic()
    for number, line in enumerate(lines):
        if rate is not None:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield line


def main() -> int:
    options = arguments()
    schema = options.schema.read_text()
    fields = [field["name"] for field in json.loads(schema)["fields"]]
    encode = client.encoder(options.topic, schema, options.registry, options.id)
    settings = {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": options.partitioner,
        "compression.type": "lz4",
        "linger.ms": 20,
        "message.timeout.ms": DELIVERY_MS,
    }
    if options.transaction:
        settings |= {"transactional.id": f"foreign-{options.topic}", "transaction.timeout.ms": DELIVERY_MS}
    producer = Producer(client.properties(options, **settings))
    if options.transaction:
        producer.init_transactions()
        producer.begin_transaction()
    counts: Counter[str] = Counter()
    stopped = False

    def stop(*_: Any) -> None:
        nonlocal stopped
        stopped = True

    def answered(error: Any, _: Any) -> None:
        if error is None:
            counts["acknowledged"] += 1
            if counts["acknowledged"] == 1:
                print("started", file=sys.stderr, flush=True)
            return
        counts["failed"] += 1
        print(f"failed: {error}", file=sys.stderr)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    with options.file.open() as lines:
        for line in paced(lines, options.rate):
            if stopped:
                break
            row = json.loads(line)
            timestamp = milliseconds(row[options.time]) if options.time else int(time.time() * 1000)
            value = encode({name: row.get(name) for name in fields})
            key = str(row[options.key]).encode()
            while True:
                try:
                    producer.produce(options.topic, value, key, timestamp=timestamp, on_delivery=answered)
                    break
                except BufferError:  # its queue is full: a slow cluster slows the producer
                    producer.poll(0.1)
            counts["sent"] += 1
            producer.poll(0)
    producer.flush()
    if options.transaction == "commit":
        producer.commit_transaction()
    if options.transaction == "abort":
        producer.abort_transaction()
    print(json.dumps({name: counts[name] for name in ("sent", "acknowledged", "failed")}))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
