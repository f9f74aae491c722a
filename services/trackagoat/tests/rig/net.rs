//! A network namespace for each process, joined by a bridge in one of the rig's own, where all
//! clients are. Without the right to make them everything is on loopback, and rows that must cut
//! a network are not run.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

use crate::limits::SOURCES;

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
/// Before the id of the process that made a namespace.
const PREFIX: &str = "tga-rig-";
const HUB: &str = "hub";
/// What runs in a namespace of its own, in the order of their addresses.
const PLACES: [&str; 10] = ["pg", "nats", "c1", "c2", "q1", "q2", "q3", "x1", "x2", "x3"];
/// The first two parts of every address.
const NETWORK: [u8; 2] = [10, 203];

/// The network of one run. Dropping it takes everything away.
pub struct Net {
    run: Option<String>,
    /// Why there are no namespaces.
    pub missing: Option<String>,
}

/// Where a process lives.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: &'static str,
    pub address: Ipv4Addr,
    namespace: Option<String>,
}

/// Which packets of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
    Both,
}

/// What becomes of packets between a place and another.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub peer: Ipv4Addr,
    pub way: Way,
    /// How many of a hundred are lost.
    pub percent: u8,
}

/// A connection that a process of a place has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its own end's.
    pub port: u16,
    pub peer: SocketAddr,
}

impl Net {
    /// Makes the namespaces, or says why it cannot. What runs that died left behind is removed.
    pub fn up() -> Self {
        remove_stale();
        let run = format!("{PREFIX}{}", std::process::id());
        let net = Self {
            run: Some(run),
            missing: None,
        };
        match net.make() {
            Ok(()) => net,
            Err(reason) => {
                drop(net);
                Self {
                    run: None,
                    missing: Some(reason),
                }
            }
        }
    }

    /// Moves the calling thread, and all that it will start, to where the clients are.
    pub fn enter_hub(&self) {
        if let Some(hub) = self.namespace(HUB) {
            enter(&hub);
        }
    }

    /// Where the process of that name lives.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn place(&self, name: &str) -> Place {
        let index = PLACES.iter().position(|one| *one == name);
        let index = index.unwrap_or_else(|| panic!("there is no place {name}"));
        let namespace = self.namespace(PLACES[index]);
        let address = match namespace {
            Some(_) => own_address(index),
            None => Ipv4Addr::LOCALHOST,
        };
        Place {
            name: PLACES[index],
            address,
            namespace,
        }
    }

    /// The address of the rig's own listeners.
    pub fn hub(&self) -> Ipv4Addr {
        match self.run {
            Some(_) => Ipv4Addr::new(NETWORK[0], NETWORK[1], 0, 1),
            None => Ipv4Addr::LOCALHOST,
        }
    }

    /// An address that a client may call from.
    pub fn source(&self, number: usize) -> Ipv4Addr {
        let last = u8::try_from(number % usize::from(SOURCES)).expect("below SOURCES") + 1;
        match self.run {
            Some(_) => Ipv4Addr::new(NETWORK[0], NETWORK[1], 1, last),
            None => Ipv4Addr::new(127, 0, 1, last),
        }
    }

    fn namespace(&self, name: &str) -> Option<String> {
        self.run.as_ref().map(|run| format!("{run}-{name}"))
    }

    fn make(&self) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make network namespaces: run it as root".to_owned());
        }
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
            if run(Command::new(program).arg("-V")).is_err() {
                return Err(format!("no {program}: apt-get install {package}"));
            }
        }
        let hub = self.namespace(HUB).unwrap_or_default();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        let addresses = (0..usize::from(SOURCES)).map(|number| self.source(number));
        for address in std::iter::once(self.hub()).chain(addresses) {
            let address = format!("{address}/16");
            ip(&["-n", &hub, "addr", "add", &address, "dev", "br0"])?;
        }
        for (index, name) in PLACES.iter().enumerate() {
            self.join(&hub, name, own_address(index))?;
        }
        self.place("x1").lose(&[Rule {
            peer: self.hub(),
            way: Way::Both,
            percent: 50,
        }])?;
        self.place("x1").heal();
        Ok(())
    }

    fn join(&self, hub: &str, name: &str, address: Ipv4Addr) -> Result<(), String> {
        let own = self.namespace(name).unwrap_or_default();
        let (outer, address) = (format!("v-{name}"), format!("{address}/16"));
        ip(&["netns", "add", &own])?;
        ip(&["-n", &own, "link", "set", "lo", "up"])?;
        ip(&[
            "-n", hub, "link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &own,
        ])?;
        ip(&["-n", hub, "link", "set", &outer, "master", "br0", "up"])?;
        ip(&["-n", &own, "addr", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &own, "link", "set", "eth0", "up"])
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let Some(run) = &self.run else { return };
        for name in std::iter::once(HUB).chain(PLACES) {
            remove(&format!("{run}-{name}"));
        }
    }
}

