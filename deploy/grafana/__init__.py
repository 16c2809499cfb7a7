"""Dashboards as code: `python -m deploy.dashboards` writes their JSON and their page."""

from deploy.grafana import cluster, fidelity, learner, overview

BOARDS = (overview.BOARD, learner.BOARD, fidelity.BOARD, cluster.BOARD)
