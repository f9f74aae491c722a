//! Appends single events to an UmaDB server, each in a new stream, from many concurrent writers; prints one JSON object.

use std::time::{Duration, Instant};

use umadb_client::UmaDbClient;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreAsync, DcbQuery, DcbQueryItem};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Of the client and, pinned beside it, of the server.
const UMADB_VERSION: &str = "0.7.8";
const READY_WITHIN: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url: String = argument("--url")?;
    let writers: usize = argument("--writers")?;
    let seconds: f64 = argument("--seconds")?;
    let payload_bytes: usize = argument("--payload-bytes")?;

    wait_until_ready(&url).await?;
    let mut clients = Vec::new();
    for _ in 0..writers {
        clients.push(UmaDbClient::new(url.clone()).connect_async().await?);
    }

    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(writer, client)| {
            tokio::spawn(async move {
                let mut micros = Vec::new();
                for number in 0_u64.. {
                    let begun = Instant::now();
                    if begun >= end {
                        break;
                    }
                    append(&client, &format!("s-{writer}-{number}"), payload_bytes).await?;
                    micros.push(begun.elapsed().as_micros());
                }
                Ok::<_, Failure>(micros)
            })
        })
        .collect();
    let mut micros = Vec::new();
    for task in tasks {
        micros.extend(task.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();

    micros.sort_unstable();
    let quantile = |q: usize| micros.get(micros.len() * q / 100).copied().unwrap_or(0) as f64 / 1e3;
    println!(
        "{{\"peer\":\"umadb\",\"version\":\"{}\",\"writers\":{writers},\"payload_bytes\":{payload_bytes},\
         \"events\":{},\"seconds\":{elapsed:.3},\"events_per_second\":{:.1},\"p50_ms\":{},\"p99_ms\":{}}}",
        UMADB_VERSION,
        micros.len(),
        micros.len() as f64 / elapsed,
        quantile(50),
        quantile(99),
    );
    Ok(())
}

/// As ours: an append that fails if the stream has anything in it.
async fn append(
    client: &impl DcbEventStoreAsync,
    stream: &str,
    payload_bytes: usize,
) -> Result<(), Failure> {
    let event = DcbEvent::default()
        .event_type("measured")
        .tags([stream])
        .data(vec![b'x'; payload_bytes]);
    let empty = DcbAppendCondition::new(DcbQuery::new().item(DcbQueryItem::new().tags([stream])));
    client.append(vec![event], Some(empty), None).await?;
    Ok(())
}

async fn wait_until_ready(url: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let answer = async { UmaDbClient::new(url.to_owned()).connect_async().await?.head().await };
        match answer.await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn argument<T: std::str::FromStr>(name: &str) -> Result<T, Failure> {
    let mut arguments = std::env::args().skip_while(|it| it != name).skip(1);
    arguments.next().and_then(|it| it.parse().ok()).ok_or_else(|| format!("{name} is missing or wrong").into())
}
