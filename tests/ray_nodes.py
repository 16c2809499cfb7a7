"""Start a Ray of four nodes on one machine: a head, one node with `gpu_like`, two for devices."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Print one line of JSON, and live until stdin is closed.

    It has the address, and of each node its id and its raylet's process id.
    """
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    workers = {
        "edge": cluster.add_node(num_cpus=2, resources={"gpu_like": 1}),
        "devices": cluster.add_node(num_cpus=4, resources={"midstep-devices": 1000}),
        "others": cluster.add_node(num_cpus=4, resources={"midstep-devices": 1000}),
    }
    cluster.wait_for_nodes()
    nodes = {
        name: {"id": node.node_id, "pid": node.all_processes["raylet"][0].process.pid}
        for name, node in workers.items()
    }
    print(json.dumps({"address": cluster.address, "nodes": nodes}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
