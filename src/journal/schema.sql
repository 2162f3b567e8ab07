-- The journal of revoked: everything that ever changed and still matters, in the order in which it happened.
-- It may be read with any SQLite from 3.37 on, at any time; only the daemon may write to it.
--
--   select * from revocations where member = 'the token id';

CREATE TABLE journal (
    sequence  INTEGER PRIMARY KEY, -- rising by one from row to row
    effect    INTEGER NOT NULL,    -- 1 member added    2 member removed   3 set created
                                   -- 4 key removed     5 database flushed 6 time: what follows was written then
    database  INTEGER,             -- 0 to 15; null in 6
    container INTEGER,             -- the set's id, which stands for its key in 1 and 2; null in 5 and 6
    key       ANY,                 -- in 3 and 4
    member    ANY,                 -- in 1 and 2; keys and members are text, or a blob where they are no UTF-8
    time_ms   INTEGER              -- in 6: milliseconds since 1970
) STRICT;

-- The keys that there are.
CREATE VIEW keys AS
WITH
    flushed AS MATERIALIZED (
        SELECT database, max(sequence) AS sequence FROM journal WHERE effect = 5 GROUP BY database
    ),
    latest AS (
        SELECT database, key, container, effect, max(sequence) AS sequence
        FROM journal WHERE effect IN (3, 4) GROUP BY database, key
    )
SELECT latest.database, latest.key, 'set' AS type, latest.container
FROM latest LEFT JOIN flushed ON flushed.database = latest.database
WHERE latest.effect = 3 AND (flushed.sequence IS NULL OR flushed.sequence < latest.sequence);

-- The members of all sets: what is revoked.
CREATE VIEW revocations AS
SELECT keys.database, keys.key, latest.member
FROM (
    SELECT container, member, effect, max(sequence) AS sequence
    FROM journal WHERE effect IN (1, 2) GROUP BY container, member
) AS latest
JOIN keys ON keys.container = latest.container
WHERE latest.effect = 1;

-- What happened, and when (in UTC).
CREATE VIEW history AS
SELECT
    journal.sequence,
    (
        SELECT strftime('%Y-%m-%d %H:%M:%f', time_ms / 1000.0, 'unixepoch')
        FROM journal AS stamp
        WHERE stamp.sequence <= journal.sequence AND stamp.effect = 6
        ORDER BY stamp.sequence DESC LIMIT 1
    ) AS at,
    CASE journal.effect
        WHEN 1 THEN 'member added'
        WHEN 2 THEN 'member removed'
        WHEN 3 THEN 'set created'
        WHEN 4 THEN 'key removed'
        WHEN 5 THEN 'database flushed'
    END AS change,
    journal.database,
    coalesce(journal.key, created.key) AS key,
    journal.member
FROM journal
LEFT JOIN (SELECT container, key FROM journal WHERE effect = 3) AS created
    ON created.container = journal.container
WHERE journal.effect <> 6;
