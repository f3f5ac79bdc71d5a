//! PEM texts to what the HTTP client needs for TLS.
//!
//! Keys that are encrypted are not read. Everything that could make the client panic later is tried here first: a key that
//! does not belong to its certificate, and certificates that are none.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use hw_log::LogError;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::settings::{Identity, Pem, Settings};

/// Such files are small; whatever is larger was named by mistake.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// The settings of TLS. Without an address that asks for it, it reads nothing.
pub(crate) fn config(settings: &Settings) -> Result<TlsConfig, LogError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if !settings.urls.iter().any(crate::url::Url::is_encrypted) {
        return Ok(builder.build());
    }
    let refused = |name: &str, reason: String| LogError::Invalid {
        what: "the setting".into(),
        name: format!("schema.registry.ssl.{name}"),
        reason,
    };
    let roots = match &settings.trusted {
        Some(pem) => certificates(pem),
        None => system(),
    };
    let roots = roots.map_err(|reason| refused("truststore.location", reason))?;
    let identity = settings.identity.as_ref().map(|own| identity(own, &roots)).transpose();
    let identity = identity.map_err(|reason| refused("keystore.location", reason))?;
    let roots = roots.iter().map(|one| Certificate::from_der(one).to_owned());
    Ok(builder.root_certs(RootCerts::from(roots)).client_cert(identity).build())
}

fn read(pem: &Pem) -> Result<Vec<u8>, String> {
    let path = match pem {
        Pem::Text(text) => return Ok(text.clone().into_bytes()),
        Pem::File(path) => path,
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(bytes)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(pem)?).collect();
    let found = found.map_err(|error| format!("its PEM is damaged: {error}"))?;
    match found.is_empty() {
        true => Err("there is no certificate in its PEM".into()),
        false => Ok(found),
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    match found.certs.is_empty() {
        true => Err("this machine trusts no certificates; name a PEM file with those of the registry's issuer".into()),
        false => Ok(found.certs),
    }
}

/// What we show, once it was seen that key and certificate fit.
fn identity(own: &Identity, roots: &[CertificateDer<'static>]) -> Result<ClientCert, String> {
    let chain = certificates(&own.chain)?;
    let text = read(&own.key)?;
    let key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| "there is no private key in its PEM that is not encrypted")?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store)
        .with_client_auth_cert(chain.clone(), key)
        .map_err(|error| format!("the key and its certificates do not fit: {error}"))?;
    let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
    Ok(ClientCert::new_with_certs(&chain, private_key(&text)?))
}

fn private_key(pem: &[u8]) -> Result<PrivateKey<'static>, String> {
    let found = parse_pem(pem).find_map(|item| match item {
        Ok(PemItem::PrivateKey(key)) => Some(key),
        _ => None,
    });
    found.ok_or_else(|| "there is no private key in its PEM that is not encrypted".into())
}
