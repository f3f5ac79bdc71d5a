#!/bin/bash
# secure-broker.sh FOLDER PORT: starts one broker of Apache Kafka on this machine, for the tests of encryption and logins.
#   PORT plain text, PORT+1 TLS, PORT+2 TLS and login, PORT+3 login, PORT+4 TLS with a certificate of the client's
#   Users: anna (anna-secret) may do everything, bert (bert-secret, SCRAM-SHA-256 only) nothing.
# Needs KAFKA_LIBS, the folder of Kafka's jars, and java and openssl. Its process id is in FOLDER/pids: end it by that.
# Then: HEARTWATCH_TEST_KAFKA_SECURE=FOLDER cargo test -p hw-log --lib kafka
set -euo pipefail
DIR="$1"; PORT="$2"; CP="$KAFKA_LIBS/*"
mkdir -p "$DIR"; cd "$DIR"; DIR="$PWD"
echo "$PORT" > port
if [ ! -s ca.pem ]; then
 openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/CN=test ca" 2>/dev/null
 for n in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr -subj "/CN=$n" 2>/dev/null
  printf "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n" > $n.ext
  openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.crt -days 30 -extfile $n.ext 2>/dev/null
  openssl pkcs8 -topk8 -nocrypt -in $n.key -out $n.p8
  cat $n.p8 $n.crt ca.pem > $n.pem
 done
fi
[ -s cluster.id ] || java -cp "$CP" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -1 > cluster.id
cat > server.properties <<P
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$((PORT+9))
listeners=PLAINTEXT://127.0.0.1:$PORT,SSL://127.0.0.1:$((PORT+1)),SASL_SSL://127.0.0.1:$((PORT+2)),SASL_PLAINTEXT://127.0.0.1:$((PORT+3)),MTLS://127.0.0.1:$((PORT+4)),CONTROLLER://127.0.0.1:$((PORT+9))
advertised.listeners=PLAINTEXT://localhost:$PORT,SSL://localhost:$((PORT+1)),SASL_SSL://localhost:$((PORT+2)),SASL_PLAINTEXT://localhost:$((PORT+3)),MTLS://localhost:$((PORT+4)),CONTROLLER://127.0.0.1:$((PORT+9))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,MTLS:SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$DIR/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/ca.pem
listener.name.mtls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_anna="anna-secret";
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_anna="anna-secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
connections.max.reauth.ms=3000
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:anna;User:CN=client
P
if [ ! -e data/meta.properties ]; then
 java -cp "$CP" kafka.tools.StorageTool format -t "$(cat cluster.id)" -c server.properties --standalone \
  --add-scram 'SCRAM-SHA-256=[name=anna,iterations=4096,password=anna-secret]' --add-scram 'SCRAM-SHA-512=[name=anna,iterations=8192,password=anna-secret]' \
  --add-scram 'SCRAM-SHA-256=[name=bert,iterations=4096,password=bert-secret]' > format.out 2>&1 || { cat format.out; exit 1; }
fi
setsid nohup java -Xms512m -Xmx512m -Dkafka.logs.dir="$DIR" -cp "$CP" kafka.Kafka server.properties > server.out 2>&1 < /dev/null &
echo $! > pids
for i in $(seq 300); do grep -q "Kafka Server started" server.out && break; kill -0 "$(cat pids)" || { tail -20 server.out; exit 1; }; sleep 0.2; done
echo "ready: HEARTWATCH_TEST_KAFKA_SECURE=$DIR"
