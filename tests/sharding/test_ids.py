"""Ids when a failover has lost what the catalogue's source recorded last: other shards bear witness."""

import logging
import time

import pytest
from wavetank.client.shards.shards import connect
from wavetank.servers.node import Servers

pytestmark = pytest.mark.group("four-shard")
LOG = logging.getLogger(__name__)
WORKERS = "SELECT worker, used_until_ms FROM sharding_work.id_workers"
LOSE = "UPDATE sharding_work.id_workers SET used_until_ms = %s WHERE worker = %s"


def test_ids_of_a_reservation_that_was_lost_do_not_come_again(servers: Servers) -> None:
    name, catalogue = servers.instance.name, servers["s1"]
    with connect(name) as before:
        before.new_id()
    had = {row["worker"]: row["used_until_ms"] for row in catalogue.query(WORKERS, account="admin")}
    with connect(name) as first, connect(name) as second, connect(name) as third, connect(name) as fourth:
        ids = [each.new_id() for each in (first, second)]
        for row in catalogue.query(WORKERS, account="admin"):
            if row["used_until_ms"] != had[row["worker"]]:
                catalogue.query(LOSE, [had[row["worker"]], row["worker"]], account="admin")
        began = time.monotonic()
        ids += [each.new_id() for each in (third, fourth)]
        LOG.info("two spans, each after refusals, in %.3f s", time.monotonic() - began)
        # By turns, so that many are of the same ms.
        ids += [each.new_id() for _ in range(2000) for each in (first, third, second, fourth)]
    assert len(ids) - len(set(ids)) == 0
