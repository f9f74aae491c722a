use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

const CHUNK: usize = 64 * 1024;
/// Chunks that may wait out their delay in one direction of one connection.
const QUEUE: usize = 256;
/// How long a server may go on talking to a client that was cut off.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long a test waits for the bytes that it wants held.
const COME_WITHIN: Duration = Duration::from_mins(1);

/// A TCP proxy in front of a server, both on loopback unless other addresses are given. It forwards
/// faithfully until told otherwise, and ends, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    listens: SocketAddr,
    target: SocketAddr,
    control: Arc<watch::Sender<Control>>,
    connections: Arc<AtomicUsize>,
    _stop: DropGuard,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What the proxy does just now.
#[derive(Debug, Default)]
struct Control {
    refusing: bool,
    /// Connections of an earlier generation are cut.
    generation: u64,
    to_server: Fault,
    to_client: Fault,
    trap: Option<Trap>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    delay: Duration,
    stalled: bool,
}

#[derive(Debug)]
struct Trap {
    direction: Direction,
    pattern: Vec<u8>,
    effect: Effect,
    sprung: oneshot::Sender<()>,
}

/// What a trap does with the read that holds its pattern.
#[derive(Debug)]
enum Effect {
    /// Delivers it, then cuts the client off.
    CutAfter,
    /// Loses it, and resets both sides.
    CutBefore,
    /// Holds it back, with all that follows on its connection, until released.
    Hold(oneshot::Receiver<()>),
}

/// Bytes that a [`Proxy::hold`] waits for, then holds back; dropping it lets them go.
#[derive(Debug)]
pub struct Held {
    sprung: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the bytes have come and are held back.
    ///
    /// # Panics
    /// If they do not come within a minute.
    pub async fn caught(&mut self) {
        let clock = Clock::system();
        let sprung = clock.timeout(COME_WITHIN, &mut self.sprung);
        sprung
            .await
            .expect("what the trap waits for does not come")
            .expect("the trap was taken away before it was sprung");
    }

    /// Lets them go on, whatever became of whoever sent them.
    pub fn release(self) {
        // Their connection may have been cut meanwhile.
        let _ = self.release.send(());
    }
}

/// Why a connection ended.
enum End {
    /// A trap after whose bytes the server should live on and the client should hear nothing.
    AfterDelivery,
    /// Everything else: both sides are reset.
    Reset,
}

