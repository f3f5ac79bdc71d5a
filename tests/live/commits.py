"""Every commit that a group has ever made, as Kafka keeps them: one JSON line a commit, in order.

{"partition": 0, "offset": 7, "metadata": "…"}; commits of transactions that were aborted are not among them. A group's
last commit can be asked for; what it said before stands in the topic of offsets alone, which is compacted only when a
segment of it is full.
"""

import argparse
import json
import struct
import sys

import client
import consume

OFFSETS = "__consumer_offsets"


class Fields:
    """The bytes of a key or a value, taken from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: str) -> int:
        size = struct.calcsize(">" + kind)
        (found,) = struct.unpack(">" + kind, self.data[:size])
        self.data = self.data[size:]
        return found

    def text(self, length: int) -> str:
        found, self.data = self.data[:length], self.data[length:]
        return found.decode()

    def varint(self) -> int:
        found = shift = 0
        while True:
            byte = self.number("B")
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return found


def key_of(data: bytes) -> tuple[str, str, int] | None:
    """Group, topic and partition; none for what is no commit, such as who is in a group."""
    fields = Fields(data)
    if fields.number("h") > 1:
        return None
    return fields.text(fields.number("h")), fields.text(fields.number("h")), fields.number("i")


def value_of(data: bytes) -> tuple[int, str]:
    """Offset and metadata."""
    fields = Fields(data)
    version = fields.number("h")
    if version not in (3, 4):
        raise SystemExit(f"a commit of version {version} is not known here")
    offset, _leader_epoch = fields.number("q"), fields.number("i")
    length = fields.number("h") if version == 3 else fields.varint() - 1
    return offset, fields.text(length)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    client.add_options(parser)
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True, help="whose partitions were committed")
    options = parser.parse_args()
    reading = argparse.Namespace(**{**vars(options), "topic": OFFSETS, "uncommitted": False, "patience": 60})
    for message in consume.messages(reading):
        key = key_of(message.key())
        # Without a value it takes an older one back, as when a group is deleted.
        if key is None or key[:2] != (options.group, options.topic) or message.value() is None:
            continue
        offset, metadata = value_of(message.value())
        print(json.dumps({"partition": key[2], "offset": offset, "metadata": metadata}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
