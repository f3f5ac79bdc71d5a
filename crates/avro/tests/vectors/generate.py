"""Makes resolution.jsonl: records of many writers' schemas, and what fastavro reads from them with a reader's schema.

    pip install fastavro==1.13.1
    python generate.py > resolution.jsonl

A line is a case: a writer's schema, the columns that are wanted, and records as hexadecimal digits, each with its row or, if
fastavro refuses it, null. Floats and doubles are the bits of a double as hexadecimal digits. The same seed gives the same lines. The bytes are written here, not by fastavro, so that arrays and
maps come in several blocks, with and without their size, as other writers write them.

What this project reads beyond Avro's rules (enums as text, microseconds as milliseconds) is in no case.
"""

import io
import json
import random
import struct

import fastavro
import fastavro.read

# Logical types are read as the type below them: what a column makes of them is tested by hand.
fastavro.read.LOGICAL_READERS.clear()

CASES = 160
INTS = ["int", {"type": "int", "logicalType": "date"}, {"type": "int", "logicalType": "time-millis"}]
LONGS = ["long"] + [
    {"type": "long", "logicalType": name}
    for name in ("timestamp-millis", "timestamp-micros", "time-micros", "local-timestamp-millis")
]
COLUMNS = {
    "boolean": "boolean",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "text": "string",
    "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
}
DEFAULTS = {
    "boolean": [True, False],
    "int": [0, -7, 2**31 - 1],
    "long": [0, -(2**63), 2**53],
    "float": [0.0, 2, -1.5],
    "double": [0.1, 3, -1e300],
    "text": ["", "x", "zwölf"],
    "timestamp": [0, 1767225600000],
}


