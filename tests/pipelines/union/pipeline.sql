-- Two streams into one sink.
SET limit = 100;
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL,
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180))
STORED AS AVRO LOCATION 'readings'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading');
CREATE UNBOUNDED EXTERNAL TABLE chest_straps (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL,
  CHECK (heart_rate BETWEEN 1 AND 300),
  CHECK (latitude BETWEEN -90 AND 90),
  CHECK (longitude BETWEEN -180 AND 180))
STORED AS AVRO LOCATION 'chest_straps'
OPTIONS ('key' 'user_id', 'time' 'time', 'record' 'reading');
CREATE UNBOUNDED EXTERNAL TABLE high (user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, heart_rate INT NOT NULL, origin VARCHAR NOT NULL)
STORED AS AVRO LOCATION 'high' OPTIONS ('key' 'user_id', 'time' 'time');
INSERT INTO high
SELECT user_id, time, heart_rate, 'watch' FROM readings WHERE heart_rate > $limit
UNION ALL
SELECT user_id, time, heart_rate, 'strap' FROM chest_straps WHERE heart_rate > $limit + 5;
