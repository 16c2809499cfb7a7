"""The dashboards as code: what each panel asks, tells and advises. `python -m deploy.dashboards`
writes their JSON."""

from deploy.grafana import cluster, fidelity, learner, overview

BOARDS = (overview.BOARD, learner.BOARD, fidelity.BOARD, cluster.BOARD)
