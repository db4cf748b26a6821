import json

TAMPERING = {
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "StopEventDataStoreIngestion",
    "DeleteEventDataStore",
}


def detect(r):
    return r.deepget("event.provider") == "cloudtrail.amazonaws.com" and r.deepget("event.action") in TAMPERING


def title(r):
    return f"CloudTrail: {r.deepget('event.action')} by {who(r)} in account {r.deepget('cloud.account.id')}"


def dedupe(r):
    return f"{r.deepget('cloud.account.id')}/{who(r)}"


def severity(r):
    return "high" if r.deepget("event.outcome") == "success" else "medium"


def alert_context(r):
    parameters = json.loads(r.deepget("aws.cloudtrail.request_parameters") or "{}")
    trail = parameters.get("name") or parameters.get("trailName") or parameters.get("eventDataStore")
    return {"trail": trail} if trail else {}


def who(r):
    return r.deepget("user.name") or r.deepget("user.id") or "an unknown user"
