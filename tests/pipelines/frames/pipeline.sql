-- Several frames in one query, every aggregate, and a column that may be null.
-- stddev only where values differ: DataFusion takes rows out of its running variance, and then gives 1e-6 or NaN for 0.
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL,
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180))
STORED AS AVRO LOCATION 'readings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading');
CREATE UNBOUNDED EXTERNAL TABLE profile (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL,
  short_count BIGINT NOT NULL, short_sum BIGINT, short_avg DOUBLE, short_min INT, short_max INT, long_heart_stddev DOUBLE,
  long_avg DOUBLE, long_zipcodes BIGINT NOT NULL, long_zipcode INT, long_latitude DOUBLE, long_stddev DOUBLE, since TIMESTAMP(3))
STORED AS AVRO LOCATION 'profile' OPTIONS ('key' 'user_id', 'time' 'time');
INSERT INTO profile
SELECT user_id, time,
  count(*) OVER s, sum(heart_rate) OVER s, avg(heart_rate) OVER s, min(heart_rate) OVER s, max(heart_rate) OVER s, stddev(heart_rate) OVER l,
  avg(heart_rate) OVER l, count(zipcode) OVER l, max(zipcode) OVER l, avg(latitude) OVER l, stddev_pop(longitude) OVER l, min(time) OVER l
FROM readings
WHERE heart_rate <> 71
WINDOW s AS (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '5 seconds' PRECEDING AND CURRENT ROW),
       l AS (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW);
