//! One CloudTrail event, its members in the order CloudTrail writes them.
//!
//! The format is described at
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>.

use chrono::{DateTime, SecondsFormat};

use crate::{
    dice::Dice,
    json::{Json, object},
    world::{Role, User},
};

/// A call and all that is reported about it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Seconds since the Unix epoch.
    pub time: i64,
    pub account: String,
    pub region: String,
    pub identity: Json,
    pub source: &'static str,
    pub name: &'static str,
    pub address: String,
    pub user_agent: String,
    pub error: Option<(&'static str, String)>,
    pub request: Json,
    pub response: Json,
    pub additional: Option<Json>,
    pub resources: Option<Json>,
    pub read_only: bool,
    pub kind: Kind,
}

/// What sort of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call that changes or reads settings.
    Management,
    /// A call that touches what is stored.
    Data,
    /// Somebody at the console's door.
    SignIn,
}

impl Event {
    /// Appends it as JSON.
    pub fn write(&self, dice: &mut Dice, out: &mut String) {
        let sign_in = self.kind == Kind::SignIn;
        let mut members = vec![
            ("eventVersion", "1.11".into()),
            ("userIdentity", self.identity.clone()),
            ("eventTime", timestamp(self.time).into()),
            ("eventSource", self.source.into()),
            ("eventName", self.name.into()),
            ("awsRegion", self.region.as_str().into()),
            ("sourceIPAddress", self.address.as_str().into()),
            ("userAgent", self.user_agent.as_str().into()),
        ];
        if let Some((code, message)) = &self.error {
            if !sign_in {
                members.push(("errorCode", (*code).into()));
            }
            members.push(("errorMessage", message.into()));
        }
        members.push(("requestParameters", self.request.clone()));
        members.push(("responseElements", self.response.clone()));
        if let Some(additional) = &self.additional {
            members.push(("additionalEventData", additional.clone()));
        }
        if !sign_in {
            members.push(("requestID", dice.uuid().into()));
        }
        members.push(("eventID", dice.uuid().into()));
        members.push(("readOnly", self.read_only.into()));
        if let Some(resources) = &self.resources {
            members.push(("resources", resources.clone()));
        }
        members.push(("eventType", if sign_in { "AwsConsoleSignIn" } else { "AwsApiCall" }.into()));
        members.push(("managementEvent", (self.kind != Kind::Data).into()));
        members.push(("recipientAccountId", self.account.as_str().into()));
        members.push(("eventCategory", if self.kind == Kind::Data { "Data" } else { "Management" }.into()));
        if self.address.starts_with("10.") {
            members.push(("vpcEndpointId", "vpce-0f1e2d3c4b5a69788".into()));
            members.push(("vpcEndpointAccountId", self.account.as_str().into()));
        }
        if !self.address.ends_with(".amazonaws.com") {
            members.push(("tlsDetails", self.tls()));
        }
        if self.user_agent.starts_with("Mozilla/") && !sign_in {
            members.push(("sessionCredentialFromConsole", "true".into()));
        }
        Json::Object(members).write(out);
    }

    fn tls(&self) -> Json {
        let service = self.source.trim_end_matches(".amazonaws.com");
        let host = if self.kind == Kind::SignIn {
            format!("{}.signin.aws.amazon.com", self.region)
        } else {
            format!("{service}.{}.amazonaws.com", self.region)
        };
        object! {"tlsVersion" => "TLSv1.3", "cipherSuite" => "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader" => host}
    }
}

/// `2026-03-02T09:00:00Z`
pub fn timestamp(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The root user.
pub fn root(account: &str) -> Json {
    object! {
        "type" => "Root",
        "principalId" => account,
        "arn" => format!("arn:aws:iam::{account}:root"),
        "accountId" => account,
        "accessKeyId" => "",
    }
}

/// An IAM user with a permanent key.
pub fn user(user: &User, account: &str) -> Json {
    object! {
        "type" => "IAMUser",
        "principalId" => &user.principal,
        "arn" => format!("arn:aws:iam::{account}:user/{}", user.name),
        "accountId" => account,
        "accessKeyId" => &user.access_key,
        "userName" => user.name,
    }
}

/// An IAM user at the console, since `since`.
pub fn console_user(user: &User, account: &str, since: i64, mfa: bool, dice: &mut Dice) -> Json {
    object! {
        "type" => "IAMUser",
        "principalId" => &user.principal,
        "arn" => format!("arn:aws:iam::{account}:user/{}", user.name),
        "accountId" => account,
        "accessKeyId" => format!("ASIA{}EXAMPLE", dice.id(9)),
        "userName" => user.name,
        "sessionContext" => object! {
            "attributes" => object! {
                "creationDate" => timestamp(since),
                "mfaAuthenticated" => if mfa { "true" } else { "false" },
            },
        },
    }
}

/// A session of a role.
pub fn session(role: &Role, name: &str, account: &str, since: i64, dice: &mut Dice) -> Json {
    object! {
        "type" => "AssumedRole",
        "principalId" => format!("{}:{name}", role.principal),
        "arn" => format!("arn:aws:sts::{account}:assumed-role/{}/{name}", role.name),
        "accountId" => account,
        "accessKeyId" => format!("ASIA{}EXAMPLE", dice.id(9)),
        "sessionContext" => object! {
            "sessionIssuer" => object! {
                "type" => "Role",
                "principalId" => &role.principal,
                "arn" => format!("arn:aws:iam::{account}:role/{}", role.name),
                "accountId" => account,
                "userName" => role.name,
            },
            "attributes" => object! {"creationDate" => timestamp(since), "mfaAuthenticated" => "false"},
        },
    }
}

/// A service of AWS.
pub fn service(name: &str) -> Json {
    object! {"type" => "AWSService", "invokedBy" => name}
}
