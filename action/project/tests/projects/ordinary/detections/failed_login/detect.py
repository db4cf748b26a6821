from detection.enrichment import tor


def detect(r):
    return r.deepget("event.action") == "login_failed"
