"""Compares the tables that two builds made of the same documents, row for row."""

import sys

import duckdb

native, built = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for name, path in (("native", native), ("dbt", built)):
    connection.execute(f"ATTACH '{path}' AS {name} (READ_ONLY)")


def tables(catalog):
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
        "AND schema_name IN ('staging', 'intermediate', 'marts') ORDER BY 1",
        [catalog],
    ).fetchall()
    return [name for (name,) in rows]


faults = [f"only one build has {name}" for name in set(tables("native")) ^ set(tables("dbt"))]
rows = 0
for name in tables("native"):
    if name not in tables("dbt"):
        continue
    columns = [
        connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {catalog}.{name})").fetchall()
        for catalog in ("native", "dbt")
    ]
    if columns[0] != columns[1]:
        faults.append(f"{name} has other columns: {sorted(set(columns[0]) ^ set(columns[1]))}")
        continue
    rows += connection.execute(f"SELECT count(*) FROM native.{name}").fetchone()[0]
    for one, other in (("native", "dbt"), ("dbt", "native")):
        query = f"FROM {one}.{name} EXCEPT ALL FROM {other}.{name}"
        if extra := connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]:
            example = connection.execute(f"SELECT to_json(d)::VARCHAR FROM ({query}) d LIMIT 1").fetchone()[0]
            faults.append(f"{name}: {extra} rows are only in the {one} build, as {example}")
for fault in faults:
    print(fault, file=sys.stderr)
if faults or rows == 0:
    sys.exit(1)
print(f"{len(tables('native'))} tables with {rows} rows are equal")
