//! Row 47: certificates of Postgres and NATS that are replaced in time, and too late. Services speak TLS to both
//! and listen without: that is for whatever stands in front of them.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use reqwest::StatusCode;
use runtime::clock::Clock;
use sqlx::AssertSqlSafe;
use testkit::eventually;

use super::{done, lasts};
use crate::client::now;
use crate::limits::{RECOVERS_WITHIN, SOON};
use crate::process::{Recipe, Service};
use crate::rig::{Rig, target};

/// How long a certificate is good for that is replaced in time.
const LIFE: Duration = Duration::from_mins(10);
/// How long requests come at one rate before.
const STEADY: Duration = Duration::from_secs(4);
/// One that is not.
const SHORT_LIFE: Duration = Duration::from_secs(3);

/// Row 47: a replica that believes in nobody without a certificate.
pub async fn rotated(rig: &mut Rig) {
    let authority = Authority::new(rig);
    authority.certify(LIFE);
    secure(rig, &authority).await;
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    authority.require(&mut recipe);
    let replica = rig.extra(recipe).await;
    let plain = plain_connections(rig, &replica).await;
    rig.found.expect(plain == Some(0), || {
        format!("{plain:?} of its connections to Postgres are in the clear")
    });
    in_time(rig, &authority, &replica).await;
    rig.calm_but(1).await;
    too_late(rig, &authority, &replica).await;
    rig.dismiss(replica).await;
    set_ssl(rig, None).await;
    configure_nats(rig, String::new()).await;
}

/// Another certificate takes the old one's place while keys are revoked, and every connection is made anew.
async fn in_time(rig: &mut Rig, authority: &Authority, replica: &Service) {
    let watch = rig.round_with(&[replica]).await;
    // What it holds of the org's day outlasts a connection only once it knows how much is asked for.
    lasts(STEADY).await;
    let revoking = watch.revoke();
    authority.certify(LIFE);
    reload(rig).await;
    end_connections(rig, replica).await;
    done(revoking).await;
    rig.end(watch, &[]).await;
}

/// The certificate runs out, and every new connection is refused until there is another.
async fn too_late(rig: &mut Rig, authority: &Authority, replica: &Service) {
    authority.certify(SHORT_LIFE);
    reload(rig).await;
    let watch = rig.round_with(&[replica]).await;
    // Past the whole second in which it ends.
    lasts(SHORT_LIFE + Duration::from_secs(1)).await;
    end_connections(rig, replica).await;
    done(watch.revoke()).await;
    let (control, target) = (rig.control.clone(), target(replica));
    eventually(SOON, "it trusts nobody", async || {
        let answer = control.ask_briefly(&target).await;
        answer
            .is(StatusCode::SERVICE_UNAVAILABLE)
            .then_some(())
            .ok_or(answer.told())
    })
    .await;
    authority.certify(LIFE);
    reload(rig).await;
    let began = now();
    eventually(SOON, "it is back", async || {
        let answer = control.ask_briefly(&target).await;
        answer.is(StatusCode::OK).then_some(()).ok_or(answer.told())
    })
    .await;
    let back = Duration::from_nanos(now() - began);
    rig.end(watch, &[&replica.name]).await;
    rig.found.note(format!(
        "back {} ms after the certificate was replaced",
        back.as_millis()
    ));
    rig.found.expect_speed(back <= RECOVERS_WITHIN, || {
        format!("L2: back after {} ms", back.as_millis())
    });
}

/// Who certifies the two servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    addresses: Vec<IpAddr>,
}

impl Authority {
    fn new(rig: &Rig) -> Self {
        let folder = rig.folder.path().join("certificates");
        fs::create_dir_all(&folder).expect("the folder takes one more");
        let key = KeyPair::generate().expect("there is a source of random bytes");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("the key is its own");
        fs::write(folder.join("ca.pem"), own.pem()).expect("the folder takes a file");
        Self {
            issuer: Issuer::new(params, key),
            folder,
            addresses: vec![rig.postgres.address().ip(), rig.nats.address().ip()],
        }
    }

