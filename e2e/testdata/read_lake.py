"""Reads a lake as others would: with PyArrow, then with a stock DuckDB. Prints the number of rows each finds."""

import glob
import sys

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq

lake = sys.argv[1]
files = sorted(glob.glob(lake + "/date=*/*.parquet"))
first = ["_id", "type", "session_id", "project_id", "timestamp", "ingested_at", "extracted_at", "message_role",
         "message_content", "source_file", "date"]
for file in files:
    names = pq.read_schema(file).names
    assert names[:len(first)] == first, (file, names)
print(sum(table.num_rows for table in (batch for batch in ds.dataset(files, format="parquet").to_batches())))
print(duckdb.sql(
    f"SELECT count(*) FROM read_parquet('{lake}/date=*/*.parquet', hive_partitioning = false)"
).fetchone()[0])
