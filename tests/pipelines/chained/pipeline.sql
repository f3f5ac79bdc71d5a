-- The sink of one job is the source of the next: windows over windows, with a topic between them.
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL,
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180))
STORED AS AVRO LOCATION 'readings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading');
CREATE UNBOUNDED EXTERNAL TABLE tens (
  user_id VARCHAR NOT NULL, start TIMESTAMP(3) NOT NULL, mean DOUBLE NOT NULL, readings BIGINT NOT NULL)
STORED AS AVRO LOCATION 'tens' OPTIONS ('key' 'user_id', 'time' 'start');
CREATE UNBOUNDED EXTERNAL TABLE trend (user_id VARCHAR NOT NULL, start TIMESTAMP(3) NOT NULL, mean DOUBLE NOT NULL, of_last_half_minute DOUBLE NOT NULL)
STORED AS AVRO LOCATION 'trend' OPTIONS ('key' 'user_id', 'time' 'start');
INSERT INTO tens
SELECT user_id, date_bin(INTERVAL '10 seconds', time), avg(heart_rate), count(*)
FROM readings GROUP BY user_id, date_bin(INTERVAL '10 seconds', time) HAVING count(*) > 2;
INSERT INTO trend
SELECT user_id, start, mean,
  avg(mean) OVER (PARTITION BY user_id ORDER BY start RANGE BETWEEN INTERVAL '30 seconds' PRECEDING AND CURRENT ROW)
FROM tens;
