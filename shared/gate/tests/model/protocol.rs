//! The model: which step can come next, and what must hold in every state.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::GlobalPosition;
use gate::core::mutant::Mutant;
use stateright::{Model, Property};

use crate::coverage::Coverage;
use crate::live::{Core, Live};
use crate::replica::knowing;
use crate::state::{BEFORE, Coordinator, Handler, Keeper, Line, OTHER, Replica, Stage, World};

/// Nothing that begins after the revocation returned is accepted (GATE-1).
pub const S1: &str = "S1 no accept begun after the revoke returned";
/// Nothing that begins after a 401 is accepted (GATE-2).
pub const S2: &str = "S2 no accept begun after a 401";

/// The bounds of one exploration.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a kind of step of its own, and most are off"
)]
pub struct Protocol {
    /// D.
    pub term: Duration,
    /// By how many ticks a replica's clocks may fall behind.
    pub drift: u8,
    /// Ticks that may pass.
    pub time: u8,
    pub replicas: usize,
    /// The last replica begins at any time, and entries are evicted and loaded again.
    pub joins: bool,
    /// Another auth event comes before the revocation, so that one may arrive without the other.
    pub gap: bool,
    /// Denials are told: without this there is no 401, and S2 says nothing.
    pub tells: bool,
    /// Rows that stood still for W are deleted.
    pub collects: bool,
    /// Rows that a replica may make, one after another.
    pub lives: u8,
    /// Nobody leaves or crashes.
    pub calm: bool,
    /// One renewal for each replica and one request at a time; nothing is lost and nothing is loaded
    /// on a miss.
    pub reduced: bool,
    /// What happened.
    pub seen: Coverage,
}

/// One step; the numbers are replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    /// Time passes, and this replica's clocks stand still.
    TickLagging(usize),
    Append,
    Commit,
    ReadRows,
    Return,
    Crash,
    Retry,
    Observe,
    Collect,
    Load(usize),
    Join(usize),
    JoinCommit(usize),
    RenewSend(usize),
    RenewServer(usize),
    RenewReceive(usize),
    RenewLost(usize),
    DeliverOther(usize),
    Deliver(usize),
    ReadLog(usize),
    ApplyLate(usize),
    Hear(usize),
    Evict(usize),
    LoadRead(usize),
    LoadInsert(usize),
    Begin(usize),
    Look(usize),
    Verify(usize),
    Leave(usize),
    Exit(usize),
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            now: 0,
            head: self.start(),
            rows: Vec::new(),
            coordinator: Coordinator::Idle,
            crashed_once: false,
            heard: Vec::new(),
            keeper: Keeper::default(),
            replicas: (0..self.replicas)
                .map(|_| Arc::new(self.newcomer()))
                .collect(),
            told: false,
            late_accept: false,
            inverted_accept: false,
        };
        // Those that run at the start went the way of all others.
        for index in 0..self.replicas - usize::from(self.joins) {
            world.load(self, index);
            world.join(self, index);
            if Mutant::JoinOneSnapshot.is_active() {
                world.join_commit(self, index);
            } else {
                world.renew_send(self, index);
                world.renew_server(self, index);
            }
            world.renew_receive(self, index);
            let replica = world.replica(index);
            replica.renewals = 0;
        }
        self.seen.forget();
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.late_accept || world.inverted_accept {
            return;
        }
        self.of_time(world, actions);
        self.of_the_command_service(world, actions);
        for (index, replica) in world.replicas.iter().enumerate() {
            self.of_the_lease(replica, index, actions);
            let is_away = matches!(replica.stage, Stage::Out | Stage::Gone);
            if !is_away || replica.handler != Handler::Idle {
                self.of_the_apply_task(world, replica, index, actions);
                self.of_the_request(world, replica, index, actions);
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Tick => world.tick(self, None),
            Action::TickLagging(index) => world.tick(self, Some(index)),
            Action::Append => world.append(),
            Action::Commit => world.commit(),
            Action::ReadRows => world.read_rows(),
            Action::Return => return world.settle(self).then_some(world),
            Action::Crash => world.crash(),
            Action::Retry => world.retry(self),
            Action::Observe => world.observe(),
            Action::Collect => world.collect(self),
            Action::Load(index) => world.load(self, index),
            Action::Join(index) => world.join(self, index),
            Action::JoinCommit(index) => world.join_commit(self, index),
            Action::RenewSend(index) => world.renew_send(self, index),
            Action::RenewServer(index) => world.renew_server(self, index),
            Action::RenewReceive(index) => world.renew_receive(self, index),
            Action::RenewLost(index) => world.replica(index).line = Line::Idle,
            Action::DeliverOther(index) => world.deliver(self, index, 0),
            Action::Deliver(index) => world.deliver(self, index, 1),
            Action::ReadLog(index) => world.read_log(self, index),
            Action::ApplyLate(index) => world.apply_late(self, index),
            Action::Hear(index) => world.hear(index),
            Action::Evict(index) => world.replica(index).core.with(Live::evict),
            Action::LoadRead(index) => world.load_read(index),
            Action::LoadInsert(index) => world.load_insert(self, index),
            Action::Begin(index) => world.begin(index),
            Action::Look(index) => world.look(self, index),
            Action::Verify(index) => world.verify(self, index),
            Action::Leave(index) => world.leave(index),
            Action::Exit(index) => world.exit(index),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let s1 = Property::<Self>::always(S1, |_, world| !world.late_accept);
        let s2 = Property::<Self>::always(S2, |_, world| !world.inverted_accept);
        if self.tells { vec![s1, s2] } else { vec![s1] }
    }
}