    /// Writes a certificate and its key for each server, good from now on for so long.
    fn certify(&self, life: Duration) {
        let names: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("there is a source of random bytes");
        let mut params = CertificateParams::new(names).expect("addresses are names");
        let now = Clock::system().now().timestamp();
        let now = Duration::from_secs(u64::try_from(now).expect("it is past 1970"));
        params.not_after = date_time_ymd(1970, 1, 1) + now + life;
        let signed = params.signed_by(&key, &self.issuer);
        let (certificate, key) = (signed.expect("it may sign").pem(), key.serialize_pem());
        for server in ["postgres", "nats"] {
            self.write(server, "certificate", &certificate);
            self.write(server, "key", &key);
        }
    }

    /// For the account of that server, and readable by nobody else.
    fn write(&self, server: &str, what: &str, text: &str) {
        let file = self.file(server, what);
        let fresh = file.with_extension("new");
        let owner = self
            .folder
            .parent()
            .expect("it is in the rig's")
            .join(server);
        let owner = fs::metadata(owner).expect("the server runs there");
        fs::write(&fresh, text).expect("the folder takes a file");
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).expect("the file is ours");
        chown(&fresh, Some(owner.uid()), Some(owner.gid())).expect("who starts servers may");
        fs::rename(fresh, file).expect("the folder is ours");
    }

    fn file(&self, server: &str, what: &str) -> PathBuf {
        self.folder.join(format!("{server}-{what}.pem"))
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Has a process believe in nobody without a certificate.
    fn require(&self, recipe: &mut Recipe) {
        let ca = self.ca().display().to_string();
        for (name, url) in &mut recipe.variables {
            if name.ends_with("DATABASE_URL") {
                *url = format!("{url}?sslmode=verify-full&sslrootcert={ca}");
            }
            if *name == "TGA_NATS_URL" {
                *url = url.replace("nats://", "tls://");
            }
        }
        recipe.variables.push(("SSL_CERT_FILE", ca));
    }
}

/// Has both servers show their certificates to whoever asks.
async fn secure(rig: &mut Rig, authority: &Authority) {
    let postgres = ["certificate", "key"].map(|what| authority.file("postgres", what));
    set_ssl(rig, Some(&postgres)).await;
    let file = |what| format!("{:?}", authority.file("nats", what).display().to_string());
    let (certificate, key) = (file("certificate"), file("key"));
    let lines =
        format!("tls {{ cert_file: {certificate}, key_file: {key} }}\nallow_non_tls: true\n");
    configure_nats(rig, lines).await;
}

async fn configure_nats(rig: &mut Rig, lines: String) {
    rig.nats
        .act(async move |server| {
            server.stop().await?;
            server.configure(lines);
            server.start().await
        })
        .await;
}

async fn set_ssl(rig: &Rig, files: Option<&[PathBuf; 2]>) {
    let set = |name: &str, path: &Path| format!("alter system set {name} = '{}'", path.display());
    let statements = match files {
        Some([certificate, key]) => vec![
            set("ssl_cert_file", certificate),
            set("ssl_key_file", key),
            "alter system set ssl = on".to_owned(),
        ],
        None => vec!["alter system reset ssl".to_owned()],
    };
    for statement in statements {
        sql(rig, &statement).await;
    }
    sql(rig, "select pg_reload_conf()").await;
}

/// Has both servers read their certificates anew.
async fn reload(rig: &mut Rig) {
    sql(rig, "select pg_reload_conf()").await;
    rig.nats.act(async |server| server.reload()).await;
}

/// Ends every connection of a replica: to Postgres, and, with everybody's, to NATS.
async fn end_connections(rig: &mut Rig, replica: &Service) {
    let address = replica.recipe.place.address;
    let end = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where client_addr = '{address}'"
    );
    sql(rig, &end).await;
    rig.nats
        .act(async |server| {
            server.kill().await?;
            server.start().await
        })
        .await;
}

async fn sql(rig: &Rig, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&rig.pool)
        .await
        .expect("a superuser may");
}

/// How many of its connections to Postgres are not encrypted; none if it has no connection.
async fn plain_connections(rig: &Rig, replica: &Service) -> Option<i64> {
    let address = replica.recipe.place.address.to_string();
    let count = sqlx::query_as::<_, (i64, i64)>(
        "select count(*), count(*) filter (where not ssl)
         from pg_stat_ssl join pg_stat_activity using (pid) where client_addr = $1::inet",
    );
    let counted = count.bind(address).fetch_one(&rig.pool).await;
    let (all, plain) = counted.expect("Postgres answers");
    (all > 0).then_some(plain)
}
