-- The crashes of a fleet in ClickHouse (26.9): views over what `pstorefs --ship` has sent. See
-- docs/fleet.md. Once, with the key of somebody who may read:
--
--     CREATE NAMED COLLECTION pstorefs AS
--         url = 'https://crashes.example.org/crashes/fleet/v1/',
--         access_key_id = 'READER', secret_access_key = 'CHANGE-ME';
--
-- and then this file. Over a directory (which the server's user_files_path must allow), both files by
--     sed "s|s3(pstorefs, filename = '|file('/srv/crashes/fleet/v1/|; s/format = //; s/structure = //"
--
-- The views look at the store at each query. Days that are compacted (clickhouse-compact.sql) are read
-- in compact/, if each of their index entries has its row; all others in index/. Whatever anybody may
-- have put into index/ is a row or none, never an error: one line of JSON in columns of fixed types,
-- or nothing.

CREATE DATABASE IF NOT EXISTS pstorefs;

-- LIST alone: nothing is read of the files.
CREATE OR REPLACE VIEW pstorefs.index_files AS
    SELECT _path AS file, extract(_path, '/date=([0-9-]{10})/[^/]*$') AS date
    FROM s3(pstorefs, filename = 'index/date=*/*.json', format = 'One');

-- What a row has: names and types of pstorefs/fleet/entry.py. Views keep the text of these functions, and
-- so the functions go again at the end of this file. (It needs the right to CREATE FUNCTION and to drop it.)
CREATE OR REPLACE FUNCTION pstorefs_columns AS () ->
    'schema Nullable(Int32), machine Nullable(String), host Nullable(String), dump Nullable(String),
     id Nullable(String), replaces Nullable(String), label Nullable(String), program Nullable(String),
     type Nullable(String), backend Nullable(String), reason Nullable(String), count Nullable(Int64),
     crash Nullable(Bool), time Nullable(String), time_source Nullable(String), title Nullable(String),
     class Nullable(String), signature Nullable(String), stack Nullable(String), panic Nullable(String),
     kernel Nullable(String), build Nullable(String), taint Nullable(String),
     reading_kernel Nullable(String), hardware Nullable(String), cpu Nullable(Int64),
     pid Nullable(Int64), comm Nullable(String), ip Nullable(String), module Nullable(String),
     trace Array(String), boot Nullable(String), boot_order Nullable(Int64), records Nullable(Int64),
     complete Nullable(Bool), saved Nullable(String)';

CREATE OR REPLACE FUNCTION pstorefs_bundle AS (before) ->
    concat(before, 'key Nullable(String), ', before, 'size Nullable(Int64), ',
           before, 'sha256 Nullable(String), ', before, 'tar_sha256 Nullable(String)');

CREATE OR REPLACE VIEW pstorefs.compact_rows AS
    SELECT _path AS file, *
    FROM s3(pstorefs, filename = 'compact/date=*/all.parquet', format = 'Parquet', structure = concat(
        'entry String, date String, ', pstorefs_columns(), ', ', pstorefs_bundle('bundle_')));

-- A day is closed if compact/ has a row for each of its entries.
CREATE OR REPLACE VIEW pstorefs.days AS
    SELECT date, entries, compacted, entries = compacted AS closed
    FROM (SELECT date, count() AS entries FROM pstorefs.index_files GROUP BY date) AS there
    LEFT JOIN (
        SELECT extract(file, '/date=([0-9-]{10})/[^/]*$') AS date, count() AS compacted
        FROM pstorefs.compact_rows GROUP BY date
    ) AS done USING (date);

CREATE OR REPLACE VIEW pstorefs.days_to_compact AS
    SELECT date, entries, compacted FROM pstorefs.days
    WHERE NOT closed AND date < toString(toDate(now('UTC')) - 2)
    ORDER BY date;

-- One row for each index entry, its columns null where it is not one line of JSON. null(...) has no row: it
-- gives the columns their names.
CREATE OR REPLACE VIEW pstorefs.lines AS
    SELECT *
    FROM null(concat('file String, entry String, date String, ', pstorefs_columns(), ', ',
                     pstorefs_bundle('bundle_')))
    UNION ALL
    SELECT file, extract(file, 'v1/index/.*'), extract(file, '/date=([0-9-]{10})/[^/]*$'),
           t.* EXCEPT (bundle), t.bundle.*
    FROM (
        SELECT _path AS file, JSONExtract(substring(line, 1, 131072), concat(
            'Tuple(', pstorefs_columns(), ', bundle Tuple(', pstorefs_bundle(''), '))')) AS t
        FROM s3(pstorefs, filename = 'index/date=*/*.json', format = 'RawBLOB',
                structure = 'line String'));

-- All that was shipped, each dump once.
CREATE OR REPLACE VIEW pstorefs.entries AS
    SELECT * EXCEPT (file)
    FROM (
        SELECT * FROM pstorefs.compact_rows
        WHERE extract(file, '/date=([0-9-]{10})/[^/]*$')
              IN (SELECT date FROM pstorefs.days WHERE closed)
        UNION ALL
        SELECT * FROM pstorefs.lines
        WHERE date NOT IN (SELECT date FROM pstorefs.days WHERE closed)
    )
    WHERE match(id, '^[0-9a-f]{64}$')
    LIMIT 1 BY machine, id;

-- The crashes among them, without what a later state of the same dump replaces. `moment`: RFC 3339,
-- or the day alone where no time is known.
CREATE OR REPLACE VIEW pstorefs.crashes AS
    SELECT * EXCEPT (gone)
    FROM (
        SELECT coalesce(time, date) AS moment, *,
               groupUniqArray(replaces) OVER (PARTITION BY machine) AS gone
        FROM pstorefs.entries
    )
    WHERE crash IS DISTINCT FROM false AND NOT has(gone, id);

CREATE OR REPLACE VIEW pstorefs.signatures AS
    SELECT coalesce(c.signature, c.title) AS signature, max(c.title) AS title, count() AS crashes,
           uniqExact(coalesce(machine, host)) AS machines, uniqExact(kernel) AS kernels,
           min(moment) AS first_seen, max(moment) AS last_seen
    FROM pstorefs.crashes AS c GROUP BY coalesce(c.signature, c.title)
    ORDER BY crashes DESC, signature;

-- First seen yesterday or today (UTC).
CREATE OR REPLACE VIEW pstorefs.new_signatures AS
    SELECT * FROM pstorefs.signatures WHERE first_seen >= toString(toDate(now('UTC')) - 1);

CREATE OR REPLACE VIEW pstorefs.by_kernel AS
    SELECT kernel, coalesce(c.signature, c.title) AS signature, max(c.title) AS title,
           count() AS crashes, uniqExact(coalesce(machine, host)) AS machines
    FROM pstorefs.crashes AS c GROUP BY kernel, coalesce(c.signature, c.title)
    ORDER BY kernel, crashes DESC, signature;

DROP FUNCTION pstorefs_columns;
DROP FUNCTION pstorefs_bundle;
