"""A foreign producer of readings, some of which are spoiled on the way: JSON lines, in order.

A line is a reading. With "poison" in it, its value is spoiled after Confluent's serializer has made it: "magic" another
first byte, "schema" an id that nobody has, "cut" without its last bytes, "megabyte" a million bytes of noise, "largest" as
many as a broker takes, "null" no value at all. Fields that are "NaN", "Infinity" or "-Infinity" are such numbers.

Every record is printed with its place, and with the value's bytes when it is spoiled or "bad" stands in the line:
{"line": 3, "partition": 0, "offset": 7, "value": "AAAAAAE…"}
"""

import argparse
import base64
import json
import random
import struct
import sys
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

import client

NOISE = random.Random(1)
# Ids are counted up from 1.
NOBODYS_ID = 2_000_000_001

SPOIL = {
    "magic": lambda value: b"\x01" + value[1:],
    "schema": lambda value: struct.pack(">bI", 0, NOBODYS_ID) + value[5:],
    "cut": lambda value: value[:-3],
    # Noise, so that no compression makes it small.
    "megabyte": lambda value: value[:5] + NOISE.randbytes(1_000_000 - 5),
    # As large as a broker takes it: there is no room for anything beside it.
    "largest": lambda value: value[:5] + NOISE.randbytes(1_048_400 - 5),
    "null": lambda value: None,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    client.add_options(parser)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--rate", type=float, required=True, help="records a second")
    options = parser.parse_args()
    schema = options.schema.read_text()
    names = [field["name"] for field in json.loads(schema)["fields"]]
    encode = client.encoder(options.topic, schema, options.registry, None)
    producer = Producer(
        client.properties(
            options,
            **{
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                # Room for the frame around the largest value; brokers take a little more.
                "message.max.bytes": 1_048_588,
            },
        )
    )
    lines = [json.loads(line) for line in options.file.read_text().splitlines()]
    failed = 0

    def answered(number: int, shown: str | None) -> Any:
        def told(error: Any, message: Any) -> None:
            nonlocal failed
            if error is not None:
                failed += 1
                print(f"failed: {error}", file=sys.stderr)
                return
            place = {"line": number, "partition": message.partition(), "offset": message.offset()}
            print(json.dumps({**place, "value": shown}))

        return told

    began = time.monotonic()
    for number, row in enumerate(lines):
        time.sleep(max(0.0, began + number / options.rate - time.monotonic()))
        numbers = {"latitude": float(row["latitude"]), "longitude": float(row["longitude"])}
        value = encode({**{name: row.get(name) for name in names}, **numbers})
        if "poison" in row:
            value = SPOIL[row["poison"]](value)
        bad = ("poison" in row or "bad" in row) and value is not None
        shown = base64.b64encode(value).decode() if bad else None
        producer.produce(
            options.topic, value, row["user_id"].encode(), timestamp=row["time"], on_delivery=answered(number, shown)
        )
        producer.poll(0)
        if number == 0:
            producer.flush()
            print("started", file=sys.stderr, flush=True)
    producer.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
