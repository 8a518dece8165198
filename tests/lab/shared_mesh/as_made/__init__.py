"""The mesh as `pulumi up` made it, before anything of it was changed."""
