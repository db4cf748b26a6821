//! The attack: somebody guesses a password, takes over what it opens, blinds the logs, and carries data away.
//!
//! It begins in the middle of the time that the samples cover, in the main account, and takes one hour.

use anyhow::Result;

use crate::{
    SampleOptions,
    calls::{Login, Parts, Place, console_login},
    cloudtrail::{self, Event, Kind, timestamp},
    computing,
    dice::Dice,
    flow::{self, Flow, Traffic},
    json::{Json, array, object},
    object::Writer,
    storage,
    world::{MAIN_ACCOUNT, User, World},
};

/// From here passwords are guessed.
pub const GUESSER: &str = "198.51.100.23";
/// From here the root user signs in.
pub const ROOT_VISITOR: &str = "198.51.100.77";
/// From here ports are scanned.
pub const SCANNER: &str = "198.51.100.99";
/// To here data goes.
pub const EXFIL: &str = "203.0.113.66";

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SCRIPT: &str = "aws-cli/2.15.30 Python/3.11.8 Linux/6.6.9-amd64 exe/x86_64 prompt/off command/s3.cp";
const BUCKET: &str = "example-customer-exports";
const TRAIL: &str = "management-events";

/// One step of the attack, for checks that it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// A word for it: `port_scan`.
    pub name: &'static str,
    /// The table its rows end up in.
    pub table: &'static str,
    /// How many rows.
    pub count: u64,
    /// Of the first, in seconds since the Unix epoch.
    pub first: i64,
    /// Of the last.
    pub last: i64,
    /// Where it comes from.
    pub source_ip: &'static str,
}

/// Writes the attack's objects.
pub fn write(writer: &mut Writer, world: &World, options: &SampleOptions) -> Result<Vec<Planted>> {
    let hours = i64::from(options.hours.max(1));
    let mut story = Story {
        world,
        dice: Dice::new(options.seed, "story"),
        start: options.start + hours / 2 * 3600,
        events: Vec::new(),
        planted: Vec::new(),
    };
    story.scan(writer)?;
    story.break_in();
    story.settle_in();
    story.open_doors();
    story.carry_away(writer)?;
    story.stay_for_profit();
    let Story { mut events, planted, start, .. } = story;
    events.sort_by_key(|event| event.time);
    for quarter in 0..4 {
        let end = start + (quarter + 1) * 900;
        let share: Vec<Event> = events.iter().filter(|event| (end - 900..end).contains(&event.time)).cloned().collect();
        writer.cloudtrail(MAIN_ACCOUNT, flow::REGION, end + 240, &share)?;
    }
    Ok(planted)
}

struct Story<'w> {
    world: &'w World,
    dice: Dice,
    start: i64,
    events: Vec<Event>,
    planted: Vec<Planted>,
}

