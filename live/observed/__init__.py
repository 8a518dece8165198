"""Reads from running clusters what health/ judges; changes nothing."""

from live.observed.observation import observe
from live.observed.topics import TOPICS, Topic, topics

__all__ = ["TOPICS", "Topic", "observe", "topics"]
