-- The journal of revoked: everything that ever changed and still matters, in the order in which it happened.
-- It may be read with any SQLite from 3.37 on, at any time; only the daemon may write to it.
--
--   select * from revocations where member = 'the token id';

CREATE TABLE journal (
    sequence  INTEGER PRIMARY KEY, -- rising by one from row to row
    effect    INTEGER NOT NULL,    -- 1 member set        2 member removed   3 set at a key
                                   -- 4 key removed       5 database flushed 6 time: what follows was written then
                                   -- 7 string at a key   8 key ends         9 database renumbered by SWAPDB
                                   -- 11, 13, 17, 19: as 1, 3, 7, 9, but it was so before: the rows that said it first
                                   -- are gone, or will be
                                   -- 20 more: the member (in 21, 22, 31) or the key (in the others) is a UUID in lower
                                   -- case, and stands there as its 16 bytes
    space     INTEGER,             -- 0 to 15: where a key stands; the database of this number, unless a 9 says
                                   -- otherwise; null in 6
    container INTEGER,             -- the set's id, which stands for its key in 1 and 2; in 9 the database whose keys
                                   -- are those of the space from here on; in 6 the CRC-32 of the rows from the 6
                                   -- before on
    key       ANY,                 -- in 3, 4, 7 and 8
    value     ANY,                 -- the member in 1 and 2, the string in 7; keys and values are text, or a blob where
                                   -- they are no UTF-8, or packed
    time_ms   INTEGER              -- milliseconds since 1970: in 6 the time, in 1, 3, 7 and 8 when the member or the
                                   -- key ends; null, if it never does
) STRICT;

-- The rows, with the names as they were given.
CREATE VIEW effects AS
SELECT
    sequence,
    effect % 20 AS effect,
    space,
    container,
    CASE
        WHEN effect > 20 AND key IS NOT NULL THEN lower(
            hex(substr(key, 1, 4)) || '-' || hex(substr(key, 5, 2)) || '-' || hex(substr(key, 7, 2)) || '-'
            || hex(substr(key, 9, 2)) || '-' || hex(substr(key, 11))
        )
        ELSE key
    END AS key,
    CASE
        WHEN effect > 20 AND key IS NULL THEN lower(
            hex(substr(value, 1, 4)) || '-' || hex(substr(value, 5, 2)) || '-' || hex(substr(value, 7, 2)) || '-'
            || hex(substr(value, 9, 2)) || '-' || hex(substr(value, 11))
        )
        ELSE value
    END AS value,
    time_ms
FROM journal;

-- The keys that there are. A set whose members have all ended by themselves is still here. An end later than the year
-- 9999 shows as the end of that.
CREATE VIEW keys AS
WITH
    rare AS MATERIALIZED (
        SELECT sequence, effect, space, container FROM journal WHERE effect IN (5, 9, 19)
    ),
    flushed AS (
        SELECT space, max(sequence) AS sequence FROM rare WHERE effect = 5 GROUP BY space
    ),
    renumbered AS (
        SELECT container AS database, space, max(sequence) FROM rare WHERE effect <> 5 GROUP BY container
    ),
    latest AS (
        SELECT space, key, container, effect, value, max(sequence) AS sequence
        FROM effects WHERE effect IN (3, 4, 7, 13, 17) GROUP BY space, key
    ),
    ends AS (
        SELECT space, key, time_ms, max(sequence) FROM effects WHERE effect IN (3, 7, 8, 13, 17) GROUP BY space, key
    )
SELECT
    coalesce(renumbered.database, latest.space) AS database,
    latest.key,
    CASE latest.effect % 10 WHEN 3 THEN 'set' ELSE 'string' END AS type,
    latest.value,
    strftime('%Y-%m-%d %H:%M:%f', min(ends.time_ms, 253402300799999) / 1000.0, 'unixepoch') AS expires,
    latest.container
FROM latest
JOIN ends ON ends.space = latest.space AND ends.key = latest.key
LEFT JOIN flushed ON flushed.space = latest.space
LEFT JOIN renumbered ON renumbered.space = latest.space
WHERE latest.effect <> 4
    AND (flushed.sequence IS NULL OR flushed.sequence < latest.sequence)
    AND (ends.time_ms IS NULL OR ends.time_ms > round((julianday('now') - 2440587.5) * 86400000));

-- The members of all sets: what is revoked.
CREATE VIEW revocations AS
SELECT
    keys.database,
    keys.key,
    latest.value AS member,
    -- Both as text of the same form, the earlier is the lesser.
    coalesce(min(latest.expires, keys.expires), latest.expires, keys.expires) AS expires
FROM (
    SELECT
        container, value, effect, time_ms, max(sequence),
        strftime('%Y-%m-%d %H:%M:%f', min(time_ms, 253402300799999) / 1000.0, 'unixepoch') AS expires
    FROM effects WHERE effect IN (1, 2, 11) GROUP BY container, value
) AS latest
JOIN keys ON keys.container = latest.container
WHERE latest.effect <> 2
    AND (latest.time_ms IS NULL OR latest.time_ms > round((julianday('now') - 2440587.5) * 86400000));

-- What happened, and when (in UTC): the changes of which the journal still has rows.
CREATE VIEW history AS
WITH renumbered AS MATERIALIZED (
    SELECT sequence, space, container AS database FROM journal WHERE effect IN (9, 19)
)
SELECT
    effects.sequence,
    (
        SELECT strftime('%Y-%m-%d %H:%M:%f', time_ms / 1000.0, 'unixepoch')
        FROM journal AS stamp
        WHERE stamp.sequence <= effects.sequence AND stamp.effect = 6
        ORDER BY stamp.sequence DESC LIMIT 1
    ) AS at,
    CASE effects.effect
        WHEN 1 THEN 'member set'
        WHEN 2 THEN 'member removed'
        WHEN 3 THEN 'set at key'
        WHEN 4 THEN 'key removed'
        WHEN 5 THEN 'database flushed'
        WHEN 7 THEN 'string set'
        WHEN 8 THEN 'key expires'
        WHEN 9 THEN 'database swapped'
    END AS change,
    coalesce(
        (
            SELECT database FROM renumbered
            WHERE renumbered.space = effects.space AND renumbered.sequence <= effects.sequence
            ORDER BY renumbered.sequence DESC LIMIT 1
        ),
        effects.space
    ) AS database,
    coalesce(effects.key, stands.key) AS key,
    CASE WHEN effects.effect IN (1, 2) THEN effects.value END AS member,
    CASE WHEN effects.effect = 7 THEN effects.value END AS value,
    strftime('%Y-%m-%d %H:%M:%f', min(effects.time_ms, 253402300799999) / 1000.0, 'unixepoch') AS expires
FROM effects
LEFT JOIN (
    SELECT container, key, max(sequence) FROM effects WHERE effect IN (3, 13) GROUP BY container
) AS stands ON stands.container = effects.container AND effects.effect IN (1, 2)
WHERE effects.effect < 10 AND effects.effect <> 6;
