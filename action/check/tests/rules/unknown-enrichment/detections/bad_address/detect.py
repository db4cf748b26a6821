from detection.enrichment import bad_ip


def detect(r):
    return bad_ip.get(r.deepget("source.ip")) is not None
