-- Users who go quiet for longer than they are remembered, and come back: their keys are forgotten in between.
-- The last baseline of user 1 breaks its CHECK: the one before stays in force, live and in batch.
-- Who is out of their own heart-rate range while not having moved for the last X seconds?
--
-- Every reading is judged with the readings of the same user in the last $window up to it. It is a finding when
--   * there are enough of them, and they cover enough of the window (no data is not stillness),
--   * all of them lie within $still_metres,
--   * and their mean heart rate is outside of the user's own historical range.
--
-- The same text answers live (`heartwatch run`) and over files (`heartwatch backtest`).

-- What you may change without editing this file: `--set window='1 minute' --set still_metres=15`.
-- A parameter is used as $name; its default says what kind of value it takes.
SET window       = INTERVAL '10 seconds';  -- X: how long someone has to be still
SET still_metres = 10;                     -- the farthest that positions of someone still may lie apart, in metres
SET min_readings = 3;                      -- fewer readings than this say nothing
SET coverage     = 0.8;                    -- the share of the window that the readings have to span
SET lateness     = INTERVAL '0 seconds';   -- how long to wait for readings that arrive out of order

-- Everyone's position and heart rate, as their watches send it. A stream is a topic whose records have a key (the
-- user) and an event time: here the record's own timestamp. A reading that fails a CHECK is not valid: live it goes to
-- the dead letters, in batch it is left out, and both count it.
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id    VARCHAR      NOT NULL,
  time       TIMESTAMP(3) NOT NULL,  -- UTC
  zipcode    INT,
  latitude   DOUBLE       NOT NULL,  -- degrees
  longitude  DOUBLE       NOT NULL,  -- degrees
  heart_rate INT          NOT NULL,  -- beats a minute
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180)
)
STORED AS AVRO
LOCATION 'readings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading', 'lateness' '$lateness');

-- Every user's own range. A table is a topic that keeps the latest record of each key.
CREATE EXTERNAL TABLE baselines (
  user_id        VARCHAR NOT NULL,
  min_heart_rate INT     NOT NULL,  -- beats a minute
  max_heart_rate INT     NOT NULL,  -- beats a minute
  CHECK (min_heart_rate <= max_heart_rate)
)
STORED AS AVRO
LOCATION 'baselines'
OPTIONS ('key' 'user_id', 'record' 'baseline');

-- Where the answers go. The columns of the query below are written by position.
CREATE UNBOUNDED EXTERNAL TABLE findings (
  user_id        VARCHAR      NOT NULL,
  time           TIMESTAMP(3) NOT NULL,  -- UTC, of the reading that was judged
  avg_heart_rate DOUBLE       NOT NULL,  -- beats a minute, mean of the window
  min_heart_rate INT          NOT NULL,  -- beats a minute, the user's own
  max_heart_rate INT          NOT NULL,  -- beats a minute, the user's own
  moved_metres   DOUBLE       NOT NULL,  -- metres
  readings       BIGINT       NOT NULL   -- readings in the window
)
STORED AS AVRO
LOCATION 'findings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'finding');

INSERT INTO findings
SELECT user_id, time, avg_heart_rate, min_heart_rate, max_heart_rate, moved_metres, readings
FROM (
  SELECT r.user_id, r.time, b.min_heart_rate, b.max_heart_rate,
         avg(r.heart_rate) OVER w AS avg_heart_rate,
         count(*) OVER w AS readings,
         max(r.time) OVER w - min(r.time) OVER w AS spanned,
         -- How far apart the corners of all positions lie: nobody can have moved further and come back unseen.
         haversine(min(r.latitude) OVER w, min(r.longitude) OVER w,
                   max(r.latitude) OVER w, max(r.longitude) OVER w) AS moved_metres
  FROM readings r JOIN baselines b ON r.user_id = b.user_id
  WINDOW w AS (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN $window PRECEDING AND CURRENT ROW))
WHERE readings >= $min_readings
  AND date_part('epoch', spanned) >= $coverage * date_part('epoch', $window)
  AND moved_metres <= $still_metres
  AND (avg_heart_rate < min_heart_rate OR avg_heart_rate > max_heart_rate);
