-- The crashes of a fleet in DuckDB (1.5): views over what `pstorefs --ship` has sent. See docs/fleet.md.
--
--     SET VARIABLE store = 's3://crashes/fleet';     -- or a directory: '/srv/crashes/fleet'
--     .read contrib/sql/duckdb.sql
--     SELECT * FROM new_signatures;
--
-- It lists the store and reads the footers of compact/. To see newer crashes, run it
-- again. Days that are compacted (duckdb-compact.sql) are read there, if each of their index entries
-- has its row; all others in index/. Whatever anybody may have put into index/ is a row or none,
-- never an error: one line of JSON in columns of fixed types, or nothing.

-- What a line may say: pstorefs/fleet/entry.py. Other types are null.
SET VARIABLE columns = {
    schema: 'INTEGER', machine: 'VARCHAR', host: 'VARCHAR', dump: 'VARCHAR', id: 'VARCHAR',
    replaces: 'VARCHAR', label: 'VARCHAR', program: 'VARCHAR', type: 'VARCHAR', backend: 'VARCHAR',
    reason: 'VARCHAR', count: 'BIGINT', crash: 'BOOLEAN', time: 'VARCHAR', time_source: 'VARCHAR',
    title: 'VARCHAR', class: 'VARCHAR', signature: 'VARCHAR', stack: 'VARCHAR', panic: 'VARCHAR',
    kernel: 'VARCHAR', build: 'VARCHAR', taint: 'VARCHAR', reading_kernel: 'VARCHAR',
    hardware: 'VARCHAR', cpu: 'BIGINT', pid: 'BIGINT', comm: 'VARCHAR', ip: 'VARCHAR',
    module: 'VARCHAR', trace: 'VARCHAR[]', boot: 'VARCHAR', boot_order: 'BIGINT',
    records: 'BIGINT', complete: 'BOOLEAN', saved: 'VARCHAR',
    bundle: 'STRUCT("key" VARCHAR, size BIGINT, sha256 VARCHAR, tar_sha256 VARCHAR)'
};

-- One row for each of these files, its columns null where it is not one line of JSON.
CREATE OR REPLACE TEMP MACRO lines_of(files) AS TABLE
    SELECT regexp_extract(name, 'v1/index/.*') AS entry,
           regexp_extract(name, '/date=([0-9-]{10})/[^/]*$', 1) AS date,
           lines.* EXCLUDE (filename, bundle), bundle."key" AS bundle_key, bundle.size AS bundle_size,
           bundle.sha256 AS bundle_sha256, bundle.tar_sha256 AS bundle_tar_sha256
    FROM (SELECT unnest(files) AS name)
    LEFT JOIN (
        FROM read_json(files, format = 'newline_delimited', columns = getvariable('columns'),
                       filename = true, hive_partitioning = false, ignore_errors = true)
        QUALIFY count(*) OVER (PARTITION BY filename) = 1
    ) AS lines ON lines.filename = name;

-- What stands for files where there are none: DuckDB reads at least one.
CREATE OR REPLACE TEMP TABLE no_lines AS
    SELECT '' AS entry, '' AS date, * EXCLUDE (bundle), bundle."key" AS bundle_key,
           bundle.size AS bundle_size, bundle.sha256 AS bundle_sha256,
           bundle.tar_sha256 AS bundle_tar_sha256
    FROM (SELECT unnest(from_json('{}', to_json(getvariable('columns')))))
    WHERE false;

CREATE OR REPLACE TEMP TABLE index_files AS
    SELECT file, regexp_extract(file, '/date=([0-9-]{10})/[^/]*$', 1) AS date
    FROM glob(getvariable('store') || '/v1/index/date=*/*.json');

SET VARIABLE compact = (
    SELECT coalesce(list(file), []) FROM glob(getvariable('store') || '/v1/compact/date=*/all.parquet')
);
CREATE OR REPLACE TEMP TABLE compact_files AS
    SELECT file_name AS file, regexp_extract(file_name, '/date=([0-9-]{10})/[^/]*$', 1) AS date,
           num_rows AS entries
    FROM query(CASE WHEN len(getvariable('compact')) > 0
               THEN 'FROM parquet_file_metadata(getvariable(''compact''))'
               ELSE 'SELECT '''' AS file_name, 0 AS num_rows WHERE false' END);

-- Days that duckdb-compact.sql would do something for: over for two days, and not as compact/ has them.
CREATE OR REPLACE TEMP VIEW days_to_compact AS
    SELECT date, count(*) AS entries, any_value(compact_files.entries) AS compacted
    FROM index_files LEFT JOIN compact_files USING (date)
    WHERE date < strftime(current_date - 2, '%Y-%m-%d')
    GROUP BY date
    HAVING count(*) IS DISTINCT FROM any_value(compact_files.entries)
    ORDER BY date;

SET VARIABLE closed = (
    SELECT coalesce(list(file), []) FROM compact_files
    WHERE entries = (SELECT count(*) FROM index_files WHERE index_files.date = compact_files.date)
);
SET VARIABLE fresh = (
    SELECT coalesce(list(file), []) FROM index_files
    WHERE date NOT IN (SELECT date FROM compact_files WHERE list_contains(getvariable('closed'), file))
);

-- All that was shipped, each dump once.
CREATE OR REPLACE TEMP VIEW entries AS
    SELECT DISTINCT ON (machine, id) *
    FROM (
        FROM query(CASE WHEN len(getvariable('closed')) > 0
                   THEN 'FROM read_parquet(getvariable(''closed''), hive_partitioning = false)'
                   ELSE 'FROM no_lines' END)
        UNION ALL BY NAME
        FROM query(CASE WHEN len(getvariable('fresh')) > 0
                   THEN 'FROM lines_of(getvariable(''fresh''))'
                   ELSE 'FROM no_lines' END)
    )
    WHERE regexp_full_match(id, '[0-9a-f]{64}');

-- The crashes among them, without what a later state of the same dump replaces. `moment`: RFC 3339, or
-- the day alone where no time is known.
CREATE OR REPLACE TEMP VIEW crashes AS
    WITH once AS MATERIALIZED (FROM entries)
    SELECT coalesce(time, date) AS moment, *
    FROM once
    WHERE crash IS DISTINCT FROM false
      AND NOT EXISTS (
          FROM once AS later
          WHERE later.replaces = once.id AND later.machine IS NOT DISTINCT FROM once.machine);

CREATE OR REPLACE TEMP VIEW signatures AS
    SELECT coalesce(signature, title) AS signature, max(title) AS title, count(*) AS crashes,
           count(DISTINCT coalesce(machine, host)) AS machines, count(DISTINCT kernel) AS kernels,
           min(moment) AS first_seen, max(moment) AS last_seen
    FROM crashes GROUP BY ALL ORDER BY crashes DESC, signature;

-- First seen yesterday or today (UTC).
CREATE OR REPLACE TEMP VIEW new_signatures AS
    FROM signatures WHERE first_seen >= strftime(current_date - 1, '%Y-%m-%d');

CREATE OR REPLACE TEMP VIEW by_kernel AS
    SELECT kernel, coalesce(signature, title) AS signature, max(title) AS title,
           count(*) AS crashes, count(DISTINCT coalesce(machine, host)) AS machines
    FROM crashes GROUP BY ALL ORDER BY kernel, crashes DESC, signature;
