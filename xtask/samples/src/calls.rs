//! Days like every other: who calls what, from where, how often, and what goes wrong.

use anyhow::Result;

use crate::{
    SampleOptions, cloudtrail,
    cloudtrail::{Event, Kind, timestamp},
    computing,
    dice::Dice,
    json::{Json, array, object},
    object::Writer,
    storage,
    world::{ACCOUNTS, Caller, MAIN_ACCOUNT, REGIONS, Role, World},
};

/// Where a call is made.
pub struct Place<'a> {
    pub world: &'a World,
    pub account: &'a str,
    pub region: &'a str,
    pub time: i64,
}

impl Place<'_> {
    /// The name of something in this account and region: `arn("kms", "key/x")`.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }
}

/// What a call reports besides who made it.
pub struct Parts {
    pub request: Json,
    pub response: Json,
    pub additional: Option<Json>,
    pub resources: Option<Json>,
}

impl Parts {
    pub fn request(request: Json) -> Self {
        Self { request, response: Json::Null, additional: None, resources: None }
    }

    pub fn response(self, response: Json) -> Self {
        Self { response, ..self }
    }

    pub fn resource(self, kind: &str, arn: String, account: &str) -> Self {
        Self { resources: Some(array![object! {"accountId" => account, "type" => kind, "ARN" => arn}]), ..self }
    }
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    People,
    Pipelines,
    Machines,
    /// People, pipelines and machines.
    Anyone,
    /// This service of AWS.
    Service(&'static str),
}

/// A call that is made every day.
pub struct Call {
    /// The service: `ec2`.
    pub service: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    pub read_only: bool,
    /// How often, against the others.
    pub weight: u64,
    pub by: By,
    pub parts: fn(&mut Dice, &Place<'_>) -> Parts,
}

/// A call that reads.
pub const fn reads(
    service: &'static str,
    name: &'static str,
    weight: u64,
    by: By,
    parts: fn(&mut Dice, &Place<'_>) -> Parts,
) -> Call {
    Call { service, name, kind: Kind::Management, read_only: true, weight, by, parts }
}

/// A call that changes something.
pub const fn writes(
    service: &'static str,
    name: &'static str,
    weight: u64,
    by: By,
    parts: fn(&mut Dice, &Place<'_>) -> Parts,
) -> Call {
    Call { service, name, kind: Kind::Management, read_only: false, weight, by, parts }
}

/// Calls about people, roles and accounts.
const IDENTITY: &[Call] = &[
    writes("sts", "AssumeRole", 60, By::Service("ec2.amazonaws.com"), assume_role),
    writes("sts", "AssumeRoleWithSAML", 12, By::People, assume_role),
    reads("sts", "GetCallerIdentity", 40, By::Anyone, |_, _| Parts::request(Json::Null)),
    reads("iam", "ListUsers", 8, By::People, |_, _| Parts::request(object! {"maxItems" => 100})),
    reads("iam", "GetRole", 14, By::Anyone, |dice, place| {
        Parts::request(object! {"roleName" => dice.pick(&place.world.roles).name})
    }),
    reads("iam", "ListAttachedRolePolicies", 10, By::Pipelines, |dice, place| {
        Parts::request(object! {"roleName" => dice.pick(&place.world.roles).name})
    }),
    reads("iam", "GetPolicyVersion", 8, By::Pipelines, |dice, place| {
        let policy = format!("arn:aws:iam::{}:policy/{}-access", place.account, dice.pick(&place.world.roles).name);
        Parts::request(object! {"policyArn" => policy, "versionId" => format!("v{}", dice.between(1, 9))})
    }),
    reads("iam", "GenerateServiceLastAccessedDetails", 2, By::People, |dice, place| {
        let arn = format!("arn:aws:iam::{}:role/{}", place.account, dice.pick(&place.world.roles).name);
        Parts::request(object! {"arn" => arn}).response(object! {"jobId" => dice.uuid()})
    }),
    writes("iam", "TagRole", 3, By::Pipelines, |dice, place| {
        let tags = array![object! {"key" => "owner", "value" => "platform"}];
        Parts::request(object! {"roleName" => dice.pick(&place.world.roles).name, "tags" => tags})
    }),
    reads("organizations", "DescribeOrganization", 4, By::Anyone, |_, _| Parts::request(Json::Null)),
    reads("account", "GetRegionOptStatus", 2, By::People, |_, place| {
        Parts::request(object! {"RegionName" => place.region})
    }),
    reads("sso", "ListAccountRoles", 6, By::People, |dice, place| {
        Parts::request(object! {"accountId" => place.account, "maxResults" => dice.between(10, 100)})
    }),
];

/// Calls about what happens in the account.
const WATCHING: &[Call] = &[
    reads("cloudtrail", "DescribeTrails", 8, By::Anyone, |_, _| {
        Parts::request(object! {"includeShadowTrails" => true, "trailNameList" => array![]})
    }),
    reads("cloudtrail", "LookupEvents", 6, By::People, |dice, place| {
        let attribute = object! {"attributeKey" => "EventName", "attributeValue" => "ConsoleLogin"};
        Parts::request(object! {
            "lookupAttributes" => array![attribute],
            "maxResults" => dice.between(10, 50),
            "startTime" => timestamp(place.time - 86_400),
            "endTime" => timestamp(place.time),
        })
    }),
    reads("cloudtrail", "GetTrailStatus", 6, By::Machines, |_, place| {
        Parts::request(object! {"name" => place.arn("cloudtrail", "trail/management-events")})
    }),
    reads("monitoring", "DescribeAlarms", 24, By::Anyone, |dice, _| {
        Parts::request(object! {"maxRecords" => dice.between(10, 100), "stateValue" => "ALARM"})
    }),
    writes("monitoring", "PutMetricAlarm", 3, By::Pipelines, |dice, place| {
        Parts::request(object! {
            "alarmName" => format!("{}-errors", dice.pick(&place.world.functions)),
            "namespace" => "AWS/Lambda",
            "metricName" => "Errors",
            "statistic" => "Sum",
            "period" => 300,
            "evaluationPeriods" => dice.between(1, 5),
            "threshold" => dice.between(1, 20),
            "comparisonOperator" => "GreaterThanThreshold",
            "alarmActions" => array![place.arn("sns", "on-call")],
        })
    }),
    writes("logs", "CreateLogStream", 50, By::Machines, |dice, place| {
        let group = format!("/aws/lambda/{}", dice.pick(&place.world.functions));
        let stream = format!("{}/[$LATEST]{}", timestamp(place.time)[..10].replace('-', "/"), dice.hex(32));
        Parts::request(object! {"logGroupName" => group, "logStreamName" => stream})
    }),
    reads("logs", "DescribeLogGroups", 12, By::Anyone, |_, _| {
        Parts::request(object! {"logGroupNamePrefix" => "/aws/lambda/", "limit" => 50})
    }),
    reads("config", "DescribeConfigRules", 6, By::Service("config.amazonaws.com"), |_, _| Parts::request(Json::Null)),
    writes("config", "PutEvaluations", 10, By::Machines, |dice, place| {
        let evaluation = object! {
            "complianceResourceType" => "AWS::EC2::SecurityGroup",
            "complianceResourceId" => dice.pick(&place.world.security_groups),
            "complianceType" => "COMPLIANT",
            "orderingTimestamp" => timestamp(place.time),
        };
        Parts::request(
            object! {"evaluations" => array![evaluation], "resultToken" => dice.hex(32), "testMode" => false},
        )
    }),
    reads("guardduty", "ListFindings", 6, By::Machines, |dice, _| {
        Parts::request(object! {"detectorId" => dice.hex(32), "maxResults" => 50})
    }),
    reads("securityhub", "GetFindings", 5, By::Machines, |dice, _| {
        Parts::request(object! {"MaxResults" => dice.between(10, 100)})
    }),
    reads("health", "DescribeEventAggregates", 8, By::People, |_, _| {
        Parts::request(
            object! {"aggregateField" => "eventTypeCategory", "filter" => object! {"eventStatusCodes" => array!["open", "upcoming"]}},
        )
    }),
    reads("ce", "GetCostAndUsage", 3, By::People, |_, place| {
        let period = object! {"Start" => timestamp(place.time - 2_592_000)[..10].to_owned(), "End" => timestamp(place.time)[..10].to_owned()};
        Parts::request(object! {"TimePeriod" => period, "Granularity" => "DAILY", "Metrics" => array!["UnblendedCost"]})
    }),
];

fn assume_role(dice: &mut Dice, place: &Place<'_>) -> Parts {
    let role = dice.pick(&place.world.roles);
    let session = format!("{}-{}", role.name, dice.between(1_000_000, 9_999_999));
    let arn = format!("arn:aws:iam::{}:role/{}", place.account, role.name);
    Parts::request(object! {"roleArn" => &arn, "roleSessionName" => &session, "durationSeconds" => 3600})
        .response(object! {
            "credentials" => object! {
                "accessKeyId" => format!("ASIA{}EXAMPLE", dice.id(9)),
                "sessionToken" => dice.letters(120),
                "expiration" => timestamp(place.time + 3600),
            },
            "assumedRoleUser" => object! {
                "assumedRoleId" => format!("{}:{session}", role.principal),
                "arn" => format!("arn:aws:sts::{}:assumed-role/{}/{session}", place.account, role.name),
            },
        })
        .resource("AWS::IAM::Role", arn, place.account)
}

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36 Edg/144.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
];

const PROGRAMS: [&str; 7] = [
    "Boto3/1.42.12 md/Botocore#1.42.12 ua/2.1 os/linux#6.12.0 md/arch#x86_64 lang/python#3.13.2 md/pyimpl#CPython cfg/retry-mode#standard",
    "aws-sdk-go-v2/1.41.0 os/linux lang/go#1.25.4 md/GOOS#linux md/GOARCH#arm64 api/sts#1.38.0",
    "aws-sdk-java/2.34.1 md/io#async md/http#NettyNio ua/2.1 os/Linux#6.12.0 lang/java#21.0.5",
    "aws-sdk-js/3.920.0 ua/2.1 os/linux#6.12.0 lang/js md/nodejs#22.12.0 m/E",
    "aws-sdk-rust/1.3.9 ua/2.1 api/s3/1.105.0 os/linux lang/rust/1.91.0",
    "APN/1.0 HashiCorp/1.0 Terraform/1.14.0 (+https://www.terraform.io) terraform-provider-aws/6.20.0 aws-sdk-go-v2/1.39.6",
    "aws-cli/2.32.0 md/awscrt#0.29.0 ua/2.1 os/linux#6.12.0 md/arch#x86_64 lang/python#3.13.2 md/command#sts.get-caller-identity",
];

/// Writes the events of every day.
pub fn write(writer: &mut Writer, world: &World, options: &SampleOptions) -> Result<()> {
    let calls: Vec<&Call> = [IDENTITY, WATCHING, computing::CALLS, storage::CALLS].into_iter().flatten().collect();
    let total = calls.iter().map(|call| call.weight).sum();
    let mut dice = Dice::new(options.seed, "calls");
    let (objects, span) = (u64::from(options.objects.max(1)), i64::from(options.hours.max(1)) * 3600);
    for object in 0..objects {
        let share = options.events / objects + u64::from(object < options.events % objects);
        let window =
            |at: u64| options.start + span * i64::try_from(at).unwrap_or(0) / i64::try_from(objects).unwrap_or(1);
        let (from, to) = (window(object), window(object + 1) - 1);
        let account = if dice.percent(70) { MAIN_ACCOUNT } else { dice.pick(&ACCOUNTS) };
        let region = dice.pick(&REGIONS);
        let mut times: Vec<i64> = (0..share).map(|_| dice.between(from, to)).collect();
        times.sort_unstable();
        let events = times.into_iter().map(|time| {
            let place = Place { world, account, region, time };
            if dice.percent(1) { sign_in(&mut dice, &place) } else { event(&mut dice, &place, &calls, total) }
        });
        let events: Vec<Event> = events.collect();
        writer.cloudtrail(account, region, to, &events)?;
    }
    Ok(())
}

fn event(dice: &mut Dice, place: &Place<'_>, calls: &[&Call], total: u64) -> Event {
    let mut left = dice.below(total);
    let call = calls.iter().find(|call| {
        let found = left < call.weight;
        left = left.saturating_sub(call.weight);
        found
    });
    let call = call.copied().unwrap_or(calls[0]);
    let (identity, address, user_agent) = caller(dice, place, call.by);
    let parts = (call.parts)(dice, place);
    let error = dice.percent(4).then(|| error(dice, place, call));
    let failed = error.is_some();
    Event {
        time: place.time,
        account: place.account.to_owned(),
        region: place.region.to_owned(),
        identity,
        source: source(call.service),
        name: call.name,
        address,
        user_agent,
        error,
        request: parts.request,
        response: if failed { Json::Null } else { parts.response },
        additional: parts.additional,
        resources: parts.resources,
        read_only: call.read_only,
        kind: call.kind,
    }
}

/// `ec2` -> `ec2.amazonaws.com`
fn source(service: &'static str) -> &'static str {
    const SOURCES: [&str; 26] = [
        "account.amazonaws.com",
        "autoscaling.amazonaws.com",
        "ce.amazonaws.com",
        "cloudformation.amazonaws.com",
        "cloudtrail.amazonaws.com",
        "config.amazonaws.com",
        "dynamodb.amazonaws.com",
        "ec2.amazonaws.com",
        "ecr.amazonaws.com",
        "ecs.amazonaws.com",
        "eks.amazonaws.com",
        "elasticloadbalancing.amazonaws.com",
        "guardduty.amazonaws.com",
        "health.amazonaws.com",
        "iam.amazonaws.com",
        "kms.amazonaws.com",
        "lambda.amazonaws.com",
        "logs.amazonaws.com",
        "monitoring.amazonaws.com",
        "organizations.amazonaws.com",
        "rds.amazonaws.com",
        "s3.amazonaws.com",
        "secretsmanager.amazonaws.com",
        "securityhub.amazonaws.com",
        "sso.amazonaws.com",
        "ssm.amazonaws.com",
    ];
    let same = |known: &&&str| known.strip_suffix(".amazonaws.com") == Some(service);
    SOURCES.iter().find(same).copied().unwrap_or("sts.amazonaws.com")
}

fn caller(dice: &mut Dice, place: &Place<'_>, by: By) -> (Json, String, String) {
    let since = place.time - dice.between(60, 3000);
    let by = match by {
        By::Anyone => *dice.pick(&[By::People, By::Pipelines, By::Machines, By::Machines]),
        By::People | By::Pipelines | By::Machines | By::Service(_) => by,
    };
    let role = |dice: &mut Dice, caller| -> Role {
        let roles: Vec<&Role> = place.world.roles.iter().filter(|role| role.caller == caller).collect();
        (*dice.pick(&roles)).clone()
    };
    match by {
        By::Service(name) => (cloudtrail::service(name), name.to_owned(), name.to_owned()),
        By::People | By::Anyone => {
            let user = dice.pick_skewed(&place.world.users);
            let (browser, program) = (dice.pick(&BROWSERS), dice.pick(&PROGRAMS));
            let (identity, agent) = match dice.below(3) {
                0 => (cloudtrail::user(user, place.account), program),
                1 => (cloudtrail::console_user(user, place.account, since, true, dice), browser),
                _ => {
                    let role = role(dice, Caller::Person);
                    let session = format!("{}@example.com", user.name);
                    (cloudtrail::session(&role, &session, place.account, since, dice), browser)
                }
            };
            (identity, user.address.clone(), (*agent).to_owned())
        }
        By::Pipelines => {
            let role = role(dice, Caller::Pipeline);
            let session = format!("build-{}", dice.between(10_000, 99_999));
            let identity = cloudtrail::session(&role, &session, place.account, since, dice);
            (identity, format!("192.0.2.{}", dice.between(200, 203)), PROGRAMS[dice.index(2) + 4].to_owned())
        }
        By::Machines => {
            let role = role(dice, Caller::Machine);
            let machine = dice.pick(&place.world.machines);
            let identity = cloudtrail::session(&role, &machine.instance, place.account, since, dice);
            (identity, machine.address.clone(), PROGRAMS[dice.index(5)].to_owned())
        }
    }
}

fn error(dice: &mut Dice, place: &Place<'_>, call: &Call) -> (&'static str, String) {
    match dice.below(4) {
        0 => ("ThrottlingException", "Rate exceeded".to_owned()),
        1 if call.read_only => ("ResourceNotFoundException", "The requested resource does not exist".to_owned()),
        _ => {
            let action = format!("{}:{}", call.service, call.name);
            let role = dice.pick(&place.world.roles).name;
            let message = format!(
                "User: arn:aws:sts::{}:assumed-role/{role} is not authorized to perform: {action} because no identity-based policy allows the {action} action",
                place.account
            );
            ("AccessDenied", message)
        }
    }
}

/// Somebody signs in at the console: with a second factor, and rarely with a wrong password.
fn sign_in(dice: &mut Dice, place: &Place<'_>) -> Event {
    let user = dice.pick(&place.world.users);
    let failed = dice.percent(6);
    let identity = object! {
        "type" => "IAMUser",
        "principalId" => &user.principal,
        "arn" => format!("arn:aws:iam::{}:user/{}", place.account, user.name),
        "accountId" => place.account,
        "userName" => user.name,
    };
    let browser = dice.pick(&BROWSERS);
    console_login(place, identity, &user.address, browser, if failed { Login::Failed } else { Login::WithMfa })
}

/// How a sign-in went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    WithMfa,
    WithoutMfa,
    Failed,
}

/// A sign-in at the console.
pub fn console_login(place: &Place<'_>, identity: Json, address: &str, browser: &str, login: Login) -> Event {
    let failed = login == Login::Failed;
    Event {
        time: place.time,
        account: place.account.to_owned(),
        region: place.region.to_owned(),
        identity,
        source: "signin.amazonaws.com",
        name: "ConsoleLogin",
        address: address.to_owned(),
        user_agent: browser.to_owned(),
        error: failed.then(|| ("", "Failed authentication".to_owned())),
        request: Json::Null,
        response: object! {"ConsoleLogin" => if failed { "Failure" } else { "Success" }},
        additional: Some(object! {
            "LoginTo" => format!("https://console.aws.amazon.com/console/home?region={}", place.region),
            "MobileVersion" => "No",
            "MFAUsed" => if login == Login::WithMfa { "Yes" } else { "No" },
        }),
        resources: None,
        read_only: false,
        kind: Kind::SignIn,
    }
}
