"""Read every table of a lake with other engines: PyIceberg, DuckDB and Polars must see the types and the values that
matano's own SQL sees, and the first snapshot of a table that has changed its columns since as it was.

Usage: compare.py MATANO REPO
"""

import json
import subprocess
import sys

import duckdb
import duckdb_ext
import polars
import pyarrow
from pyarrow import types
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import StaticTable

MATANO, REPO = sys.argv[1:3]


def matano(*arguments):
    command = [MATANO, "--project", REPO, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def kind(of):
    """A type in words that do not depend on how an engine lays values out in memory."""
    if types.is_struct(of):
        return {field.name: kind(field.type) for field in of}
    if types.is_list(of) or types.is_large_list(of):
        return [kind(of.value_type)]
    if types.is_string(of) or types.is_large_string(of) or types.is_string_view(of):
        return "string"
    return str(of)


def kinds(schema):
    return {field.name: kind(field.type) for field in schema}


def empty_as_null(value, of):
    """PyIceberg 0.11 reads a null list of structs as an empty one. We never write an empty one."""
    if types.is_struct(of) and value is not None:
        return {field.name: empty_as_null(value[field.name], field.type) for field in of}
    if types.is_list(of) or types.is_large_list(of):
        if value == [] and types.is_struct(of.value_type):
            return None
        return value and [empty_as_null(item, of.value_type) for item in value]
    return value


def plain(value):
    """A value without what engines may tell differently: a struct of nulls against no struct."""
    if isinstance(value, dict):
        members = {name: plain(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None} or None
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def canonical(rows):
    """The same texts for the same rows, whatever their order."""
    return sorted(json.dumps(plain(row), sort_keys=True, ensure_ascii=False) for row in rows)


class Engines:
    """The rows of one version of one table, by engine, as Arrow."""

    def __init__(self, location, snapshot=None):
        self.location, self.snapshot = location, snapshot
        self.iceberg = StaticTable.from_metadata(location)

    def pyiceberg(self):
        rows = self.iceberg.scan(snapshot_id=self.snapshot).to_arrow()
        rows_of_structs = ({f.name: empty_as_null(row[f.name], f.type) for f in rows.schema} for row in rows.to_pylist())
        return rows.schema, list(rows_of_structs)

    def polars(self):
        frame = polars.scan_iceberg(self.iceberg, snapshot_id=self.snapshot).collect()
        rows = frame.to_arrow()
        return rows.schema, rows.to_pylist()

    def duckdb(self):
        at = f", snapshot_from_id={self.snapshot}" if self.snapshot else ""
        rows = CONNECTION.sql(f"SELECT * FROM iceberg_scan('{self.location}'{at})").to_arrow_table()
        return rows.schema, rows.to_pylist()

    def all(self):
        yield "pyiceberg", self.pyiceberg()
        yield "polars", self.polars()
        # DuckDB 1.4 does not read a table that never had a snapshot
        if self.iceberg.current_snapshot():
            yield "duckdb", self.duckdb()


def own(table):
    with pyarrow.ipc.open_stream(matano("query", "--format", "arrow", f"SELECT * FROM {table}")) as stream:
        rows = stream.read_all()
    return rows.schema, rows.to_pylist()


def declared(table, snapshot):
    """The columns that a snapshot was written under, and how many rows it had."""
    schema = table.schemas()[snapshot.schema_id]
    return schema_to_pyarrow(schema), int(snapshot.summary["total-records"])


def differences(found, wanted_kinds, wanted_rows):
    schema, rows = found
    if kinds(schema) != wanted_kinds:
        left, right = kinds(schema), wanted_kinds
        names = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
        yield "types " + "; ".join(f"{name}: expected {right.get(name)}, found {left.get(name)}" for name in names)
    if isinstance(wanted_rows, int):
        if len(rows) != wanted_rows:
            yield f"expected {wanted_rows} rows, found {len(rows)}"
        return
    texts = canonical(rows)
    if texts != wanted_rows:
        pairs = zip(wanted_rows, texts)
        first = next((pair for pair in pairs if pair[0] != pair[1]), (len(wanted_rows), len(texts)))
        yield f"values: expected\n       {str(first[0])[:2000]}\n     found\n       {str(first[1])[:2000]}"


def compare(name, location):
    schema, rows = own(name)
    wanted, texts = kinds(schema), canonical(rows)
    agreed = []
    for engine, found in Engines(location).all():
        problems = list(differences(found, wanted, texts))
        yield from (f"{name} in {engine}: {problem}" for problem in problems)
        agreed += [] if problems else [engine]
    print(f"   {name}: {len(rows)} rows, {len(wanted)} columns, types and values as in {', '.join(agreed) or 'none'}")


def compare_first(name, location):
    """A table that was evolved: its first snapshot, under the columns of that time."""
    table = StaticTable.from_metadata(location)
    first = min(table.snapshots(), key=lambda one: one.sequence_number, default=None)
    if first is None or first.schema_id == table.schema().schema_id:
        return
    schema, rows = declared(table, first)
    engines = Engines(location, first.snapshot_id)
    agreed = []
    for engine, found in [("pyiceberg", engines.pyiceberg()), ("duckdb", engines.duckdb())]:
        problems = list(differences(found, kinds(schema), rows))
        yield from (f"first snapshot of {name} in {engine}: {problem}" for problem in problems)
        agreed += [] if problems else [engine]
    print(f"   {name} before it was evolved: {rows} rows, {len(schema)} columns, as in {', '.join(agreed) or 'none'}")


def main():
    tables = json.loads(matano("--output", "json", "info"))["tables"]
    problems = []
    for table in tables:
        problems += compare(table["name"], table["metadata_location"])
        problems += compare_first(table["name"], table["metadata_location"])
    for problem in problems:
        print(f"   DIFFERENT {problem}")
    if problems or not tables:
        sys.exit(f"{len(problems)} differences" if problems else "no table in the lake")


# the extensions come in wheels, so nothing is downloaded
CONNECTION = duckdb_ext.init(duckdb.connect())
CONNECTION.execute("LOAD avro; LOAD iceberg;")
main()
