//! VPC flow logs in the default format, version 2.
//!
//! <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>

use std::fmt::Write as _;

use anyhow::Result;

use crate::{
    SampleOptions,
    dice::Dice,
    object::Writer,
    world::{MAIN_ACCOUNT, Machine, World},
};

/// One record.
#[derive(Debug, Clone)]
pub struct Flow {
    pub interface: String,
    /// `None` where nothing flowed.
    pub traffic: Option<Traffic>,
    pub start: i64,
    pub end: i64,
}

/// What flowed.
#[derive(Debug, Clone)]
pub struct Traffic {
    pub from: (String, i64),
    pub to: (String, i64),
    /// 6 is TCP, 17 UDP.
    pub protocol: i64,
    pub packets: i64,
    pub bytes: i64,
    pub accepted: bool,
}

impl Flow {
    /// The line that every file begins with.
    pub const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";

    /// Appends it as a line.
    pub fn write(&self, account: &str, out: &mut String) {
        let Self { interface, traffic, start, end } = self;
        let written = match traffic {
            Some(Traffic { from, to, protocol, packets, bytes, accepted }) => {
                let action = if *accepted { "ACCEPT" } else { "REJECT" };
                writeln!(
                    out,
                    "2 {account} {interface} {} {} {} {} {protocol} {packets} {bytes} {start} {end} {action} OK",
                    from.0, to.0, from.1, to.1
                )
            }
            None => writeln!(out, "2 {account} {interface} - - - - - - - {start} {end} - NODATA"),
        };
        written.expect("strings take all text");
    }
}

/// The region of the VPC.
pub const REGION: &str = "us-east-1";
/// How many seconds one file covers.
const FILE: i64 = 600;

/// Writes the flows of every day: one file each ten minutes.
pub fn write(writer: &mut Writer, world: &World, options: &SampleOptions) -> Result<()> {
    if options.flows == 0 {
        return Ok(());
    }
    let mut dice = Dice::new(options.seed, "flows");
    let files = u64::from(options.hours.max(1)) * 6;
    for file in 0..files {
        let share = options.flows / files + u64::from(file < options.flows % files);
        let from = options.start + FILE * i64::try_from(file).unwrap_or(0);
        let mut flows: Vec<Flow> = (0..share).map(|_| flow(&mut dice, world, from)).collect();
        flows.sort_by_key(|flow| flow.start);
        writer.flows(MAIN_ACCOUNT, REGION, from + FILE, &flows)?;
    }
    Ok(())
}

fn flow(dice: &mut Dice, world: &World, from: i64) -> Flow {
    let start = dice.between(from, from + FILE - 61);
    let machine = dice.pick(&world.machines);
    let traffic = match dice.below(100) {
        0..=1 => None,
        2..=9 => Some(knock(dice, world, machine)),
        10..=39 => Some(visit(dice, world, machine)),
        _ => Some(between_machines(dice, world, machine)),
    };
    Flow { interface: machine.interface.clone(), traffic, start, end: start + dice.between(10, 60) }
}

fn high_port(dice: &mut Dice) -> i64 {
    dice.between(32_768, 60_999)
}

/// Somebody on the internet tries a port and is refused.
fn knock(dice: &mut Dice, world: &World, machine: &Machine) -> Traffic {
    let port = *dice.pick(&[22, 23, 80, 445, 3389, 5900, 8080]);
    Traffic {
        from: (dice.pick(&world.strangers).clone(), high_port(dice)),
        to: (machine.address.clone(), port),
        protocol: 6,
        packets: 1,
        bytes: 40,
        accepted: false,
    }
}

/// Somebody on the internet is served.
fn visit(dice: &mut Dice, world: &World, machine: &Machine) -> Traffic {
    let packets = dice.between(6, 400);
    let (outside, inside) = ((dice.pick(&world.strangers).clone(), high_port(dice)), (machine.address.clone(), 443));
    let (from, to) = if dice.percent(50) { (outside, inside) } else { (inside, outside) };
    Traffic { from, to, protocol: 6, packets, bytes: packets * dice.between(60, 1400), accepted: true }
}

/// One machine uses another, or looks a name up.
fn between_machines(dice: &mut Dice, world: &World, machine: &Machine) -> Traffic {
    let source = (machine.address.clone(), high_port(dice));
    if dice.percent(20) {
        let packets = dice.between(1, 4);
        let resolver = ("10.0.0.2".to_owned(), 53);
        return Traffic { from: source, to: resolver, protocol: 17, packets, bytes: packets * 74, accepted: true };
    }
    let other = dice.pick(&world.machines);
    let packets = dice.between(4, 900);
    Traffic {
        from: source,
        to: (other.address.clone(), other.port),
        protocol: 6,
        packets,
        bytes: packets * dice.between(60, 1400),
        accepted: true,
    }
}
