"""The ``spanmesh`` command."""
