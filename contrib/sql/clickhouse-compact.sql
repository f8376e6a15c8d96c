-- Compacts one day: its index entries into one Parquet file, always of the same name. After
-- clickhouse.sql; days: SELECT date FROM pstorefs.days_to_compact. Here for 2026-11-27:
--
--     sed s/2026-11-27/2026-11-28/ contrib/sql/clickhouse-compact.sql | clickhouse-client
--
-- Each entry has a row, also one that is no JSON: so the number of rows says whether the file is
-- complete. Two at the same time write the same. Who may write to compact/ can forge what the views
-- show: the machines must not (docs/fleet.md).
INSERT INTO FUNCTION s3(pstorefs, filename = 'compact/date=2026-11-27/all.parquet', format = 'Parquet')
SELECT files.entry AS entry, files.date AS date, lines.* EXCEPT (file, entry, date)
FROM (
    SELECT file, extract(file, 'v1/index/.*') AS entry, date
    FROM pstorefs.index_files WHERE date = '2026-11-27'
) AS files
LEFT JOIN (SELECT * FROM pstorefs.lines WHERE date = '2026-11-27') AS lines USING (file)
ORDER BY entry
SETTINGS s3_truncate_on_insert = 1, engine_file_truncate_on_insert = 1;
