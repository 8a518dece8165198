"""Reads from running clusters what health/ judges; changes nothing."""

from live.observed.across import second_look
from live.observed.observation import observe
from live.observed.topics import TOPICS, Topic, topics

__all__ = ["TOPICS", "Topic", "observe", "second_look", "topics"]
