-- The same question, asked of whole windows: one answer for every user and window of X seconds since the epoch.
--
-- Cheaper than a sliding window and easy to count, but a still spell that lies across a boundary may be missed:
-- `still_out_of_range.sql` sees it.

SET window       = INTERVAL '10 seconds';  -- X: the length of a window
SET still_metres = 10;                     -- the farthest that positions of someone still may lie apart, in metres
SET min_readings = 3;                      -- fewer readings than this say nothing
SET coverage     = 0.8;                    -- the share of the window that the readings have to span
SET lateness     = INTERVAL '0 seconds';   -- how long to wait for readings that arrive out of order

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

CREATE EXTERNAL TABLE baselines (
  user_id        VARCHAR NOT NULL,
  min_heart_rate INT     NOT NULL,  -- beats a minute
  max_heart_rate INT     NOT NULL,  -- beats a minute
  CHECK (min_heart_rate <= max_heart_rate)
)
STORED AS AVRO
LOCATION 'baselines'
OPTIONS ('key' 'user_id', 'record' 'baseline');

-- The event time of an answer is the end of its window: that is when it was known.
CREATE UNBOUNDED EXTERNAL TABLE findings (
  user_id        VARCHAR      NOT NULL,
  window_start   TIMESTAMP(3) NOT NULL,  -- UTC, the first instant of the window
  window_end     TIMESTAMP(3) NOT NULL,  -- UTC, the first instant after the window
  avg_heart_rate DOUBLE       NOT NULL,  -- beats a minute, mean of the window
  min_heart_rate INT          NOT NULL,  -- beats a minute, the user's own
  max_heart_rate INT          NOT NULL,  -- beats a minute, the user's own
  moved_metres   DOUBLE       NOT NULL,  -- metres
  readings       BIGINT       NOT NULL   -- readings in the window
)
STORED AS AVRO
LOCATION 'findings'
OPTIONS ('key' 'user_id', 'time' 'window_end', 'time_source' 'value', 'record' 'finding');

INSERT INTO findings
SELECT w.user_id, window_start, window_start + $window AS window_end,
       avg_heart_rate, min_heart_rate, max_heart_rate, moved_metres, readings
FROM (
  SELECT user_id, date_bin($window, time) AS window_start,
         avg(heart_rate) AS avg_heart_rate,
         count(*) AS readings,
         max(time) - min(time) AS spanned,
         haversine(min(latitude), min(longitude), max(latitude), max(longitude)) AS moved_metres
  FROM readings
  GROUP BY user_id, date_bin($window, time)
  HAVING count(*) >= $min_readings) w
-- The range is looked up when the window closes.
JOIN baselines b ON w.user_id = b.user_id
WHERE date_part('epoch', spanned) >= $coverage * date_part('epoch', $window)
  AND moved_metres <= $still_metres
  AND (avg_heart_rate < min_heart_rate OR avg_heart_rate > max_heart_rate);