impl Place {
    /// A command that runs there; its process id is the program's own.
    pub fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// Loses packets by these rules, in place of those before.
    ///
    /// # Errors
    /// What nftables said.
    pub fn lose(&self, rules: &[Rule]) -> Result<(), String> {
        self.filter(&ruleset(rules))
    }

    /// Loses every packet of these connections, and of no other, in place of what was lost before.
    ///
    /// # Errors
    /// What nftables said.
    pub fn half_open(&self, connections: &[Connection]) -> Result<(), String> {
        let lines = |own: &str, their: &str, end: &str| {
            let line = |one: &Connection| {
                let (port, peer) = (one.port, one.peer);
                let (address, peer_port) = (peer.ip(), peer.port());
                format!("ip {end} {address} tcp {own} {port} tcp {their} {peer_port} drop; ")
            };
            connections.iter().map(line).collect::<String>()
        };
        let (input, output) = (
            lines("dport", "sport", "saddr"),
            lines("sport", "dport", "daddr"),
        );
        self.filter(&table(input, output))
    }

    fn filter(&self, ruleset: &str) -> Result<(), String> {
        let Some(namespace) = &self.namespace else {
            return Err("there is no namespace to cut off".to_owned());
        };
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut input = child.stdin.take().expect("it is piped");
        let written = input.write_all(ruleset.as_bytes());
        drop(input);
        let status = child.wait().map_err(|error| error.to_string())?;
        written.map_err(|error| error.to_string())?;
        let is_set = status.success().then_some(());
        is_set.ok_or_else(|| "nftables cannot drop packets on this kernel".to_owned())
    }

    /// Lets every packet through.
    pub fn heal(&self) {
        if self.namespace.is_some() {
            self.lose(&[]).expect("rules can be taken away");
        }
    }

    /// Lets no more out than so much; none: all there is.
    ///
    /// # Errors
    /// What `tc` said.
    pub fn narrow(&self, rate: Option<&str>) -> Result<(), String> {
        let Some(namespace) = &self.namespace else {
            return Err("there is no namespace to narrow".to_owned());
        };
        let device = ["netns", "exec", namespace, "tc", "qdisc"];
        let filter = ["dev", "eth0", "root", "tbf"];
        let arguments = match rate {
            Some(rate) => [
                &device[..],
                &["replace"],
                &filter,
                &["rate", rate, "burst", "16kb", "latency", "400ms"],
            ]
            .concat(),
            None => [&device[..], &["del", "dev", "eth0", "root"]].concat(),
        };
        ip(&arguments)
    }

    /// Does `work` on a thread of its own there, with a runtime of its own: the processes that it
    /// starts live there.
    pub async fn within<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let namespace = self.namespace.clone();
        let thread = std::thread::Builder::new().name(format!("in {}", self.name));
        let spawned = thread.spawn(move || {
            if let Some(namespace) = namespace {
                enter(&namespace);
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for one thread");
            // Whoever asked may have gone.
            let _ = sender.send(runtime.block_on(work()));
        });
        spawned.expect("one more thread");
        receiver.await.expect("what is done there does not panic")
    }
}

fn own_address(index: usize) -> Ipv4Addr {
    let last = u8::try_from(index + 10).expect("there are few places");
    Ipv4Addr::new(NETWORK[0], NETWORK[1], 0, last)
}

fn ruleset(rules: &[Rule]) -> String {
    let lines = |end: &str, other: Way| {
        let concerned = rules.iter().filter(|rule| rule.way != other);
        let line = |rule: &Rule| {
            let Rule { peer, percent, .. } = rule;
            let chance = match percent {
                100.. => String::new(),
                some => format!("numgen random mod 100 < {some} "),
            };
            format!("ip {end} {peer} {chance}drop; ")
        };
        concerned.map(line).collect::<String>()
    };
    table(lines("saddr", Way::Out), lines("daddr", Way::In))
}

/// In place of everything that was there.
fn table(input: String, output: String) -> String {
    let chain = |hook: &str, lines: String| {
        format!("chain {hook} {{ type filter hook {hook} priority 0; policy accept; {lines}}}\n")
    };
    let chains = [chain("input", input), chain("output", output)].concat();
    format!("flush ruleset\ntable inet faults {{\n{chains}}}\n")
}

fn enter(namespace: &str) {
    let path = Path::new(NAMES).join(namespace);
    let file = File::open(&path).expect("the namespace was made");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("whoever made a namespace may enter it");
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Removes the namespaces of runs whose process is gone, with what still runs in them.
fn remove_stale() {
    let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let maker = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let is_stale = maker.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists());
        if is_stale {
            remove(&name);
        }
    }
}

fn remove(namespace: &str) {
    let inside = Command::new("ip")
        .args(["netns", "pids", namespace])
        .output();
    let inside = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    for pid in inside.unwrap_or_default().lines() {
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        // Our own threads are in the hub.
        if let Some(pid) = pid.filter(|pid| *pid != rustix::process::getpid()) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    // It may not have been made.
    let _ = ip(&["netns", "del", namespace]);
}
