"""A stack's state as Pulumi exports it: completed from what is live, and cleared of a cluster that is gone."""
