"""Finds, installs or builds the programs that the lab and Pulumi need."""
