"""Parquet files written or read by pyarrow, with the values that a correct reader finds.

    python parquet_tables.py golden FOLDER        the small files of tests/golden/parquet
    python parquet_tables.py random FOLDER SEED   tables of random types, values and writer options
    python parquet_tables.py check FOLDER         compares files with the values beside them
    python parquet_tables.py structs FILE         checks the structs of ParquetReferences.PyarrowReadsStructs

NAME.json holds the values of NAME.parquet: for each leaf column what parquet::Values holds. Strings are stored as
Latin-1, one character per byte; numbers that JSON lacks as "nan", "inf" and "-inf".
"""
import json
import math
import pathlib
import random
import string
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq

PHYSICAL = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "INT32",
    pa.int16(): "INT32",
    pa.int32(): "INT32",
    pa.uint8(): "INT32",
    pa.uint16(): "INT32",
    pa.uint32(): "INT32",
    pa.int64(): "INT64",
    pa.uint64(): "INT64",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "BYTE_ARRAY",
    pa.binary(): "BYTE_ARRAY",
}


def is_list(arrow_type):
    checks = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(check(arrow_type) for check in checks)


def leaves(arrow_type, name, steps=()):
    """Yields (name, type, steps) of each leaf; a step is LIST or the name of a struct's member."""
    if is_list(arrow_type):
        yield from leaves(arrow_type.value_type, name, (*steps, list))
    elif pa.types.is_struct(arrow_type):
        for field in arrow_type:
            yield from leaves(field.type, f"{name}.{field.name}", (*steps, field.name))
    else:
        yield name, arrow_type, steps


def plain(value, arrow_type):
    """The value as JSON holds it."""
    physical = PHYSICAL[arrow_type]
    if value is None:
        return "" if physical == "BYTE_ARRAY" else 0
    if physical == "BOOLEAN":
        return int(value)
    if physical == "BYTE_ARRAY":
        return (value.encode() if isinstance(value, str) else value).decode("latin-1")
    if physical == "INT32":
        return (value + 2**31) % 2**32 - 2**31
    if physical == "INT64":
        return (value + 2**63) % 2**64 - 2**63
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


class Flattened:
    """What parquet::Values holds for one leaf column."""

    def __init__(self, arrow_type, steps, rows):
        self.type = arrow_type
        self.values = []
        self.is_null = []
        self.offsets = [[] for step in steps if step is list]
        self.null_rows = []
        for row in rows:
            self.add(row, steps, 0)
        for level in range(len(self.offsets)):
            self.offsets[level].append(self.next_index(level))

    def next_index(self, level):
        return len(self.offsets[level + 1]) if level + 1 < len(self.offsets) else len(self.values)

    def add(self, value, steps, level):
        if not steps:
            self.values.append(plain(value, self.type))
            self.is_null.append(int(value is None))
        elif steps[0] is not list:
            self.add(None if value is None else value[steps[0]], steps[1:], level)
        else:
            if value is None and level == 0:
                self.null_rows.append(len(self.offsets[0]))
            self.offsets[level].append(self.next_index(level))
            for element in value or ():
                self.add(element, steps[1:], level + 1)

    def json(self):
        return {
            "type": PHYSICAL[self.type],
            "is_text": pa.types.is_string(self.type),
            "is_unsigned": pa.types.is_unsigned_integer(self.type),
            "values": self.values,
            "offsets": self.offsets,
            "is_null": self.is_null if any(self.is_null) else [],
            "null_rows": self.null_rows,
        }


def expected(table):
    columns = {}
    for field in table.schema:
        rows = table.column(field.name).to_pylist()
        for name, arrow_type, steps in leaves(field.type, field.name):
            columns[name] = Flattened(arrow_type, steps, rows).json()
    return {"pyarrow": pa.__version__, "rows": table.num_rows, "columns": columns}


def write(folder, name, table, **options):
    pq.write_table(table, folder / f"{name}.parquet", **options)
    text = json.dumps(expected(table), separators=(",", ":"))
    (folder / f"{name}.json").write_text(text + "\n")


# --- golden files


def scalars(rows, generator):
    def column(make, arrow_type):
        return pa.array([None if i % 7 == 3 else make(i) for i in range(rows)], arrow_type)

    return pa.table(
        {
            "flag": column(lambda i: i % 3 == 0, pa.bool_()),
            "small": column(lambda i: i % 5 - 2, pa.int8()),
            "int": column(lambda i: generator.randrange(-(2**31), 2**31), pa.int32()),
            "long": column(lambda i: generator.randrange(-(2**63), 2**63), pa.int64()),
            "unsigned": column(lambda i: generator.randrange(2**32), pa.uint32()),
            "unsigned_long": column(lambda i: generator.randrange(2**64), pa.uint64()),
            "float": column(lambda i: i / 8, pa.float32()),
            "double": column(lambda i: [0.1, math.nan, math.inf, -math.inf][i % 4], pa.float64()),
            "text": column(lambda i: ["", "reich die Kiste weiter", "箱を持ち上げる"][i % 3], pa.string()),
            "bytes": column(lambda i: bytes([i % 256, 0, 255]), pa.binary()),
            "nothing": pa.array([None] * rows, pa.int64()),
        }
    )


