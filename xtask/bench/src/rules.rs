//! A hundred detections, the same ones in two styles.

/// How detections read a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `(r.get('event') or {}).get('action')`: a plain dictionary does as well.
    Plain,
    /// `r.deepget('event.action')`, as our documentation has it: records of the plain loop need that method.
    Deepget,
}

impl Style {
    /// As the plain loop knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Deepget => "deepget",
        }
    }
}

/// What detections look like: mostly a few comparisons, seldom a list. `{n}` is a number, so that no two are alike.
///
/// They look at fields that CloudTrail rows have, get past the first comparison about as often as real ones do, and
/// hardly ever fire.
const PLAIN: [&str; 12] = [
    // one call of one service
    "
def detect(r):
    event = r.get('event') or {}
    return event.get('provider') == 'iam.amazonaws.com' and event.get('action') == 'CreateUser{n}'
",
    // one of several calls
    "
CALLS = {'StopLogging{n}', 'DeleteTrail{n}', 'UpdateTrail{n}', 'PutEventSelectors{n}'}

def detect(r):
    return r['event'].get('action') in CALLS
",
    // failed sign-ins
    "
def detect(r):
    event = r['event']
    if event.get('action') != 'ConsoleLogin':
        return False
    return event.get('outcome') == 'failure' and (r.get('user') or {}).get('name') == 'user{n}'
",
    // the root user
    "
def detect(r):
    identity = r['aws']['cloudtrail'].get('user_identity') or {}
    return identity.get('type') == 'Root' and r['event'].get('action') != 'Action{n}'
",
    // names by their beginnings
    "
def detect(r):
    action = (r.get('event') or {}).get('action') or ''
    return action.startswith(('Describe{n}', 'List{n}')) and not action.endswith('Tags')
",
    // from an address that is known
    "
KNOWN = {'203.0.113.{n}', '198.51.100.{n}x'}

def detect(r):
    source = r.get('source') or {}
    return source.get('ip') in KNOWN and r['event'].get('outcome') == 'success'
",
    // refused calls
    "
def detect(r):
    error = r.get('error') or {}
    if error.get('code') not in ('AccessDenied', 'UnauthorizedOperation'):
        return False
    return r['event'].get('action') == 'GetSecretValue{n}'
",
    // words in parameters
    "
def detect(r):
    if r['event'].get('action') not in ('PutBucketPolicy', 'AuthorizeSecurityGroupIngress', 'PutRolePolicy'):
        return False
    parameters = r['aws']['cloudtrail'].get('request_parameters') or ''
    return '0.0.0.{n}/0' in parameters
",
    // a session's role
    "
def detect(r):
    session = (r['aws']['cloudtrail'].get('user_identity') or {}).get('session_context') or {}
    issuer = session.get('session_issuer') or {}
    return issuer.get('user_name') == 'Admin{n}' and session.get('mfa_authenticated') is not True
",
    // somebody's tools
    "
def detect(r):
    agent = (r.get('user_agent') or {}).get('original') or ''
    return 'kali{n}' in agent or 'pacu{n}' in agent
",
    // any name of several
    "
def detect(r):
    names = (r.get('related') or {}).get('user') or []
    return any(name == 'backdoor{n}' for name in names)
",
    // an account and a region where nothing should happen
    "
def detect(r):
    cloud = r.get('cloud') or {}
    account = (cloud.get('account') or {}).get('id')
    return account == '11112222{n}' and cloud.get('region') not in ('eu-central-1', 'us-east-1')
",
];

/// The same with `deepget`.
const DEEPGET: [&str; 12] = [
    "
def detect(r):
    return r.deepget('event.provider') == 'iam.amazonaws.com' and r.deepget('event.action') == 'CreateUser{n}'
",
    "
CALLS = {'StopLogging{n}', 'DeleteTrail{n}', 'UpdateTrail{n}', 'PutEventSelectors{n}'}

def detect(r):
    return r.deepget('event.action') in CALLS
",
    "
def detect(r):
    if r.deepget('event.action') != 'ConsoleLogin':
        return False
    return r.deepget('event.outcome') == 'failure' and r.deepget('user.name') == 'user{n}'
",
    "
def detect(r):
    return r.deepget('aws.cloudtrail.user_identity.type') == 'Root' and r.deepget('event.action') != 'Action{n}'
",
    "
def detect(r):
    action = r.deepget('event.action', '')
    return action.startswith(('Describe{n}', 'List{n}')) and not action.endswith('Tags')
",
    "
KNOWN = {'203.0.113.{n}', '198.51.100.{n}x'}

def detect(r):
    return r.deepget('source.ip') in KNOWN and r.deepget('event.outcome') == 'success'
",
    "
def detect(r):
    if r.deepget('error.code') not in ('AccessDenied', 'UnauthorizedOperation'):
        return False
    return r.deepget('event.action') == 'GetSecretValue{n}'
",
    "
def detect(r):
    if r.deepget('event.action') not in ('PutBucketPolicy', 'AuthorizeSecurityGroupIngress', 'PutRolePolicy'):
        return False
    return '0.0.0.{n}/0' in r.deepget('aws.cloudtrail.request_parameters', '')
",
    "
def detect(r):
    name = r.deepget('aws.cloudtrail.user_identity.session_context.session_issuer.user_name')
    mfa = r.deepget('aws.cloudtrail.user_identity.session_context.mfa_authenticated')
    return name == 'Admin{n}' and mfa is not True
",
    "
def detect(r):
    agent = r.deepget('user_agent.original', '')
    return 'kali{n}' in agent or 'pacu{n}' in agent
",
    "
def detect(r):
    return any(name == 'backdoor{n}' for name in r.deepget('related.user', []))
",
    "
def detect(r):
    account = r.deepget('cloud.account.id')
    return account == '11112222{n}' and r.deepget('cloud.region') not in ('eu-central-1', 'us-east-1')
",
];

/// Source texts of so many detections.
pub fn detections(style: Style, count: usize) -> Vec<String> {
    let shapes = match style {
        Style::Plain => PLAIN,
        Style::Deepget => DEEPGET,
    };
    (0..count).map(|n| shapes[n % shapes.len()].replace("{n}", &n.to_string())).collect()
}
