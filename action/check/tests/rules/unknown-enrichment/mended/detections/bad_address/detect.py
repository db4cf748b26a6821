from detection.enrichment import bad_ips


def detect(r):
    return bad_ips.get(r.deepget("source.ip")) is not None
