"""The centre: the command, the cluster, the slot loop, the learner, the record and the report."""
