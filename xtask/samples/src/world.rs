//! A company that does not exist: its accounts, people, roles, machines and addresses.

use crate::dice::Dice;

/// The account where most happens, and the attack.
pub const MAIN_ACCOUNT: &str = "111122223333";
/// All accounts.
pub const ACCOUNTS: [&str; 3] = [MAIN_ACCOUNT, "444455556666", "123456789012"];
/// All regions; the first is where global services report.
pub const REGIONS: [&str; 4] = ["us-east-1", "us-east-1", "us-west-2", "eu-central-1"];

const NAMES: [&str; 24] = [
    "amara", "bilal", "chiara", "dana", "eli", "farah", "goran", "hana", "ines", "jonas", "kofi", "lena", "mateo",
    "nadia", "oskar", "priya", "quentin", "rosa", "samir", "tove", "umar", "vera", "wen", "yara",
];

const ROLES: [(&str, Caller); 10] = [
    ("PlatformAdmin", Caller::Person),
    ("Developer", Caller::Person),
    ("ReadOnlyAudit", Caller::Person),
    ("ci-deploy", Caller::Pipeline),
    ("terraform-plan", Caller::Pipeline),
    ("orders-service", Caller::Machine),
    ("etl-nightly", Caller::Machine),
    ("eks-node-group", Caller::Machine),
    ("image-resizer-lambda", Caller::Machine),
    ("backup-runner", Caller::Machine),
];

/// Who takes a role on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Somebody through single sign-on.
    Person,
    /// A build.
    Pipeline,
    /// An instance, function or container.
    Machine,
}

/// An IAM user.
#[derive(Debug, Clone)]
pub struct User {
    pub name: &'static str,
    pub principal: String,
    pub access_key: String,
    pub address: String,
}

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: &'static str,
    pub caller: Caller,
    pub principal: String,
}

/// An instance in a VPC.
#[derive(Debug, Clone)]
pub struct Machine {
    pub instance: String,
    pub interface: String,
    pub address: String,
    /// The ports it serves.
    pub port: i64,
}

/// All of it.
#[derive(Debug)]
pub struct World {
    pub users: Vec<User>,
    pub roles: Vec<Role>,
    pub machines: Vec<Machine>,
    /// Everybody else on the internet.
    pub strangers: Vec<String>,
    pub buckets: Vec<&'static str>,
    pub functions: Vec<&'static str>,
    pub tables: Vec<&'static str>,
    pub keys: Vec<String>,
    pub vpc: String,
    pub security_groups: Vec<String>,
    pub subnets: Vec<String>,
}

impl World {
    pub fn new(dice: &mut Dice) -> Self {
        let offices: Vec<String> = (10..26).map(|host| format!("192.0.2.{host}")).collect();
        let users = NAMES.iter().enumerate().map(|(at, name)| User {
            name,
            principal: format!("AIDA{}EXAMPLE", dice.id(10)),
            access_key: format!("AKIA{}EXAMPLE", dice.id(9)),
            address: offices[at % offices.len()].clone(),
        });
        let users = users.collect();
        let roles = ROLES.map(|(name, caller)| Role { name, caller, principal: format!("AROA{}EXAMPLE", dice.id(10)) });
        let machines = (0..40).map(|at| Machine {
            instance: format!("i-{}", dice.hex(17)),
            interface: format!("eni-{}", dice.hex(17)),
            address: format!("10.0.{}.{}", 1 + at % 4, 10 + at),
            port: [443, 8443, 5432, 6379, 9092][at % 5],
        });
        let machines = machines.collect();
        Self {
            users,
            roles: roles.into(),
            machines,
            strangers: (1..250)
                .map(|host| format!("203.0.113.{host}"))
                .filter(|ip| ip != crate::story::EXFIL)
                .collect(),
            buckets: vec![
                "example-app-assets",
                "example-orders-events",
                "example-data-lake-raw",
                "example-data-lake-curated",
                "example-build-artifacts",
                "example-customer-exports",
                "example-cloudtrail-logs",
            ],
            functions: vec!["image-resizer", "orders-webhook", "invoice-render", "session-cleaner", "feed-import"],
            tables: vec!["orders", "sessions", "inventory", "feature-flags"],
            keys: (0..6).map(|_| dice.uuid()).collect(),
            vpc: format!("vpc-{}", dice.hex(17)),
            security_groups: (0..8).map(|_| format!("sg-{}", dice.hex(17))).collect(),
            subnets: (0..4).map(|_| format!("subnet-{}", dice.hex(17))).collect(),
        }
    }
}