def lists():
    element = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
    return pa.table(
        {
            "list": pa.array([[1.5, None], [], None, [2.5]], pa.list_(pa.float32())),
            "deep": pa.array([[[1], [], None], None, [], [[2, 3], [None]]], pa.list_(pa.list_(pa.int64()))),
            "deeper": pa.array([[[["a"], []]], [[]], None, [None, [None, ["b", None]]]],
                               pa.list_(pa.list_(pa.list_(pa.string())))),
            "structs": pa.array([[{"a": 1, "b": ["x", None]}, None], None, [], [{"a": None, "b": None}]],
                                pa.list_(element)),
            "image": pa.array([{"bytes": b"\x89PNG", "path": "a.png"}, {"bytes": b"", "path": None}, None,
                               {"bytes": None, "path": ""}],
                              pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        }
    )


def required():
    inner = pa.field("element", pa.float32(), nullable=False)
    schema = pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("list", pa.list_(inner), nullable=False),
            pa.field("flag", pa.bool_(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
        ]
    )
    columns = [[1, 2, 3], [[1.0], [], [2.0, 3.0]], [True, False, True], ["a", "", "c"]]
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)


def dictionary_then_plain(n):
    """Repeated values and then distinct ones: the dictionary is full in the middle."""
    numbers = [i % 3 for i in range(n)] + [i * i for i in range(n)]
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "text": pa.array([str(i) for i in numbers], pa.string()),
            "list": pa.array([[i / 4, i + 0.5] for i in numbers], pa.list_(pa.float32())),
        }
    )


def random_and_nulls(generator, n):
    """Pages of version 2 that do not shrink, and pages of nulls."""
    return pa.table(
        {
            "double": pa.array([struct.unpack("d", generator.randbytes(8))[0] for _ in range(n)], pa.float64()),
            "nothing": pa.array([None] * n, pa.float64()),
            "list": pa.array([None] * n, pa.list_(pa.float64())),
            "flag": pa.array([generator.random() < 0.5 for _ in range(n)], pa.bool_()),
        }
    )


def golden(folder):
    generator = random.Random(1)
    plain_options = {"compression": "none", "use_dictionary": False}
    small = {"write_statistics": False, "store_schema": False}
    write(folder, "scalars", scalars(23, generator), row_group_size=11, **small)
    write(folder, "scalars_plain_gzip", scalars(23, generator), compression="gzip", use_dictionary=False,
          write_page_checksum=True, **small)
    write(folder, "lists", lists(), **plain_options)
    write(folder, "lists_v2_zstd", lists(), data_page_version="2.0", compression="zstd", row_group_size=3,
          **small)
    write(folder, "lists_item", lists(), use_compliant_nested_type=False, row_group_size=2, **small)
    write(folder, "required", required())
    write(folder, "required_v2", required(), data_page_version="2.0", **plain_options)
    write(folder, "dictionary_then_plain", dictionary_then_plain(150), dictionary_pagesize_limit=256,
          data_page_size=256, write_batch_size=32, **small)
    for codec in ("zstd", "snappy"):
        write(folder, f"random_and_nulls_{codec}", random_and_nulls(generator, 100), data_page_version="2.0",
              compression=codec, data_page_size=256, use_dictionary=False, **small)
    write(folder, "no_rows", lists().slice(0, 0), **small)
    # Files that must be refused when the column is read.
    for encoding in ("DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"):
        pq.write_table(pa.table({"number": pa.array([1, 2, 3], pa.int64()), "plain": pa.array([1.0] * 3)}),
                       folder / f"refused_{encoding}.parquet", use_dictionary=False,
                       column_encoding={"number": encoding, "plain": "PLAIN"})
    for encoding in ("DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"):
        pq.write_table(pa.table({"number": pa.array(["a", "b"])}), folder / f"refused_{encoding}.parquet",
                       use_dictionary=False, column_encoding={"number": encoding})
    for codec in ("brotli", "lz4"):
        pq.write_table(pa.table({"number": pa.array([1, 2, 3], pa.int64())}), folder / f"refused_{codec}.parquet",
                       compression=codec)
    stamps = pa.array([1, 2, 3], pa.timestamp("ns"))
    pq.write_table(pa.table({"number": stamps}), folder / "refused_INT96.parquet", use_deprecated_int96_timestamps=True)
    fixed = pa.array([b"abcd", b"efgh"], pa.binary(4))
    pq.write_table(pa.table({"number": fixed}), folder / "refused_FIXED_LEN_BYTE_ARRAY.parquet")


# --- random files

SCALARS = list(PHYSICAL)


def random_type(generator, depth=0):
    choice = generator.random()
    if depth < 3 and choice < 0.35:
        return pa.list_(random_type(generator, depth + 1))
    if depth < 3 and choice < 0.42:
        return pa.struct([(name, random_type(generator, depth + 1)) for name in ("a", "b")])
    return generator.choice(SCALARS)


