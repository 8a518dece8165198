"""One request, hop by hop: what each proxy on its way would do with it, and what it did; pure."""
