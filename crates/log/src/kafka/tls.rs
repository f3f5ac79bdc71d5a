//! A socket becomes an encrypted one, between two that have shown who they are.
//!
//! It keeps nothing: certificates are read at every connection, so that renewed ones are used without a restart.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::address::Address;
use super::failure::Failure;
use super::security::{Encryption, Identity, NameCheck, Pem};

/// Certificate files are small; whatever is larger was named by mistake.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// Shakes hands as a client.
pub(crate) fn encrypt(
    encryption: &Encryption,
    address: &Address,
    mut socket: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Failure> {
    let refused = |reason: String| Failure::Auth {
        address: address.clone(),
        reason,
    };
    let config = config(encryption).map_err(refused)?;
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| refused(format!("{:?} cannot stand in a certificate", address.host)))?;
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(|error| refused(error.to_string()))?;
    while session.is_handshaking() {
        session
            .complete_io(&mut socket)
            .map_err(|error| handshake_failure(address, &error))?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// An error of the socket in the words of TLS, when it is one of TLS.
pub(crate) fn explain(error: &std::io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(problem) => explain_certificate(problem),
        rustls::Error::InvalidMessage(_) => {
            "it does not encrypt; use its TLS port, or set security.protocol to PLAINTEXT or SASL_PLAINTEXT".into()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "it refused the encryption ({alert:?}); if it wants a certificate of ours, set ssl.keystore.location to one \
             that it trusts"
        ),
        other => format!("no encryption came about: {other}"),
    })
}

fn explain_certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => {
            "its certificate was issued by somebody who is not trusted; set ssl.truststore.location to a PEM file with \
             the issuer's certificate"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; connect by a name that stands in it, or set \
             ssl.endpoint.identification.algorithm to nothing where names do not count"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; its operator has to renew it".into()
        }
        other => format!("its certificate is not good: {other}"),
    }
}

fn handshake_failure(address: &Address, error: &std::io::Error) -> Failure {
    let reason = match (explain(error), error.kind()) {
        (Some(reason), _) => reason,
        (None, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            "it closed the connection when asked to encrypt; use its TLS port, or set security.protocol to PLAINTEXT or \
             SASL_PLAINTEXT"
                .into()
        }
        (None, _) => {
            return Failure::Unreachable {
                address: address.clone(),
                reason: format!("no encryption came about: {error}"),
            };
        }
    };
    Failure::Auth {
        address: address.clone(),
        reason,
    }
}

fn config(encryption: &Encryption) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(encryption, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &encryption.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| format!("ssl.keystore: the certificate and its key do not fit: {error}"))
        }
    }
}

fn verifier(encryption: &Encryption, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let roots = Arc::new(roots(encryption.trusted.as_ref())?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| format!("ssl.truststore: {error}"))?;
    Ok(match encryption.names {
        NameCheck::Host => verifier,
        NameCheck::Off => Arc::new(AnyName(verifier)),
    })
}

fn roots(trusted: Option<&Pem>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = trusted else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(
                "the system trusts no issuer of certificates; set ssl.truststore.location to a PEM file".into(),
            );
        }
        return Ok(roots);
    };
    for certificate in certificates(pem, "ssl.truststore")? {
        roots
            .add(certificate)
            .map_err(|error| format!("ssl.truststore: {error}"))?;
    }
    Ok(roots)
}

fn read_identity(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = certificates(&identity.chain, "ssl.keystore")?;
    let pem = read(&identity.key, "ssl.keystore")?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        format!("ssl.keystore: no private key in PEM form ({error}); a key with a password has to be decrypted first")
    })?;
    Ok((chain, key))
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(pem, what)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| format!("{what}: {error}"))?;
    if certificates.is_empty() {
        return Err(format!(
            "{what}: no certificate in PEM form is there; a JKS or PKCS12 store has to be converted"
        ));
    }
    Ok(certificates)
}

fn read(pem: &Pem, what: &str) -> Result<Vec<u8>, String> {
    let path = match pem {
        Pem::Text(text) => return Ok(text.clone().into_bytes()),
        Pem::File(path) => path,
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| format!("{what}.location {} cannot be read: {error}", path.display()))?;
    Ok(bytes)
}

/// Trusts whoever has a certificate of a trusted issuer, whatever name is in it: where names do not count.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is the last that is looked at: everything else is good when it alone is not.
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