def random_scalar(generator, arrow_type, distinct):
    """One of about `distinct` values."""
    own = random.Random(generator.randrange(distinct))
    if pa.types.is_boolean(arrow_type):
        return own.random() < 0.5
    if pa.types.is_integer(arrow_type):
        lowest = 0 if pa.types.is_unsigned_integer(arrow_type) else -(2 ** (arrow_type.bit_width - 1))
        return own.randrange(lowest, lowest + 2**arrow_type.bit_width)
    if arrow_type == pa.float32():
        return struct.unpack("f", struct.pack("f", own.uniform(-1e3, 1e3)))[0]
    if arrow_type == pa.float64():
        return own.choice([own.uniform(-1e3, 1e3), math.inf, -math.inf, math.nan, -0.0, 5e-324])
    length = own.choice([0, 1, 5, 30, own.randrange(20000) if own.random() < 0.01 else 3])
    if pa.types.is_string(arrow_type):
        return "".join(own.choices(string.printable + "äß箱🤖", k=length))
    return own.randbytes(length)


class RandomValues:
    """Values of one column: how often they repeat and how often they are null."""

    def __init__(self, generator):
        self.generator = generator
        self.distinct = generator.choice([1, 2, 3, 20, 300, 10**9])
        self.nulls = generator.choice([0, 0, 0.05, 0.5, 0.97, 1])
        self.longest = generator.choice([1, 3, 14, 40])

    def value(self, arrow_type, depth=0):
        generator = self.generator
        if generator.random() < self.nulls:
            return None
        if is_list(arrow_type):
            count = generator.randrange(max(1, self.longest >> 2 * depth) + 1)
            return [self.value(arrow_type.value_type, depth + 1) for _ in range(count)]
        if pa.types.is_struct(arrow_type):
            return {field.name: self.value(field.type, depth) for field in arrow_type}
        return random_scalar(generator, arrow_type, self.distinct)


def random_table(generator):
    rows = generator.choice([0, 1, 2, 9, 100, 1000, 3000])
    columns = {}
    for i in range(generator.choice([1, 3, 8])):
        arrow_type = random_type(generator)
        values = RandomValues(generator)
        columns[f"column_{i}"] = pa.array([values.value(arrow_type) for _ in range(rows)], arrow_type)
    return pa.table(columns)


def random_options(generator):
    return {
        "compression": generator.choice(["none", "snappy", "gzip", "zstd"]),
        "data_page_version": generator.choice(["1.0", "2.0"]),
        "use_dictionary": generator.random() < 0.7,
        "dictionary_pagesize_limit": generator.choice([64, 1024, 1 << 20]),
        "data_page_size": generator.choice([64, 1024, 1 << 20]),
        "write_batch_size": generator.choice([16, 1024]),
        "row_group_size": generator.choice([1000000, 700, 50]),
        "write_page_checksum": generator.random() < 0.5,
        "write_page_index": generator.random() < 0.3,
        "use_compliant_nested_type": generator.random() < 0.7,
        "store_schema": generator.random() < 0.7,
    }


def write_random(folder, seed):
    for i in range(60):
        generator = random.Random(seed * 1000 + i)
        write(folder, f"random_{i:03}", random_table(generator), **random_options(generator))
    # Dictionaries that are full in the middle, and pages of version 2 that do not shrink.
    generator = random.Random(seed)
    write(folder, "dictionary_then_plain", dictionary_then_plain(20000), dictionary_pagesize_limit=1024,
          data_page_size=512)
    for codec in ("zstd", "snappy"):
        write(folder, f"random_and_nulls_{codec}", random_and_nulls(generator, 40000), data_page_version="2.0",
              compression=codec)
    # Strings of megabytes.
    huge = ["x" * 3_000_000, "", "ä" * 1_500_000, None]
    for codec in ("none", "snappy", "gzip", "zstd"):
        write(folder, f"huge_{codec}", pa.table({"text": pa.array(huge)}), compression=codec)


# --- reading


def check(folder):
    files = sorted(folder.glob("*.json"))
    for file in files:
        wanted = json.loads(file.read_text())
        table = pq.read_table(file.with_suffix(".parquet"), page_checksum_verification=True)
        found = json.loads(json.dumps(expected(table)))
        assert found["rows"] == wanted["rows"], file
        assert list(found["columns"]) == list(wanted["columns"]), file
        for name, column in wanted["columns"].items():
            assert found["columns"][name] == column, f"{file}: {name}: {str(column)[:300]}"
    assert files, f"no files in {folder}"
    print(f"parquet_tables.py: {len(files)} files agree")


def check_structs(file):
    table = pq.read_table(file)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert table.schema.names == ["image.front", "index"], table.schema
    assert table.schema.types == [image, pa.int64()], table.schema
    assert table.to_pylist() == [
        {"image.front": {"bytes": b"\xff", "path": "0.png"}, "index": 5},
        {"image.front": {"bytes": b"b", "path": None}, "index": 6},
    ], table.to_pylist()


if __name__ == "__main__":
    command, target = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "structs":
        check_structs(target)
        sys.exit()
    target.mkdir(parents=True, exist_ok=True)
    if command == "golden":
        golden(target)
    elif command == "random":
        write_random(target, int(sys.argv[3]))
    else:
        check(target)