class Maker:
    """Schemas and values by chance."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.names = 0
        self.named = []
        # How many records with a namespace stand around what is being made.
        self.namespaces = 0

    def name(self):
        self.names += 1
        return f"t{self.names}"

    def schema(self, depth):
        kinds = [
            "null",
            "boolean",
            "int",
            "long",
            "float",
            "double",
            "bytes",
            "string",
            "enum",
            "fixed",
            "decimal",
            "uuid",
        ]
        if depth > 0:
            kinds += ["array", "map", "record", "union", "known"] * 2
        return self.of_kind(self.dice.choice(kinds), depth)

    def of_kind(self, kind, depth):
        dice = self.dice
        if kind == "int":
            return dice.choice(INTS)
        if kind == "long":
            return dice.choice(LONGS)
        if kind == "uuid":
            return {"type": "string", "logicalType": "uuid"}
        if kind == "enum":
            return self.keep({"type": "enum", "name": self.name(), "symbols": ["A", "B", "C"][: dice.randint(1, 3)]})
        if kind == "fixed":
            return self.keep({"type": "fixed", "name": self.name(), "size": dice.randint(0, 20)})
        if kind == "decimal":
            decimal = {"logicalType": "decimal", "precision": 9, "scale": dice.randint(0, 4)}
            if dice.random() < 0.5:
                return {"type": "bytes", **decimal}
            return self.keep({"type": "fixed", "name": self.name(), "size": 4, **decimal})
        if kind == "array":
            return {"type": "array", "items": self.schema(depth - 1)}
        if kind == "map":
            return {"type": "map", "values": self.schema(depth - 1)}
        if kind == "record":
            record = {"type": "record", "name": self.name()}
            if dice.random() < 0.3:
                record["namespace"] = dice.choice(["a.b", "c"])
                self.namespaces += 1
            record["fields"] = [{"name": f"n{at}", "type": self.schema(depth - 1)} for at in range(dice.randint(0, 3))]
            if "namespace" in record:
                self.namespaces -= 1
                return record
            return self.keep(record)
        if kind == "union":
            simple = dice.sample(
                ["null", "boolean", "int", "long", "float", "double", "bytes", "string"], dice.randint(1, 4)
            )
            if dice.random() < 0.4:
                simple.insert(dice.randint(0, len(simple)), self.of_kind("record", depth - 1))
            return simple
        if kind == "known":
            return dice.choice(self.named) if self.named and not self.namespaces else "null"
        return kind

    def keep(self, schema):
        # Only what stands outside of namespaces is used again: its name means the same wherever that is so.
        if not self.namespaces:
            self.named.append(schema["name"])
            KNOWN[schema["name"]] = schema
        return schema

    def value(self, schema):
        """A value as the encoder takes it: for a union, the branch and the value."""
        dice = self.dice
        schema = KNOWN.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            branch = dice.randrange(len(schema))
            return branch, self.value(schema[branch])
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "null":
            return None
        if kind == "boolean":
            return dice.random() < 0.5
        if kind == "int":
            return dice.choice(
                [0, -1, 63, 64, -65, 88, 8191, 8192, 2**31 - 1, -(2**31), dice.randint(-(2**31), 2**31 - 1)]
            )
        if kind == "long":
            return dice.choice([0, -1, 1767225600000, 2**63 - 1, -(2**63), dice.randint(-(2**63), 2**63 - 1)])
        if kind == "float":
            return struct.unpack("<f", struct.pack("<f", dice.uniform(-1e6, 1e6)))[0]
        if kind == "double":
            return dice.choice([0.0, -0.0, dice.uniform(-180, 180), dice.uniform(-1, 1) * 1e300])
        if kind == "bytes":
            return dice.choice([b"", b"text", dice.randbytes(dice.randint(1, 9))])
        if kind == "string":
            return dice.choice(["", "user-1", "zwölf", "日本", "x" * dice.randint(1, 200)])
        if kind == "enum":
            return dice.randrange(len(schema["symbols"]))
        if kind == "fixed":
            return dice.randbytes(schema["size"])
        if kind == "array":
            return [self.value(schema["items"]) for _ in range(dice.choice([0, 0, 1, 2, 5]))]
        if kind == "map":
            return [(f"k{at}", self.value(schema["values"])) for at in range(dice.choice([0, 0, 1, 3]))]
        return [self.value(field["type"]) for field in schema["fields"]]

    def encode(self, schema, value, out):
        schema = KNOWN.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            out += varint(value[0])
            return self.encode(schema[value[0]], value[1], out)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "boolean":
            out += bytes([value])
        elif kind in ("int", "long", "enum"):
            out += varint(value)
        elif kind == "float":
            out += struct.pack("<f", value)
        elif kind == "double":
            out += struct.pack("<d", value)
        elif kind == "bytes":
            out += varint(len(value)) + value
        elif kind == "string":
            out += varint(len(value.encode())) + value.encode()
        elif kind == "fixed":
            out += value
        elif kind == "array":
            self.blocks(value, lambda item, out: self.encode(schema["items"], item, out), out)
        elif kind == "map":
            self.blocks(value, lambda item, out: self.entry(schema, item, out), out)
        elif kind == "record":
            for field, inner in zip(schema["fields"], value):
                self.encode(field["type"], inner, out)

    def entry(self, schema, entry, out):
        self.encode("string", entry[0], out)
        self.encode(schema["values"], entry[1], out)

    def blocks(self, items, encode, out):
        while items:
            count = self.dice.randint(1, len(items))
            block = bytearray()
            for item in items[:count]:
                encode(item, block)
            if self.dice.random() < 0.5:
                out += varint(-count) + varint(len(block))
            else:
                out += varint(count)
            out += block
            items = items[count:]
        out += varint(0)


# Definitions that are used again by name; of the case that is being made.
KNOWN = {}


def varint(value):
    value = (value << 1) ^ (value >> 63)
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def reader(columns):
    fields = []
    for column in columns:
        avro = COLUMNS[column["type"]]
        field = {"name": column["name"], "type": ["null", avro] if column["nullable"] else avro}
        if "aliases" in column:
            field["aliases"] = column["aliases"]
        if "default" in column:
            # A default is of the first branch.
            if column["nullable"] and column["default"] is not None:
                field["type"] = [avro, "null"]
            field["default"] = column["default"]
        elif column["nullable"]:
            field["default"] = None
        fields.append(field)
    return {"type": "record", "name": "r", "fields": fields}


def row(writer, columns, avro):
    try:
        stream = io.BytesIO(avro)
        writer, wanted = fastavro.parse_schema(writer), fastavro.parse_schema(reader(columns))
        values = fastavro.schemaless_reader(stream, writer, wanted)
    except (fastavro.read.SchemaResolutionError, UnicodeDecodeError):
        return None
    assert stream.read() == b"", "read to its end"
    return [shown(column["type"], values[column["name"]]) for column in columns]


def shown(kind, value):
    # Readers of JSON do not agree on the last bit of a number.
    return struct.pack(">d", value).hex() if kind in ("float", "double") and value is not None else value


def case(name, writer, columns, records):
    rows = [{"avro": avro.hex(), "row": row(writer, columns, avro)} for avro in records]
    print(json.dumps({"case": name, "writer": writer, "columns": columns, "records": rows}, ensure_ascii=False))


def column(name, kind, nullable=False, **more):
    return {"name": name, "type": kind, "nullable": nullable, **more}


def fitting(dice, schema):
    """Mostly columns that can hold the field or most of its branches, seldom any column."""
    schemas = schema if isinstance(schema, list) else [schema]
    fits = {
        "boolean": ["boolean"],
        "int": ["int", "long", "float", "double"],
        "long": ["long", "float", "double", "timestamp"],
        "float": ["float", "double"],
        "double": ["double"],
        "bytes": ["text"],
        "string": ["text"],
    }
    kinds = []
    for one in schemas:
        kind = one["type"] if isinstance(one, dict) else one
        logical = one.get("logicalType") if isinstance(one, dict) else None
        if logical == "decimal":
            continue
        kinds += [kind for kind in fits.get(kind, []) if kind != "timestamp" or logical in (None, "timestamp-millis")]
    if dice.random() < 0.03:
        kinds = list(COLUMNS)
    return max(dice.sample(kinds, min(2, len(kinds))), key=kinds.count, default=None)


def beyond_avro(schema, kind):
    """Whether this project reads the field by rules of its own."""
    for one in schema if isinstance(schema, list) else [schema]:
        one = KNOWN.get(one, one) if isinstance(one, str) else one
        if isinstance(one, dict):
            logical = one.get("logicalType")
            own_text = one["type"] == "enum" or logical == "decimal"
            own_time = logical in ("timestamp-micros", "time-micros", "date")
            if (kind == "text" and own_text) or (kind == "timestamp" and own_time):
                return True
    return False


def by_chance(seed):
    maker = Maker(seed)
    KNOWN.clear()
    dice = maker.dice
    fields = [{"name": f"f{at}", "type": maker.schema(2)} for at in range(dice.randint(1, 7))]
    columns = []
    for field in fields:
        kind = fitting(dice, field["type"])
        if kind and dice.random() < 0.7 and not beyond_avro(field["type"], kind):
            nullable = "null" in field["type"] or dice.random() < 0.4
            columns.append(column(field["name"], kind, nullable))
            if dice.random() < 0.15:
                columns[-1]["aliases"] = [columns[-1]["name"]]
                columns[-1]["name"] += "_new"
    for at in range(dice.randint(0, 2)):
        kind = dice.choice(list(COLUMNS))
        absent = column(f"absent{at}", kind, dice.random() < 0.5)
        if not absent["nullable"] or dice.random() < 0.5:
            absent["default"] = dice.choice(DEFAULTS[kind])
        columns.append(absent)
    dice.shuffle(columns)
    writer = {"type": "record", "name": "r", "fields": fields}
    records = []
    for _ in range(3):
        out = bytearray()
        maker.encode(writer, maker.value(writer), out)
        records.append(bytes(out))
    case(f"seed {seed}", writer, columns, records)


def by_hand():
    """The rules one by one, so that a failure names its rule."""

    def one(name, avro, columns, *records):
        case(name, {"type": "record", "name": "r", "fields": [{"name": "a", "type": avro}]}, columns, records)

    for kind, avro in COLUMNS.items():
        one(f"a default of {kind}", "null", [column("b", kind, default=value) for value in DEFAULTS[kind][:1]], b"")
        one(f"a null default of {kind}", "null", [column("b", kind, True, default=None)], b"")
        one(f"null on the left of {kind}", ["null", avro], [column("a", kind, True)], b"\0")
        one(f"null on the right of {kind}", [avro, "null"], [column("a", kind, True)], b"\2")
        one(f"null where none may be, of {kind}", ["null", avro], [column("a", kind)], b"\0")
    for wide in ("long", "float", "double"):
        one(f"int to {wide}", "int", [column("a", wide)], varint(-3), varint(2**31 - 1))
    for wide in ("float", "double"):
        one(f"long to {wide}", "long", [column("a", wide)], varint(2**40), varint(-(2**63)))
    one("float to double", "float", [column("a", "double")], struct.pack("<f", 0.1))
    for wide, narrow in (
        ("long", "int"),
        ("double", "float"),
        ("float", "long"),
        ("double", "int"),
        ("boolean", "int"),
    ):
        one(f"{wide} is no {narrow}", wide, [column("a", narrow)], bytes({"double": 8, "float": 4}.get(wide, 1)))
    numbers = ["null", "int", "long", "float", "double"]
    values = [b"\0", b"\2\5", b"\4\x80\x01", b"\6" + struct.pack("<f", 1.5), b"\x08" + struct.pack("<d", -2.5)]
    for kind in ("int", "long", "float", "double", "text"):
        one(f"a union of numbers as {kind}", numbers, [column("a", kind, True)], *values)
        one(f"a union of numbers as {kind} without null", numbers, [column("a", kind)], *values)
    one(
        "a union of text and number as text",
        ["int", "string", "bytes"],
        [column("a", "text")],
        b"\0\2",
        b"\2\2x",
        b"\4\2y",
    )
    one("bytes that are no text", "bytes", [column("a", "text")], b"\4\xff\xfe", b"\4ab")
    one("nothing but null", "null", [column("a", "int", True)], b"")
    one("a union of null alone", ["null"], [column("a", "int", True)], b"\0")
    two = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]}
    case("reordered", two, [column("b", "text"), column("a", "int")], [b"\2\2x"])
    case("an alias", two, [column("c", "int", aliases=["z", "a"])], [b"\2\2x"])
    case(
        "aliases of a writer mean nothing",
        {**two, "fields": [{**two["fields"][0], "aliases": ["c"]}, two["fields"][1]]},
        [column("c", "int", True)],
        [b"\2\2x"],
    )


by_hand()
for seed in range(CASES):
    by_chance(seed)