impl Proxy {
    /// Starts a proxy in front of `127.0.0.1:target`.
    pub async fn to(target: u16) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        Self::between(Ipv4Addr::LOCALHOST, target).await
    }

    /// Starts a proxy at an address of this machine in front of `target`.
    pub async fn between(address: Ipv4Addr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((address, 0))
            .await
            .expect("the address is ours and has a free port");
        let listens = listener.local_addr().expect("it is bound");
        let control = Arc::new(watch::Sender::new(Control::default()));
        let connections = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let accepting = accept(
            listener,
            target,
            Arc::clone(&control),
            Arc::clone(&connections),
        );
        TaskTracker::new().spawn(stop.clone().run_until_cancelled_owned(accepting));
        Self {
            listens,
            target,
            control,
            connections,
            _stop: stop.drop_guard(),
        }
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        self.listens.port()
    }

    /// `url`, which leads to the server, led through the proxy instead.
    pub fn url(&self, url: &str) -> String {
        let (direct, through) = (self.target.to_string(), self.listens.to_string());
        assert!(
            url.contains(&direct),
            "the URL does not lead to the proxy's target"
        );
        url.replace(&direct, &through)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Holds back everything that goes in `direction` for so long; what is under way too.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.control
            .send_modify(|control| control.fault(direction).delay = delay);
    }

    /// Forwards nothing in `direction` until healed, and keeps the connections open: half-open TCP
    /// in one direction, a partition in both.
    pub fn stall(&self, direction: Direction) {
        self.control
            .send_modify(|control| control.fault(direction).stalled = true);
    }

    /// Resets all connections; new ones are taken.
    pub fn cut_connections(&self) {
        self.control.send_modify(|control| control.generation += 1);
    }

    /// Resets all connections, and new ones at once, until healed.
    pub fn cut(&self) {
        self.control.send_modify(|control| {
            control.refusing = true;
            control.generation += 1;
        });
    }

    /// Once, and only on the connection where it happens: when `pattern` goes in `direction`, the
    /// read that holds it is still delivered and the client is then cut off; the server is not
    /// disturbed. The future is ready when that has happened.
    pub fn cut_after(
        &self,
        direction: Direction,
        pattern: &[u8],
    ) -> impl Future<Output = ()> + Send + use<> {
        self.cut_at(direction, pattern, Effect::CutAfter)
    }

    /// As [`cut_after`](Self::cut_after), but the read that holds the pattern is lost and both
    /// sides are reset.
    pub fn cut_before(
        &self,
        direction: Direction,
        pattern: &[u8],
    ) -> impl Future<Output = ()> + Send + use<> {
        self.cut_at(direction, pattern, Effect::CutBefore)
    }

    /// Once, and only on the connection where it happens: when `pattern` goes in `direction`, the
    /// read that holds it and all that follows waits until released, even if its sender gives up.
    pub fn hold(&self, direction: Direction, pattern: &[u8]) -> Held {
        let (release, released) = oneshot::channel();
        let sprung = self.set_trap(direction, pattern, Effect::Hold(released));
        Held { sprung, release }
    }

    /// Ends every fault. What was cut stays cut; new connections are taken.
    pub fn heal(&self) {
        self.control.send_modify(|control| {
            *control = Control {
                generation: control.generation,
                ..Control::default()
            };
        });
    }

    fn cut_at(
        &self,
        direction: Direction,
        pattern: &[u8],
        effect: Effect,
    ) -> impl Future<Output = ()> + Send + use<> {
        let springs = self.set_trap(direction, pattern, effect);
        async move {
            springs
                .await
                .expect("the trap was taken away before it was sprung");
        }
    }

    fn set_trap(
        &self,
        direction: Direction,
        pattern: &[u8],
        effect: Effect,
    ) -> oneshot::Receiver<()> {
        assert!(!pattern.is_empty(), "an empty pattern is everywhere");
        let (sprung, springs) = oneshot::channel();
        self.control.send_modify(|control| {
            control.trap = Some(Trap {
                direction,
                pattern: pattern.to_vec(),
                effect,
                sprung,
            });
        });
        springs
    }
}

impl Control {
    fn fault(&mut self, direction: Direction) -> &mut Fault {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    fn fault_now(&self, direction: Direction) -> Fault {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    control: Arc<watch::Sender<Control>>,
    open: Arc<AtomicUsize>,
) {
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let _stop_with_us = stop.clone().drop_guard();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (control, open) = (Arc::clone(&control), Arc::clone(&open));
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            open.fetch_add(1, Ordering::SeqCst);
            connect(client, target, &control).await;
            open.fetch_sub(1, Ordering::SeqCst);
        }));
    }
}

/// Serves one connection to its end.
async fn connect(mut client: TcpStream, target: SocketAddr, control: &watch::Sender<Control>) {
    let mut watching = control.subscribe();
    let (refusing, generation) = {
        let now = watching.borrow();
        (now.refusing, now.generation)
    };
    let server = TcpStream::connect(target).await;
    let (false, Ok(mut server)) = (refusing, server) else {
        reset(&client);
        return;
    };
    for stream in [&client, &server] {
        // Only slower without it.
        let _ = stream.set_nodelay(true);
    }
    let end = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let both = async {
            tokio::try_join!(
                pump(Direction::ToServer, client_read, server_write, control),
                pump(Direction::ToClient, server_read, client_write, control),
            )
        };
        tokio::select! {
            biased;
            _ = watching.wait_for(|now| now.generation != generation) => End::Reset,
            ended = both => match ended {
                Ok(_) => return,
                Err(end) => end,
            },
        }
    };
    reset(&client);
    drop(client);
    match end {
        End::Reset => reset(&server),
        End::AfterDelivery => hear_out(server).await,
    }
}

/// Makes the end of `stream` a reset instead of an orderly close.
fn reset(stream: &TcpStream) {
    // Without it the end is orderly, which the other side survives too.
    let _ = stream.set_zero_linger();
}

