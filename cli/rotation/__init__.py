"""`spanmesh rotate`: another root, or other intermediates, stage by stage, each of them one `pulumi up`."""
