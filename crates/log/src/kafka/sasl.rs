//! Logging in on a fresh connection, or again on one whose login is about to run out.
//!
//! It knows who we are from the settings; how SCRAM proves it is [`super::scram`]'s.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::connection::Connection;
use super::failure::Failure;
use super::scram::Exchange;
use super::security::{Login, Mechanism};

/// Bytes of randomness in the number that makes each login another.
const NONCE_BYTES: usize = 18;

/// Logs in. Gives how long the login is good for, where the broker limits that.
pub(crate) fn login(connection: &mut Connection, login: &Login) -> Result<Option<Duration>, Failure> {
    shake_hands(connection, login.mechanism)?;
    let answer = match login.mechanism {
        Mechanism::Plain => {
            let secret = format!("\0{}\0{}", login.username, login.password);
            authenticate(connection, login, secret)?
        }
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => scram(connection, login)?,
    };
    let lifetime_ms = u64::try_from(answer.session_lifetime_ms).unwrap_or(0);
    Ok((lifetime_ms > 0).then(|| Duration::from_millis(lifetime_ms)))
}

fn scram(connection: &mut Connection, login: &Login) -> Result<SaslAuthenticateResponse, Failure> {
    let mut random = [0; NONCE_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| refused(connection, format!("the system gives no randomness: {error}")))?;
    let exchange = Exchange::new(login, STANDARD.encode(random));
    let challenge = authenticate(connection, login, exchange.first())?;
    let challenge = text(connection, &challenge)?;
    let proof = exchange
        .prove(&challenge)
        .map_err(|reason| refused(connection, reason))?;
    let answer = authenticate(connection, login, proof.message.clone())?;
    let last = text(connection, &answer)?;
    proof.check(&last).map_err(|reason| refused(connection, reason))?;
    Ok(answer)
}

fn shake_hands(connection: &mut Connection, mechanism: Mechanism) -> Result<(), Failure> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
    let answer = connection.call_directly(1..=1, &request)?;
    let reason = match ResponseError::try_from_code(answer.error_code) {
        None => return Ok(()),
        Some(ResponseError::UnsupportedSaslMechanism) => {
            let known: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
            format!(
                "it takes no login by {}; set sasl.mechanism to one of its own: {}",
                mechanism.name(),
                known.join(", ")
            )
        }
        Some(ResponseError::IllegalSaslState) => {
            "it wants no login there; set security.protocol to PLAINTEXT or SSL, or use its SASL port".into()
        }
        Some(code) => format!("it refused to begin the login: {code}"),
    };
    Err(refused(connection, reason))
}

/// One message of ours and the broker's answer to it.
fn authenticate(
    connection: &mut Connection,
    login: &Login,
    message: String,
) -> Result<SaslAuthenticateResponse, Failure> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
    let answer = connection.call_directly(0..=2, &request)?;
    match ResponseError::try_from_code(answer.error_code) {
        None => Ok(answer),
        Some(code) => {
            let words = answer.error_message.as_ref().map_or(String::new(), ToString::to_string);
            let reason = format!(
                "it refused the login of {} by {} ({code}: {words}); check sasl.username, sasl.password and sasl.mechanism",
                login.username,
                login.mechanism.name()
            );
            Err(refused(connection, reason))
        }
    }
}

fn text(connection: &Connection, answer: &SaslAuthenticateResponse) -> Result<String, Failure> {
    String::from_utf8(answer.auth_bytes.to_vec()).map_err(|_| refused(connection, "its challenge is no text".into()))
}

fn refused(connection: &Connection, reason: String) -> Failure {
    Failure::Auth {
        address: connection.address().clone(),
        reason,
    }
}
