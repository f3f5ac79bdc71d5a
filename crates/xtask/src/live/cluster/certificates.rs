//! Keys and certificates of a secured broker, made by Java's own tool and valid for a day.
//!
//! It knows no listener.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::super::kit::Kit;
use super::super::process::Process;
use super::PASSWORD;

/// Making a key takes a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the broker is known as.
const NAMES: &str = "SAN=IP:127.0.0.1,DNS:localhost";

/// A certificate authority and a broker's key that it has signed.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them in the folder.
    pub(super) fn make(kit: &Kit, folder: &Path, logs: &Path) -> Result<Certificates> {
        std::fs::create_dir_all(folder)?;
        let certificates = Certificates {
            folder: folder.to_path_buf(),
        };
        for (store, alias, extension) in [
            ("authority.p12", "authority", "bc:critical=ca:true"),
            // Whom nobody trusts, for clients that must refuse.
            ("stranger.p12", "stranger", "bc:critical=ca:true"),
            ("broker.p12", "broker", NAMES),
        ] {
            let name = format!("CN=heartwatch live tests {alias}");
            let key = [
                "-genkeypair",
                "-alias",
                alias,
                "-dname",
                &name,
                "-keyalg",
                "EC",
                "-groupname",
                "secp256r1",
            ];
            certificates.keytool(
                kit,
                logs,
                store,
                &[&key[..], &["-validity", "1", "-ext", extension]].concat(),
            )?;
        }
        for alias in ["authority", "stranger"] {
            let (store, file) = (format!("{alias}.p12"), format!("{alias}.pem"));
            certificates.keytool(
                kit,
                logs,
                &store,
                &["-exportcert", "-rfc", "-alias", alias, "-file", &file],
            )?;
        }
        let request = ["-certreq", "-alias", "broker", "-file", "broker.csr"];
        certificates.keytool(kit, logs, "broker.p12", &request)?;
        let sign = [
            "-gencert",
            "-rfc",
            "-alias",
            "authority",
            "-ext",
            NAMES,
            "-validity",
            "1",
        ];
        let files = ["-infile", "broker.csr", "-outfile", "broker.pem"];
        certificates.keytool(kit, logs, "authority.p12", &[&sign[..], &files].concat())?;
        // The authority first: the answer to a request is taken when its chain is known.
        for (alias, file) in [("authority", "authority.pem"), ("broker", "broker.pem")] {
            let import = ["-importcert", "-noprompt", "-alias", alias, "-file", file];
            certificates.keytool(kit, logs, "broker.p12", &import)?;
        }
        Ok(certificates)
    }

    /// Whom a client has to trust, as PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Somebody who has signed nothing here, as PEM.
    pub(crate) fn stranger(&self) -> PathBuf {
        self.folder.join("stranger.pem")
    }

    /// The broker's key and its chain.
    pub(super) fn key_store(&self) -> PathBuf {
        self.folder.join("broker.p12")
    }

    fn keytool(&self, kit: &Kit, logs: &Path, store: &str, arguments: &[&str]) -> Result<()> {
        let mut command = kit.keytool();
        command.current_dir(&self.folder).args(arguments).args([
            "-keystore",
            store,
            "-storetype",
            "PKCS12",
            "-storepass",
            PASSWORD,
        ]);
        Process::run("keytool", logs, &mut command, PATIENCE)?;
        Ok(())
    }
}
