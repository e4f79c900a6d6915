"""Parquet files written or read by pyarrow, with the values that a correct reader finds.

    python parquet_tables.py golden FOLDER        the small files of tests/golden/parquet
    python parquet_tables.py writers FOLDER       those that other programs write: DuckDB and polars
    python parquet_tables.py random FOLDER SEED   tables of random types, values and writer options
    python parquet_tables.py check FOLDER         compares files with the values beside them
    python parquet_tables.py counter FILE         checks the numbers of ParquetLz4.IsReadByPyarrowAsWell
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
    pa.float16(): "FLOAT16",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "BYTE_ARRAY",
    pa.large_string(): "BYTE_ARRAY",
    pa.string_view(): "BYTE_ARRAY",
    pa.binary(): "BYTE_ARRAY",
    pa.large_binary(): "BYTE_ARRAY",
    pa.binary_view(): "BYTE_ARRAY",
    pa.binary(3): "FIXED_LEN_BYTE_ARRAY",
}
TEXTS = (pa.string(), pa.large_string(), pa.string_view())
STRINGS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
# The types in which roboimi writes what it read, where they differ.
WRITTEN_AS = {"FLOAT16": "FLOAT", "FIXED_LEN_BYTE_ARRAY": "BYTE_ARRAY"}


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
        yield name, arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type, steps


def plain(value, arrow_type):
    """The value as JSON holds it."""
    physical = PHYSICAL[arrow_type]
    if value is None:
        return "" if physical in STRINGS else 0
    if physical == "BOOLEAN":
        return int(value)
    if physical in STRINGS:
        return (value.encode() if isinstance(value, str) else value).decode("latin-1")
    if physical == "INT32":
        return (value + 2**31) % 2**32 - 2**31
    if physical == "INT64":
        return (value + 2**63) % 2**64 - 2**63
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return float(value)


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
            "is_text": self.type in TEXTS,
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


def write_values(folder, name, values):
    (folder / f"{name}.json").write_text(json.dumps(values, separators=(",", ":")) + "\n")


def write(folder, name, table, **options):
    pq.write_table(table, folder / f"{name}.parquet", **options)
    write_values(folder, name, expected(table))


def encodings_of(arrow_type):
    """The encodings without a dictionary that the format allows and pyarrow writes."""
    physical = PHYSICAL[arrow_type]
    if physical == "BOOLEAN":
        return ["PLAIN", "RLE"]
    if physical == "BYTE_ARRAY":
        return ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]
    if physical in ("INT32", "INT64"):
        return ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]
    if physical in WRITTEN_AS:
        return ["PLAIN", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"]
    return ["PLAIN", "BYTE_STREAM_SPLIT"]


def paths(arrow_type, path, element):
    """Yields (path, type) of each leaf, with the names of its nodes in the file."""
    if is_list(arrow_type):
        yield from paths(arrow_type.value_type, f"{path}.list.{element}", element)
    elif pa.types.is_struct(arrow_type):
        for field in arrow_type:
            yield from paths(field.type, f"{path}.{field.name}", element)
    else:
        yield path, arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type


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


def encodings(generator, n):
    """All types that have an encoding of their own, with nulls, and in lists."""
    def column(make, arrow_type):
        return pa.array([None if i % 11 == 5 else make(i) for i in range(n)], arrow_type)

    def half(i):
        return struct.unpack("e", struct.pack("e", [generator.uniform(-9, 9), math.inf, 6e-8, -0.0, 65504.0][i % 5]))[0]

    return pa.table(
        {
            "flag": column(lambda i: i % 3 == 0, pa.bool_()),
            "int": column(lambda i: (-(2**31), 2**31 - 1, i)[i % 3], pa.int32()),
            "counter": column(lambda i: i, pa.int64()),
            "long": column(lambda i: (-(2**63), 2**63 - 1, i)[i % 3], pa.int64()),
            "half": column(half, pa.float16()),
            "float": column(lambda i: i / 8, pa.float32()),
            "double": column(lambda i: generator.uniform(-1, 1), pa.float64()),
            "text": column(lambda i: f"observation/{'images' * (i % 2)}/{i // 4}", pa.string()),
            "bytes": column(lambda i: generator.randbytes(i % 5), pa.binary()),
            "fixed": column(lambda i: generator.randbytes(3), pa.binary(3)),
            "nothing": pa.array([None] * n, pa.int64()),
            "no_text": pa.array([None] * n, pa.string()),
            "list": column(lambda i: [i + 7 * k for k in range(i % 4)], pa.list_(pa.int32())),
            "halves": column(lambda i: [half(i)] * (i % 3), pa.list_(pa.float16())),
            "vector": column(lambda i: [i, None, 0.5], pa.list_(pa.float32(), 3)),
            "category": column(lambda i: ["pick", "place"][i % 2], pa.dictionary(pa.int8(), pa.string())),
            "texts": column(lambda i: [f"pick {k}" if k != 1 else None for k in range(i % 3)], pa.list_(pa.string())),
        }
    )


def other_writers(folder):
    """Files of DuckDB and polars, and the values that pyarrow reads from them."""
    import duckdb
    import polars as pl

    rows = 40
    frame = pl.DataFrame(
        {
            "episode_index": [i // 20 for i in range(rows)],
            "timestamp": [i % 20 / 30 for i in range(rows)],
            "observation.state": [[i / 4, None if i == 7 else -i, 0.5] for i in range(rows)],
            "action": [[i / 2, i / 3] for i in range(rows)],
            "deep": [None if i % 9 == 4 else [[i], [], [i, None]][: i % 4] for i in range(rows)],
            "task": [["pick the cube", "place the cube", None][i % 3] for i in range(rows)],
            "image": [{"bytes": bytes([i, 255]), "path": f"{i}.png"} for i in range(rows)],
            "done": [i % 20 == 19 for i in range(rows)],
        },
        schema_overrides={"timestamp": pl.Float32, "observation.state": pl.List(pl.Float32),
                          "action": pl.Array(pl.Float32, 2), "deep": pl.List(pl.List(pl.Int64))},
    )
    names = []
    for codec in ("lz4", "brotli"):
        names.append(f"polars_{codec}")
        frame.write_parquet(folder / f"{names[-1]}.parquet", compression=codec, row_group_size=17)
    duckdb.register("recorded", frame.to_arrow())
    for version, codec in (("V1", "lz4_raw"), ("V2", "brotli")):
        names.append(f"duckdb_{version}_{codec}")
        duckdb.sql(f"COPY recorded TO '{folder / names[-1]}.parquet' "
                   f"(FORMAT parquet, PARQUET_VERSION {version}, COMPRESSION {codec})")
    for name in names:
        versions = {"duckdb": duckdb.__version__, "polars": pl.__version__}
        write_values(folder, name, {**versions, **expected(pq.read_table(folder / f"{name}.parquet"))})


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
    table = encodings(generator, 70)
    for i in range(3):
        chosen = {path: encodings_of(leaf)[i % len(encodings_of(leaf))]
                  for field in table.schema for path, leaf in paths(field.type, field.name, "element")}
        write(folder, f"encodings_{i}", table, use_dictionary=False, column_encoding=chosen,
              data_page_version=["1.0", "2.0", "2.0"][i], data_page_size=[1 << 20, 1 << 20, 64][i],
              write_batch_size=16, compression=["brotli", "none", "lz4"][i], row_group_size=[70, 70, 33][i], **small)
    write(folder, "encodings_dictionary", table, compression="lz4", **small)
    # Files that must be refused when the column is read.
    stamps = pa.array([1, 2, 3], pa.timestamp("ns"))
    pq.write_table(pa.table({"number": stamps, "plain": pa.array([1.0] * 3)}), folder / "refused_INT96.parquet",
                   use_deprecated_int96_timestamps=True)
    decimals = pa.array([1, 2, 3], pa.decimal128(9, 2))
    pq.write_table(pa.table({"number": decimals, "plain": pa.array([1.0] * 3)}), folder / "refused_DECIMAL.parquet")


# --- random files

# pyarrow cannot write row groups of views.
SCALARS = [arrow_type for arrow_type in PHYSICAL if arrow_type not in (pa.string_view(), pa.binary_view())]


def random_type(generator, depth=0):
    choice = generator.random()
    if depth < 3 and choice < 0.35:
        return generator.choice([pa.list_, pa.large_list])(random_type(generator, depth + 1))
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
    if arrow_type == pa.float16():
        return struct.unpack("e", struct.pack("e", own.choice([own.uniform(-1e3, 1e3), math.inf, math.nan, 6e-8])))[0]
    if arrow_type == pa.float32():
        return struct.unpack("f", struct.pack("f", own.uniform(-1e3, 1e3)))[0]
    if arrow_type == pa.float64():
        return own.choice([own.uniform(-1e3, 1e3), math.inf, -math.inf, math.nan, -0.0, 5e-324])
    length = own.choice([0, 1, 5, 30, own.randrange(20000) if own.random() < 0.01 else 3])
    if arrow_type in TEXTS:
        start = "observation.images." if own.random() < 0.5 else ""
        return start + "".join(own.choices(string.printable + "äß箱🤖", k=length))
    return own.randbytes(3 if pa.types.is_fixed_size_binary(arrow_type) else length)


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


def random_options(generator, table):
    has_dictionary = generator.random() < 0.4
    has_compliant_names = generator.random() < 0.7
    element = "element" if has_compliant_names else "item"
    chosen = {path: generator.choice(encodings_of(leaf))
              for field in table.schema for path, leaf in paths(field.type, field.name, element)}
    return {
        "compression": generator.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
        "data_page_version": generator.choice(["1.0", "2.0"]),
        "use_dictionary": has_dictionary,
        "column_encoding": None if has_dictionary else chosen,
        "dictionary_pagesize_limit": generator.choice([64, 1024, 1 << 20]),
        # In smaller pages, pyarrow's DELTA encoders begin with a page without entries, which it cannot read.
        "data_page_size": generator.choice([64 if has_dictionary else 2048, 4096, 1 << 20]),
        "write_batch_size": generator.choice([16, 1024]),
        "row_group_size": generator.choice([1000000, 700, 50]),
        "write_page_checksum": generator.random() < 0.5,
        "write_page_index": generator.random() < 0.3,
        "use_compliant_nested_type": has_compliant_names,
        "store_schema": generator.random() < 0.7,
    }


def write_random(folder, seed):
    for i in range(90):
        generator = random.Random(seed * 1000 + i)
        table = random_table(generator)
        write(folder, f"random_{i:03}", table, **random_options(generator, table))
    # Dictionaries that are full in the middle, and pages of version 2 that do not shrink.
    generator = random.Random(seed)
    write(folder, "dictionary_then_plain", dictionary_then_plain(20000), dictionary_pagesize_limit=1024,
          data_page_size=512)
    for codec in ("zstd", "snappy"):
        write(folder, f"random_and_nulls_{codec}", random_and_nulls(generator, 40000), data_page_version="2.0",
              compression=codec)
    # Strings of megabytes.
    huge = ["x" * 3_000_000, "", "ä" * 1_500_000, None]
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
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
            if found["columns"][name]["type"] == WRITTEN_AS.get(column["type"]):
                column["type"] = WRITTEN_AS[column["type"]]
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


def check_counter(file):
    assert pq.read_table(file).to_pydict() == {"x": list(range(7, 5007))}


if __name__ == "__main__":
    command, target = sys.argv[1], pathlib.Path(sys.argv[2])
    if command in ("structs", "counter"):
        {"structs": check_structs, "counter": check_counter}[command](target)
        sys.exit()
    target.mkdir(parents=True, exist_ok=True)
    if command == "golden":
        golden(target)
    elif command == "writers":
        other_writers(target)
    elif command == "random":
        write_random(target, int(sys.argv[3]))
    else:
        check(target)
