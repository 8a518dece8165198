"""Tests of how tools are found, installed and built."""
