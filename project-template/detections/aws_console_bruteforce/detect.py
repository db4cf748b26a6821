from detection.enrichment import trusted_addresses


def detect(r):
    if r.deepget("event.action") != "ConsoleLogin" or r.deepget("event.outcome") != "failure":
        return False
    address = r.deepget("source.ip")
    return address is not None and trusted_addresses.get(address) is None


def title(r):
    return f"Many failed AWS console sign-ins from {r.deepget('source.ip')}"


def dedupe(r):
    return r.deepget("source.ip")


def alert_context(r):
    return {"user_agent": r.deepget("user_agent.original")}
