"""One request walked through the proxies of several clusters, sent, and followed through their access logs."""
