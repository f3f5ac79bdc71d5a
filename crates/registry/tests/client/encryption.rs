//! TLS: whom the client trusts, and how it says who it is.

use std::sync::Arc;

use hw_log::LogError;
use hw_log::kafka::SchemaIds;
use hw_registry::Registry;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::server::{Server, say};
use crate::{registry, settings};

const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A certificate and its key, both in PEM form.
fn certificate(issuer: &Issuer, name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, issuer).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// A server for `name`; clients have to show a certificate of `clients`, if that is given.
fn server(issuer: &Issuer, name: &str, clients: Option<&Issuer>) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("roots"))
        }
    };
    let (chain, key) = certificate(issuer, name);
    let chain = rustls_pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = builder.with_single_cert(vec![chain], key).expect("they fit");
    Server::start_encrypted(&[say(200, SCHEMA)], config)
}

fn https(server: &Server, more: &str) -> Registry {
    registry(&format!(
        "schema.registry.url=https://localhost:{}\n{more}",
        server.port
    ))
}

#[test]
fn a_certificate_of_a_trusted_issuer_for_the_host_is_taken_and_no_other() {
    let (ours, theirs) = (issuer("ours"), issuer("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trust.pem");
    std::fs::write(&path, ours.pem()).expect("written");
    let trust = format!(
        "schema.registry.ssl.truststore.type=PEM\nschema.registry.ssl.truststore.location={}",
        path.display()
    );
    let good = server(&ours, "localhost", None);
    https(&good, &trust).schema(7).expect("trusted");
    for (server, reason) in [
        (server(&theirs, "localhost", None), "UnknownIssuer"),
        (server(&ours, "elsewhere", None), "not valid for name"),
    ] {
        let error = https(&server, &trust).schema(7).expect_err("not trusted");
        assert!(
            matches!(error, LogError::Registry { .. }) && error.to_string().contains(reason),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("check schema.registry.ssl.truststore.location"),
            "{error}"
        );
        assert!(server.asked().is_empty());
    }
}

/// The settings of a client with a certificate in one file, as `ssl.keystore.location` names it.
fn identity(folder: &tempfile::TempDir, trusted: &Issuer, name: &str, pem: &str) -> String {
    let (trust, key) = (folder.path().join("trust.pem"), folder.path().join(name));
    std::fs::write(&trust, trusted.pem()).expect("written");
    std::fs::write(&key, pem).expect("written");
    format!(
        "schema.registry.ssl.truststore.location={}\nschema.registry.ssl.keystore.location={}",
        trust.display(),
        key.display()
    )
}

#[test]
fn the_client_shows_its_certificate() {
    let (ours, theirs) = (issuer("ours"), issuer("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(&ours, "localhost", Some(&theirs));
    let (chain, key) = certificate(&theirs, "worker");
    let known = identity(&folder, &ours, "worker.pem", &format!("{key}{chain}"));
    https(&server, &known).schema(7).expect("known");
    let (chain, key) = certificate(&ours, "worker");
    let unknown = identity(&folder, &ours, "unknown.pem", &format!("{chain}{key}"));
    https(&server, &unknown).schema(7).expect_err("of another issuer");
    let nobody = unknown.lines().next().expect("the trust");
    https(&server, nobody).schema(7).expect_err("no certificate");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn keys_and_certificates_that_cannot_be_used_are_found_before_anything_is_asked() {
    let issuer = issuer("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, _) = certificate(&issuer, "worker");
    let (_, other_key) = certificate(&issuer, "other");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (pem, reason) in [
        (format!("{chain}{other_key}"), "the key and its certificates do not fit"),
        (
            chain.clone(),
            "there is no private key in its PEM that is not encrypted",
        ),
        (
            format!("{chain}{encrypted}"),
            "there is no private key in its PEM that is not encrypted",
        ),
        (other_key, "there is no certificate in its PEM"),
    ] {
        let text = identity(&folder, &issuer, "worker.pem", &pem);
        let error = Registry::new(&settings(&format!("schema.registry.url=https://localhost:1\n{text}")));
        let error = error.expect_err("unusable").to_string();
        assert!(
            error.contains(reason) && error.contains("schema.registry.ssl.keystore.location"),
            "{error}"
        );
    }
    let missing = "schema.registry.url=https://localhost:1\nschema.registry.ssl.truststore.location=/no/such/file";
    let error = Registry::new(&settings(missing)).expect_err("no file").to_string();
    assert!(error.contains("cannot read /no/such/file"), "{error}");
}
