"""Topics as a foreign administrator makes and watches them.

It reads and writes no records.
"""

import argparse
import sys
import time

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

import client


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    client.add_options(parser)
    chores = parser.add_subparsers(dest="chore", required=True)
    create = chores.add_parser("create", help="make topics that are not there")
    create.add_argument("names", nargs="+")
    create.add_argument("--partitions", type=int, default=1)
    create.add_argument("--replication", type=int, default=-1, help="the cluster's default without")
    create.add_argument("--config", action="append", default=[], metavar="NAME=VALUE")
    enlarge = chores.add_parser("enlarge", help="give a topic more partitions")
    enlarge.add_argument("name")
    enlarge.add_argument("--partitions", type=int, required=True, help="how many there are to be")
    delete_records = chores.add_parser("delete-records", help="remove what stands below an offset in all partitions")
    delete_records.add_argument("name")
    delete_records.add_argument("--below", type=int, required=True)
    chores.add_parser("reach", help="say whether the cluster lets this client in, within a few seconds")
    in_sync = chores.add_parser("in-sync", help="wait until every partition has a leader and all replicas in sync")
    in_sync.add_argument("--brokers", type=int, required=True, help="how many have to be there")
    in_sync.add_argument("--patience", type=float, default=90, help="seconds")
    return parser.parse_args()


def create(admin: AdminClient, options: argparse.Namespace) -> None:
    config = dict(pair.split("=", 1) for pair in options.config)
    wanted = [
        NewTopic(name, num_partitions=options.partitions, replication_factor=options.replication, config=config)
        for name in options.names
    ]
    for future in admin.create_topics(wanted, operation_timeout=30).values():
        future.result()
    wait_until_seen(admin, options.names, options.partitions)


def enlarge(admin: AdminClient, options: argparse.Namespace) -> None:
    for future in admin.create_partitions([NewPartitions(options.name, options.partitions)]).values():
        future.result()
    wait_until_seen(admin, [options.name], options.partitions)


def delete_records(admin: AdminClient, options: argparse.Namespace) -> None:
    partitions = admin.list_topics(options.name, timeout=30).topics[options.name].partitions
    wanted = [TopicPartition(options.name, number, options.below) for number in partitions]
    for future in admin.delete_records(wanted).values():
        future.result()


def wait_until_seen(admin: AdminClient, names: list[str], partitions: int) -> None:
    # Created is not yet known to every broker: a client that asks another one would not find it.
    deadline = time.monotonic() + 30
    while True:
        known = admin.list_topics(timeout=30).topics
        if all(name in known and len(known[name].partitions) == partitions for name in names):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"created, but not to be seen: {names}")
        time.sleep(0.05)


def behind(admin: AdminClient, brokers: int) -> list[str]:
    """What is not as it should be."""
    try:
        metadata = admin.list_topics(timeout=5)
    except KafkaException as error:
        return [str(error)]
    found = [f"{len(metadata.brokers)} of {brokers} brokers"] if len(metadata.brokers) < brokers else []
    for topic in metadata.topics.values():
        for part in topic.partitions.values():
            if part.leader < 0 or len(part.isrs) < len(part.replicas):
                found.append(f"{topic.topic}-{part.id}: leader {part.leader}, in sync {part.isrs} of {part.replicas}")
    return found


def in_sync(admin: AdminClient, options: argparse.Namespace) -> None:
    deadline = time.monotonic() + options.patience
    while problems := behind(admin, options.brokers):
        if time.monotonic() > deadline:
            raise SystemExit("not in sync: " + "; ".join(problems))
        time.sleep(0.2)


def reach(admin: AdminClient, _: argparse.Namespace) -> None:
    admin.list_topics(timeout=5)


def main() -> int:
    options = arguments()
    admin = AdminClient(client.properties(options))
    chores = {
        "create": create,
        "enlarge": enlarge,
        "delete-records": delete_records,
        "reach": reach,
        "in-sync": in_sync,
    }
    chores[options.chore](admin, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
