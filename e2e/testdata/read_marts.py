"""Reads the published copy as a BI tool does, over and over while it is replaced, and prints what it saw as JSON."""

import json
import sys
import time

import duckdb

path, seconds = sys.argv[1], float(sys.argv[2])
versions, counts, faults = set(), [], []
opened = 0
until = time.time() + seconds
while time.time() < until or opened < 3:
    with duckdb.connect(path, read_only=True) as copy:
        opened += 1
        refresh, = copy.execute("SELECT refresh FROM meta.published").fetchone()
        by_catalog, = copy.execute("SELECT count(*) FROM marts.dim_sessions").fetchone()
        by_name, = copy.execute("SELECT count(*) FROM dim_sessions").fetchone()
        of_view, = copy.execute("SELECT count(*) FROM marts.vw_tool_calls").fetchone()
        of_table, = copy.execute("SELECT count(*) FROM marts.fct_tool_calls").fetchone()
        if by_catalog != by_name or of_view != of_table:
            faults.append([by_catalog, by_name, of_view, of_table])
        versions.add(refresh)
        counts.append(by_catalog)
        described, = copy.execute(
            "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal AND comment IS NOT NULL"
        ).fetchone()
print(json.dumps({"opened": opened, "versions": len(versions), "sessions": counts[-1], "falling": counts != sorted(counts),
                  "described": described, "faults": faults}))