impl Protocol {
    /// The newest auth event at the start.
    fn start(&self) -> GlobalPosition {
        if self.gap { BEFORE } else { OTHER }
    }

    fn newcomer(&self) -> Replica {
        Replica {
            lag: 0,
            lives: 0,
            renewals: 0,
            stage: Stage::Out,
            core: Core::new(gate::core::replica::Replica::new(self.term)),
            line: Line::Idle,
            messages: [false; 2],
            behind: false,
            said: None,
            hold: knowing(self, self.start()),
            load: None,
            handler: Handler::Idle,
        }
    }

    fn of_time(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now >= self.time {
            return;
        }
        actions.push(Action::Tick);
        for (index, replica) in world.replicas.iter().enumerate() {
            if replica.lag < self.drift {
                actions.push(Action::TickLagging(index));
            }
        }
    }

    fn of_the_command_service(&self, world: &World, actions: &mut Vec<Action>) {
        let may_crash = !world.crashed_once && !self.calm;
        match &world.coordinator {
            Coordinator::Idle if world.head < OTHER => actions.push(Action::Append),
            Coordinator::Idle => actions.push(Action::Commit),
            Coordinator::Committed { .. } => actions.push(Action::ReadRows),
            Coordinator::Waiting(_) => actions.push(Action::Return),
            Coordinator::Crashed => actions.push(Action::Retry),
            Coordinator::Returned => {}
        }
        let is_at_work = matches!(
            world.coordinator,
            Coordinator::Committed { .. } | Coordinator::Waiting(_)
        );
        if is_at_work && may_crash {
            actions.push(Action::Crash);
        }
        if !world.keeper.due.is_empty() {
            actions.push(Action::Collect);
        } else if self.collects && world.coordinator != Coordinator::Returned {
            actions.push(Action::Observe);
        }
    }

    fn of_the_lease(&self, replica: &Replica, index: usize, actions: &mut Vec<Action>) {
        match (replica.stage, replica.line) {
            (Stage::Out, _) => actions.push(Action::Load(index)),
            (Stage::Loaded, _) => actions.push(Action::Join(index)),
            (Stage::Uncommitted { .. }, _) => actions.push(Action::JoinCommit(index)),
            (Stage::In, Line::Idle) => {
                if !self.reduced || replica.renewals < 1 {
                    actions.push(Action::RenewSend(index));
                }
            }
            (Stage::In, Line::Sent(_)) => actions.push(Action::RenewServer(index)),
            (Stage::In, Line::Answered(..)) => actions.push(Action::RenewReceive(index)),
            (Stage::Leaving(_), _) => actions.push(Action::Exit(index)),
            (Stage::Gone, _) => {}
        }
        if replica.stage == Stage::In && replica.line != Line::Idle && !self.reduced {
            actions.push(Action::RenewLost(index));
        }
        if replica.stage == Stage::In && !self.calm {
            actions.push(Action::Leave(index));
        }
    }

    fn of_the_apply_task(
        &self,
        world: &World,
        replica: &Replica,
        index: usize,
        actions: &mut Vec<Action>,
    ) {
        let core = &replica.core;
        let [other, revocation] = replica.messages;
        if other {
            actions.push(Action::DeliverOther(index));
        }
        if revocation {
            actions.push(Action::Deliver(index));
        }
        let may_read = replica.behind || !self.reduced;
        if core.applied() < world.head && may_read {
            actions.push(Action::ReadLog(index));
        }
        if core.memory.is_late() {
            actions.push(Action::ApplyLate(index));
        }
        if replica.said.is_some() {
            actions.push(Action::Hear(index));
        }
        if core.entry.is_some() && self.joins && !self.reduced {
            actions.push(Action::Evict(index));
        }
        let is_missing = core.entry.is_none() && core.refused.is_none();
        if replica.load.is_some() {
            actions.push(Action::LoadInsert(index));
        } else if is_missing && !self.reduced {
            actions.push(Action::LoadRead(index));
        }
    }

    fn of_the_request(
        &self,
        world: &World,
        replica: &Replica,
        index: usize,
        actions: &mut Vec<Action>,
    ) {
        match replica.handler {
            Handler::Idle => {
                let is_idle = |replica: &Arc<Replica>| replica.handler == Handler::Idle;
                let is_alone = !self.reduced || world.replicas.iter().all(is_idle);
                if is_alone && !matches!(replica.stage, Stage::Loaded) {
                    actions.push(Action::Begin(index));
                }
            }
            Handler::Looking(..) => actions.push(Action::Look(index)),
            Handler::Joined(_) => {}
            Handler::Asking(_) => actions.push(Action::Verify(index)),
        }
    }
}
