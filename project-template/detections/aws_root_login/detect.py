def detect(r):
    return (
        r.deepget("event.action") == "ConsoleLogin"
        and r.deepget("event.outcome") == "success"
        and r.deepget("aws.cloudtrail.user_identity.type") == "Root"
    )


def without_mfa(r):
    return r.deepget("aws.cloudtrail.console_login.additional_eventdata.mfa_used") is not True


def title(r):
    how = " without MFA" if without_mfa(r) else ""
    return f"Root user of AWS account {r.deepget('cloud.account.id')} signed in{how} from {r.deepget('source.address')}"


def dedupe(r):
    return r.deepget("cloud.account.id")


def severity(r):
    return "critical" if without_mfa(r) else "high"