/// Lets the server read what it was sent, as if the client were still there.
async fn hear_out(mut server: TcpStream) {
    let _ = server.shutdown().await;
    let mut words = [0; 1024];
    let silence = async { while !matches!(server.read(&mut words).await, Ok(0) | Err(_)) {} };
    let _ = Clock::system().timeout(LAST_WORDS, silence).await;
}

/// Forwards one direction until its source ends.
async fn pump(
    direction: Direction,
    source: ReadHalf<'_>,
    sink: WriteHalf<'_>,
    control: &watch::Sender<Control>,
) -> Result<(), End> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reading = async { read(source, sender).await.map_err(|_| End::Reset) };
    tokio::try_join!(reading, write(direction, sink, receiver, control))?;
    Ok(())
}

async fn read(
    mut source: ReadHalf<'_>,
    chunks: mpsc::Sender<(Monotonic, Vec<u8>)>,
) -> io::Result<()> {
    let clock = Clock::system();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        if source.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        if chunks.send((clock.monotonic(), chunk)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    direction: Direction,
    mut sink: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<(Monotonic, Vec<u8>)>,
    control: &watch::Sender<Control>,
) -> Result<(), End> {
    let mut watching = control.subscribe();
    let mut before = VecDeque::new();
    while let Some((arrived, chunk)) = chunks.recv().await {
        wait_out(direction, arrived, &mut watching).await;
        match spring(direction, &before, &chunk, control) {
            None => sink.write_all(&chunk).await.map_err(|_| End::Reset)?,
            Some((Effect::Hold(released), sprung)) => {
                tell(sprung);
                // Whoever drops the other end lets them go too.
                let _ = released.await;
                sink.write_all(&chunk).await.map_err(|_| End::Reset)?;
            }
            Some((Effect::CutBefore, sprung)) => {
                tell(sprung);
                return Err(End::Reset);
            }
            Some((Effect::CutAfter, sprung)) => {
                sink.write_all(&chunk).await.map_err(|_| End::Reset)?;
                tell(sprung);
                return Err(End::AfterDelivery);
            }
        }
        remember(&mut before, &chunk);
    }
    sink.shutdown().await.map_err(|_| End::Reset)
}

/// Waits until nothing holds back a chunk that arrived then.
async fn wait_out(
    direction: Direction,
    arrived: Monotonic,
    watching: &mut watch::Receiver<Control>,
) {
    let clock = Clock::system();
    loop {
        let fault = watching.borrow_and_update().fault_now(direction);
        let due = arrived + fault.delay;
        if !fault.stalled && (fault.delay.is_zero() || clock.monotonic() >= due) {
            return;
        }
        let waiting = async {
            if fault.stalled {
                std::future::pending::<()>().await;
            } else {
                clock.sleep_until(due).await;
            }
        };
        tokio::select! {
            changed = watching.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = waiting => {}
        }
    }
}

/// Takes the trap if its pattern ends in `chunk`.
fn spring(
    direction: Direction,
    before: &VecDeque<u8>,
    chunk: &[u8],
    control: &watch::Sender<Control>,
) -> Option<(Effect, oneshot::Sender<()>)> {
    let matches = |trap: &Trap| {
        let kept = before.len().min(trap.pattern.len() - 1);
        let text: Vec<u8> = before
            .iter()
            .skip(before.len() - kept)
            .chain(chunk)
            .copied()
            .collect();
        trap.direction == direction
            && text
                .windows(trap.pattern.len())
                .any(|window| window == trap.pattern)
    };
    let mut taken = None;
    control.send_if_modified(|control| {
        if control.trap.as_ref().is_some_and(matches) {
            taken = control.trap.take();
        }
        false
    });
    taken.map(|trap| (trap.effect, trap.sprung))
}

fn tell(sprung: oneshot::Sender<()>) {
    // The test need not wait for it.
    let _ = sprung.send(());
}

/// Keeps the last bytes, in which a pattern may have begun.
fn remember(before: &mut VecDeque<u8>, chunk: &[u8]) {
    const KEPT: usize = 1024;
    before.extend(&chunk[chunk.len().saturating_sub(KEPT)..]);
    let excess = before.len().saturating_sub(KEPT);
    before.drain(..excess);
}
