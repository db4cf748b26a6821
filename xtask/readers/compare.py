"""Read every table of a lake with other engines: PyIceberg's values and the row counts of DuckDB (where there are rows)
and Polars must be those of matano's own SQL. Declared types are not compared, nor a null list with an empty one.

Usage: compare.py MATANO REPO
"""

import json
import re
import subprocess
import sys

import duckdb
import duckdb_ext
import polars
from pyiceberg.table import StaticTable

MATANO, REPO = sys.argv[1:3]


def matano(*arguments):
    command = [MATANO, "--project", REPO, "--output", "json", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)?")


def plain(value):
    """A value without what engines may write differently: fractions of a second, null against nothing.

    PyIceberg 0.11 reads a null list of structs as an empty one, so an empty list is nothing too.
    """
    if isinstance(value, dict):
        members = {name: plain(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    if isinstance(value, str) and (time := TIME.fullmatch(value)):
        return f"{time[1]}.{(time[2] or '').ljust(6, '0')}"
    return value


def canonical(rows):
    """The same text for the same rows, in the order of the texts."""
    return sorted(json.dumps(plain(row), sort_keys=True, ensure_ascii=False) for row in rows)


def duck():
    # the extensions come in wheels, so nothing is downloaded
    connection = duckdb_ext.init(duckdb.connect())
    connection.execute("LOAD avro; LOAD iceberg;")
    return connection


def main():
    info = json.loads(matano("info"))
    failures = 0
    for table in info["tables"]:
        name, location = table["name"], table["metadata_location"]
        iceberg = StaticTable.from_metadata(location)
        arrow = iceberg.scan().to_arrow()
        own = [json.loads(line) for line in matano("query", "--format", "json", f"SELECT * FROM {name}").splitlines()]
        counts = {"matano": len(own), "pyiceberg": arrow.num_rows}
        counts["polars"] = polars.scan_iceberg(iceberg).select(polars.len()).collect().item()
        if arrow.num_rows:
            counts["duckdb"] = CONNECTION.sql(f"SELECT count(*) FROM iceberg_scan('{location}')").fetchone()[0]
        same = canonical(own) == canonical(arrow.to_pylist())
        agreed = len(set(counts.values())) == 1 and same
        failures += not agreed
        print(f"   {'same' if agreed else 'DIFFERENT'}  {name}: {counts}, values {'same' if same else 'DIFFERENT'}")
        if not same:
            for left, right in zip(canonical(own), canonical(arrow.to_pylist())):
                if left != right:
                    print(f"     matano    {left[:2000]}\n     pyiceberg {right[:2000]}")
                    break
    if failures or not info["tables"]:
        sys.exit(f"{failures} tables differ" if failures else "no table in the lake")


CONNECTION = duck()
main()
