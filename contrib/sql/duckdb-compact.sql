-- Compacts one day: its index entries into one Parquet file, always of the same name. After duckdb.sql.
--
--     SET VARIABLE day = '2026-11-27';               -- see: SELECT * FROM days_to_compact;
--     .read contrib/sql/duckdb-compact.sql
--
-- Each entry has a row, also one that is no JSON: so the number of rows says whether the file is
-- complete. Two at the same time write the same. Who may write to compact/ can forge what the views
-- show: the machines must not (docs/fleet.md). Into a directory: mkdir -p STORE/v1/compact/date=DAY
-- before that.
SET VARIABLE of_day = (SELECT list(file) FROM index_files WHERE date = getvariable('day'));
COPY (FROM lines_of(getvariable('of_day')) ORDER BY entry)
TO (getvariable('store') || '/v1/compact/date=' || getvariable('day') || '/all.parquet')
(FORMAT parquet, COMPRESSION zstd);
