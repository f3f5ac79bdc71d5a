//! `Secured`: a broker that listens in every way that Kafka knows, and whom it lets in.
//!
//! Its folder is a contract with the tests of the log's crate, which find it by `HEARTWATCH_TEST_KAFKA_SECURE`: the file
//! `port` has the first of five ports (plain text; TLS; TLS and login; login; TLS with a certificate of the client's), and
//! `ca.pem`, `stranger.pem`, `server.pem`, `server.key`, `client.pem` are what `tests/live/certificates.py` says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::super::kit::Kit;
use super::super::ports;
use super::super::process::Process;

/// Listeners, from the first port up. The authority knows the broker as `localhost`.
const LISTENERS: [&str; 5] = ["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT", "MTLS"];
/// Making keys takes less than a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ways to log in.
pub(crate) const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
/// An account that may do everything, by every mechanism.
pub(crate) const USER: &str = "anna";
/// Its password, which opens nothing but a broker that lives for a minute.
pub(crate) const PASSWORD: &str = "anna-secret";

/// A secured broker's ports and files.
#[derive(Debug)]
pub(crate) struct Secured {
    folder: PathBuf,
    first_port: u16,
}

impl Secured {
    /// Finds ports, and makes keys and certificates in the folder.
    pub(super) fn make(kit: &Kit, folder: &Path, logs: &Path) -> Result<Secured> {
        std::fs::create_dir_all(folder)?;
        let first_port = ports::in_a_row(LISTENERS.len() as u16)?;
        std::fs::write(folder.join("port"), first_port.to_string())?;
        let mut command = kit.python("certificates.py");
        Process::run("certificates", logs, command.arg(folder), PATIENCE)?;
        Ok(Secured {
            folder: folder.to_path_buf(),
            first_port,
        })
    }

    /// The folder with all that clients need.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where clients that come by TLS and log in begin.
    pub(crate) fn bootstrap(&self) -> String {
        format!("localhost:{}", self.first_port + 2)
    }

    /// Whom a client has to trust.
    pub(crate) fn authority(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// Somebody who has signed nothing here.
    pub(crate) fn stranger(&self) -> String {
        self.folder.join("stranger.pem").display().to_string()
    }

    /// The port of the plain text listener.
    pub(super) fn plain_port(&self) -> u16 {
        self.first_port
    }

    /// `NAME://localhost:PORT` of every listener.
    pub(super) fn listeners(&self) -> String {
        let each = LISTENERS.iter().zip(self.first_port..);
        let each: Vec<String> = each.map(|(name, port)| format!("{name}://localhost:{port}")).collect();
        each.join(",")
    }

    /// Accounts, as the storage tool takes them: Anna, and Bert, who may do nothing.
    pub(super) fn accounts() -> [String; 3] {
        [
            format!("SCRAM-SHA-256=[name={USER},iterations=4096,password={PASSWORD}]"),
            format!("SCRAM-SHA-512=[name={USER},iterations=8192,password={PASSWORD}]"),
            "SCRAM-SHA-256=[name=bert,iterations=4096,password=bert-secret]".to_owned(),
        ]
    }

    /// Lines of the broker's properties.
    pub(super) fn properties(&self) -> String {
        let mut text = format!(
            "sasl.enabled.mechanisms={}\n\
             # Whoever has logged in does so again every three seconds, or is hung up on.\n\
             connections.max.reauth.ms=3000\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n\
             listener.name.mtls.ssl.client.auth=required\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS;User:{USER};User:CN=client\n",
            MECHANISMS.join(","),
            self.folder.join("server.pem").display(),
            self.folder.join("ca.pem").display(),
        );
        for listener in ["sasl_ssl", "sasl_plaintext"] {
            let modules = "org.apache.kafka.common.security";
            let plain = format!("{modules}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";");
            let scram = format!("{modules}.scram.ScramLoginModule required;");
            for (mechanism, module) in MECHANISMS.iter().zip([&plain, &scram, &scram]) {
                let mechanism = mechanism.to_lowercase();
                text += &format!("listener.name.{listener}.{mechanism}.sasl.jaas.config={module}\n");
            }
        }
        text
    }
}
