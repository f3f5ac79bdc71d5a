-- Without a window: filters, scalar functions, a left join.
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL,
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180))
STORED AS AVRO LOCATION 'readings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading');
CREATE EXTERNAL TABLE baselines (
  user_id VARCHAR NOT NULL, min_heart_rate INT NOT NULL, max_heart_rate INT NOT NULL)
STORED AS AVRO LOCATION 'baselines' OPTIONS ('key' 'user_id', 'record' 'baseline');
CREATE UNBOUNDED EXTERNAL TABLE notes (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, note VARCHAR NOT NULL, over INT, rounded DOUBLE NOT NULL, hour TIMESTAMP(3))
STORED AS AVRO LOCATION 'notes' OPTIONS ('key' 'user_id', 'time' 'time');
INSERT INTO notes
SELECT r.user_id, r.time, upper(concat('user ', r.user_id)), r.heart_rate - b.max_heart_rate, round(r.latitude, 2), date_trunc('hour', r.time)
FROM readings r LEFT JOIN baselines b ON r.user_id = b.user_id
WHERE r.heart_rate > coalesce(b.max_heart_rate, 72) AND r.zipcode IS NOT NULL;