impl<'w> Story<'w> {
    fn place(&self, time: i64) -> Place<'w> {
        Place { world: self.world, account: MAIN_ACCOUNT, region: flow::REGION, time }
    }

    fn user(&self, name: &str) -> &'w User {
        self.world.users.iter().find(|user| user.name == name).unwrap_or(&self.world.users[0])
    }

    fn at(&self, minute: i64, second: i64) -> i64 {
        self.start + minute * 60 + second
    }

    /// Notes a step whose events are all from the index `from` on.
    fn note(&mut self, name: &'static str, source_ip: &'static str, from: usize) {
        let times = self.events[from..].iter().map(|event| event.time);
        let (first, last) = (times.clone().min().unwrap_or(self.start), times.max().unwrap_or(self.start));
        let count = (self.events.len() - from) as u64;
        self.planted.push(Planted { name, table: "aws_cloudtrail", count, first, last, source_ip });
    }

    /// One call of the attacker, noted as a step of its own.
    fn step(&mut self, name: &'static str, event: Event) {
        let source_ip = [GUESSER, ROOT_VISITOR, EXFIL].into_iter().find(|ip| *ip == event.address).unwrap_or(GUESSER);
        self.events.push(event);
        self.note(name, source_ip, self.events.len() - 1);
    }

    /// A call of somebody.
    fn call(
        &self,
        time: i64,
        who: Json,
        address: &str,
        (source, name): (&'static str, &'static str),
        parts: Parts,
    ) -> Event {
        Event {
            time,
            account: MAIN_ACCOUNT.to_owned(),
            region: flow::REGION.to_owned(),
            identity: who,
            source,
            name,
            address: address.to_owned(),
            user_agent: if address == EXFIL { SCRIPT } else { BROWSER }.to_owned(),
            error: None,
            request: parts.request,
            response: parts.response,
            additional: parts.additional,
            resources: parts.resources,
            read_only: false,
            kind: Kind::Management,
        }
    }

    fn dana(&mut self) -> Json {
        let (user, since) = (self.user("dana"), self.at(14, 5));
        cloudtrail::console_user(user, MAIN_ACCOUNT, since, false, &mut self.dice)
    }

    /// 300 ports of one machine in ten minutes.
    fn scan(&mut self, writer: &mut Writer) -> Result<()> {
        let machine = &self.world.machines[0];
        let flows = (0..300).map(|at| Flow {
            interface: machine.interface.clone(),
            traffic: Some(Traffic {
                from: (SCANNER.to_owned(), 41_000 + at % 7),
                to: (machine.address.clone(), 1 + at * 3),
                protocol: 6,
                packets: 1,
                bytes: 44,
                accepted: false,
            }),
            start: self.at(2, at * 2),
            end: self.at(2, at * 2) + 1,
        });
        let flows: Vec<Flow> = flows.collect();
        self.note_flows("port_scan", SCANNER, &flows);
        writer.flows(MAIN_ACCOUNT, flow::REGION, self.at(13, 0), &flows)
    }

    fn note_flows(&mut self, name: &'static str, source_ip: &'static str, flows: &[Flow]) {
        let first = flows.first().map_or(self.start, |flow| flow.end);
        let last = flows.last().map_or(self.start, |flow| flow.end);
        let count = flows.len() as u64;
        self.planted.push(Planted { name, table: "aws_vpcflow", count, first, last, source_ip });
    }

    /// Fourteen wrong passwords, then the right one.
    fn break_in(&mut self) {
        let names = ["amara", "bilal", "dana", "eli", "hana"];
        let from = self.events.len();
        for (attempt, name) in (0..14).zip(names.into_iter().chain(std::iter::repeat("dana"))) {
            let user = self.user(name);
            let place = self.place(self.at(10, attempt * 15));
            self.events.push(console_login(&place, signing_in(user), GUESSER, BROWSER, Login::Failed));
        }
        self.note("console_bruteforce", GUESSER, from);
        let place = self.place(self.at(14, 5));
        let event = console_login(&place, signing_in(self.user("dana")), GUESSER, BROWSER, Login::WithoutMfa);
        self.step("console_login_without_mfa", event);
    }

    /// A key and rights for another user, and the root user's session.
    fn settle_in(&mut self) {
        let (kofi, dana) = (self.user("kofi"), self.dana());
        let key = format!("AKIA{}EXAMPLE", self.dice.id(9));
        let created = self.at(17, 11);
        let parts = Parts::request(object! {"userName" => kofi.name}).response(object! {"accessKey" => object! {
            "userName" => kofi.name,
            "accessKeyId" => &key,
            "status" => "Active",
            "createDate" => timestamp(created),
        }});
        let event = self.call(created, dana.clone(), GUESSER, ("iam.amazonaws.com", "CreateAccessKey"), parts);
        self.step("access_key_for_another_user", event);

        let policy = object! {"userName" => kofi.name, "policyArn" => "arn:aws:iam::aws:policy/AdministratorAccess"};
        let event = self.call(
            self.at(19, 40),
            dana,
            GUESSER,
            ("iam.amazonaws.com", "AttachUserPolicy"),
            Parts::request(policy),
        );
        self.step("administrator_policy_attached", event);

        let place = self.place(self.at(25, 2));
        let root = cloudtrail::root(MAIN_ACCOUNT);
        let event = console_login(&place, root, ROOT_VISITOR, BROWSER, Login::WithoutMfa);
        self.step("root_login_without_mfa", event);
    }

    /// Logs are stopped, the network and a bucket are opened.
    fn open_doors(&mut self) {
        let dana = self.dana();
        let trail = self.place(0).arn("cloudtrail", &format!("trail/{TRAIL}"));
        let request = || Parts::request(object! {"name" => &trail});
        let event =
            self.call(self.at(28, 9), dana.clone(), GUESSER, ("cloudtrail.amazonaws.com", "StopLogging"), request());
        self.step("trail_stopped", event);
        let mut event =
            self.call(self.at(28, 50), dana.clone(), GUESSER, ("cloudtrail.amazonaws.com", "DeleteTrail"), request());
        event.error = Some(("AccessDenied", "User: arn:aws:iam::111122223333:user/dana is not authorized to perform: cloudtrail:DeleteTrail with an explicit deny in a service control policy".to_owned()));
        self.step("trail_deletion_denied", event);
        let detector = object! {"detectorId" => self.dice.hex(32)};
        let event = self.call(
            self.at(29, 30),
            dana.clone(),
            GUESSER,
            ("guardduty.amazonaws.com", "DeleteDetector"),
            Parts::request(detector),
        );
        self.step("guardduty_deleted", event);

        let group = &self.world.security_groups[0];
        let parts = computing::ingress(&mut self.dice, group, 22, "0.0.0.0/0");
        let event = self.call(
            self.at(33, 3),
            dana.clone(),
            GUESSER,
            ("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress"),
            parts,
        );
        self.step("security_group_open_to_the_world", event);

        let host = format!("{BUCKET}.s3.us-east-1.amazonaws.com");
        let request = object! {"bucketName" => BUCKET, "Host" => &host, "publicAccessBlock" => ""};
        let event = self.call(
            self.at(35, 20),
            dana.clone(),
            GUESSER,
            ("s3.amazonaws.com", "DeleteBucketPublicAccessBlock"),
            Parts::request(request),
        );
        self.step("public_access_block_deleted", event);
        let statement = object! {
            "Effect" => "Allow",
            "Principal" => "*",
            "Action" => array!["s3:GetObject", "s3:ListBucket"],
            "Resource" => array![format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
        };
        let policy = object! {"Version" => "2012-10-17", "Statement" => array![statement]};
        let request = object! {"bucketName" => BUCKET, "Host" => host, "bucketPolicy" => policy, "policy" => ""};
        let event =
            self.call(self.at(36, 1), dana, GUESSER, ("s3.amazonaws.com", "PutBucketPolicy"), Parts::request(request));
        self.step("bucket_made_public", event);
    }

    /// 150 objects in ten minutes, and the traffic they make.
    fn carry_away(&mut self, writer: &mut Writer) -> Result<()> {
        let kofi = cloudtrail::user(self.user("kofi"), MAIN_ACCOUNT);
        let from = self.events.len();
        for number in 0..150 {
            let place = self.place(self.at(40, number * 4));
            let key = format!("2026/customers-{number:05}.csv.gz");
            let parts = storage::object_call(&mut self.dice, &place, BUCKET, &key, 20_000_000, 80_000_000);
            let mut event = self.call(place.time, kofi.clone(), EXFIL, ("s3.amazonaws.com", "GetObject"), parts);
            event.read_only = true;
            event.kind = Kind::Data;
            self.events.push(event);
        }
        self.note("s3_exfiltration", EXFIL, from);

        let machine = self.world.machines[0].clone();
        let flow = |start: i64, from: (&str, i64), to: (&str, i64), bytes: i64| Flow {
            interface: machine.interface.clone(),
            traffic: Some(Traffic {
                from: (from.0.to_owned(), from.1),
                to: (to.0.to_owned(), to.1),
                protocol: 6,
                packets: bytes / 1400 + 1,
                bytes,
                accepted: true,
            }),
            start,
            end: start + 60,
        };
        let inside = machine.address.as_str();
        let ssh = [flow(self.at(37, 0), (EXFIL, 50_022), (inside, 22), 61_000)];
        let out: Vec<Flow> =
            (0..10).map(|minute| flow(self.at(40 + minute, 0), (inside, 48_210), (EXFIL, 443), 320_000_000)).collect();
        self.note_flows("ssh_from_outside", EXFIL, &ssh);
        self.note_flows("large_transfer_out", EXFIL, &out);
        writer.flows(MAIN_ACCOUNT, flow::REGION, self.at(52, 0), &[ssh.to_vec(), out].concat())
    }

    /// A key on its way out, and machines that mine.
    fn stay_for_profit(&mut self) {
        let kofi = cloudtrail::user(self.user("kofi"), MAIN_ACCOUNT);
        let place = self.place(self.at(53, 30));
        let arn = place.arn("kms", &format!("key/{}", self.world.keys[0]));
        let parts = Parts::request(object! {"keyId" => &arn, "pendingWindowInDays" => 7})
            .response(object! {"keyId" => &arn, "keyState" => "PendingDeletion", "pendingWindowInDays" => 7})
            .resource("AWS::KMS::Key", arn, MAIN_ACCOUNT);
        let event = self.call(place.time, kofi.clone(), EXFIL, ("kms.amazonaws.com", "ScheduleKeyDeletion"), parts);
        self.step("key_deletion_scheduled", event);
        let place = self.place(self.at(56, 12));
        let parts = computing::instances(&mut self.dice, &place, "p5.48xlarge", 8);
        let event = self.call(place.time, kofi, EXFIL, ("ec2.amazonaws.com", "RunInstances"), parts);
        self.step("mining_instances", event);
    }
}

/// Who a user is before the door has opened.
fn signing_in(user: &User) -> Json {
    object! {
        "type" => "IAMUser",
        "principalId" => &user.principal,
        "arn" => format!("arn:aws:iam::{MAIN_ACCOUNT}:user/{}", user.name),
        "accountId" => MAIN_ACCOUNT,
        "userName" => user.name,
    }
}
