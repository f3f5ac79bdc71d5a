"""How the foreign programs reach a cluster and read and write values: the options they share.

It knows no topic and sends nothing.
"""

import argparse
import io
import json
import struct
from pathlib import Path
from typing import Any, Callable

import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

Row = dict[str, Any]

# Confluent's frame: a zero byte and the schema's id, big-endian.
FRAME = struct.Struct(">bI")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every program here takes."""
    parser.add_argument("--bootstrap", required=True, help="HOST:PORT, with commas between several")
    parser.add_argument("--client", action="append", default=[], metavar="NAME=VALUE", help="a client property")


def properties(options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """The client's properties: the program's own, then what was asked for."""
    named = dict(pair.split("=", 1) for pair in options.client)
    return {"bootstrap.servers": options.bootstrap, **more, **named}


def encoder(topic: str, schema: str, registry: str | None, schema_id: int | None) -> Callable[[Row], bytes]:
    """Writes values: by Confluent's own serializer with a registry, or with a fixed id."""
    if registry is not None:
        serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), schema)
        context = SerializationContext(topic, MessageField.VALUE)
        return lambda row: serializer(row, context)
    if schema_id is None:
        raise SystemExit("give --registry URL or --id N")
    parsed = fastavro.parse_schema(json.loads(schema))

    def encode(row: Row) -> bytes:
        out = io.BytesIO()
        out.write(FRAME.pack(0, schema_id))
        fastavro.schemaless_writer(out, parsed, row)
        return out.getvalue()

    return encode


def decoder(topic: str, registry: str | None, schemas: list[str]) -> Callable[[bytes], Row]:
    """Reads values: by Confluent's own deserializer with a registry, or by the schemas given as ID=FILE."""
    if registry is not None:
        deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
        context = SerializationContext(topic, MessageField.VALUE)
        return lambda value: deserializer(value, context)
    pairs = (pair.split("=", 1) for pair in schemas)
    by_id = {int(number): fastavro.parse_schema(json.loads(Path(file).read_text())) for number, file in pairs}

    def decode(value: bytes) -> Row:
        magic, schema_id = FRAME.unpack_from(value)
        if magic != 0 or schema_id not in by_id:
            raise SystemExit(f"{topic}: a value with magic byte {magic} and schema id {schema_id}")
        return fastavro.schemaless_reader(io.BytesIO(value[FRAME.size :]), by_id[schema_id], None)

    return decode
