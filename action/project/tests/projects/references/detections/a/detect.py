from detection.enrichment import tor_exits
from detection.enrichment import (
    tor_exits as tor,
    geoip,
)
from detection.enrichment import vpn  # all of them


def detect(r):
    return True
