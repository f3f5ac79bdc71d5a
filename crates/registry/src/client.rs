//! `Client`: one request to whichever address of a registry answers, again and again until a deadline.
//!
//! It keeps connections open, but no answers. It follows no redirects and uses no proxy: a user's password goes to the
//! addresses in the settings and nowhere else.
//!
//! # Constraints
//!
//! - A call ends: at its deadline at the latest, give or take one attempt's reading of bytes already there.
//! - An answer's body is read up to a bound.
//! - Doing a request twice does no harm: the API is idempotent, registering included.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hw_log::LogError;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, Error};

use crate::answers::{Verdict, verdict};
use crate::settings::Settings;
use crate::tls;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Far above any schema that people write.
const BODY_BYTES_MAX: u64 = 8 << 20;
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// A way to a registry.
pub(crate) struct Client {
    agent: Agent,
    targets: Vec<Target>,
    /// Index of the target that answered last, which is asked first. Any thread may write it and none depends on it.
    last: AtomicUsize,
    attempt_timeout: Duration,
    call_timeout: Duration,
}

/// One address, and what tells it who we are.
struct Target {
    address: String,
    authorization: Option<String>,
}

/// What a registry said.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// What was asked for, and by which address.
    Good { url: String, body: Value },
    /// It does not have it.
    Missing,
    /// It does not take what it was sent; its own words.
    Unfit(String),
}

impl Client {
    /// # Errors
    /// When certificates or keys cannot be read. No connection is opened.
    pub(crate) fn new(settings: &Settings) -> Result<Client, LogError> {
        let config = Agent::config_builder()
            .tls_config(tls::config(settings)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("heartwatch")
            .accept(ACCEPT)
            .timeout_connect(Some(settings.connect_timeout));
        let targets = settings.urls.iter().map(|url| Target {
            address: url.address.clone(),
            // The registry-wide user goes before one in an address, as the source USER_INFO says.
            authorization: settings
                .user_info
                .as_ref()
                .or(url.user_info.as_ref())
                .map(|user| basic(user)),
        });
        Ok(Client {
            agent: config.build().new_agent(),
            targets: targets.collect(),
            last: AtomicUsize::new(0),
            attempt_timeout: settings.connect_timeout + settings.read_timeout,
            call_timeout: settings.call_timeout,
        })
    }

    /// Asks for `path`, or sends `body` to it.
    ///
    /// # Errors
    /// [`LogError::RegistryAway`] when the deadline passes without an answer, [`LogError::Registry`] when every address
    /// refuses.
    pub(crate) fn call(&self, path: &str, body: Option<&str>) -> Result<Answer, LogError> {
        let deadline = Instant::now() + self.call_timeout;
        let mut pause = PAUSE_MIN;
        loop {
            let reason = match self.round(path, body, deadline)? {
                Ok(answer) => return Ok(answer),
                Err(reason) => reason,
            };
            let pause_now = with_jitter(pause);
            if Instant::now() + pause_now >= deadline {
                return Err(LogError::RegistryAway { reason });
            }
            std::thread::sleep(pause_now);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One attempt at every address until one has the answer. That something is missing is believed when no other address
    /// has it: a registry may be behind its sibling. Gives why there is no answer if it is worth another round.
    fn round(&self, path: &str, body: Option<&str>, deadline: Instant) -> Result<Result<Answer, String>, LogError> {
        let first = self.last.load(Ordering::Relaxed);
        let mut missing = None;
        let (mut away, mut refused) = (Vec::new(), Vec::new());
        for at in (0..self.targets.len()).map(|step| (first + step) % self.targets.len()) {
            let target = &self.targets[at];
            let answer = match self.attempt(target, path, body, deadline) {
                Verdict::Good(body) => Answer::Good {
                    url: target.address.clone(),
                    body,
                },
                Verdict::Unfit(words) => Answer::Unfit(words),
                Verdict::Missing => {
                    missing = Some(Answer::Missing);
                    continue;
                }
                Verdict::Away(reason) => {
                    away.push(format!("{}: {reason}", target.address));
                    continue;
                }
                Verdict::Refused(reason) => {
                    refused.push((&target.address, reason));
                    continue;
                }
            };
            self.last.store(at, Ordering::Relaxed);
            return Ok(Ok(answer));
        }
        if let Some(missing) = missing {
            return Ok(Ok(missing));
        }
        match refused.into_iter().next() {
            Some((url, reason)) if away.is_empty() => Err(LogError::Registry {
                url: url.clone(),
                reason,
            }),
            Some((url, reason)) => Ok(Err(format!("{}; {url}: {reason}", away.join("; ")))),
            None => Ok(Err(away.join("; "))),
        }
    }

    fn attempt(&self, target: &Target, path: &str, body: Option<&str>, deadline: Instant) -> Verdict {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let timeout = Some(left.min(self.attempt_timeout));
        let url = format!("{}{path}", target.address);
        let user = target.authorization.as_ref().map(|value| ("authorization", value));
        let answer = match body {
            None => {
                let request = self.agent.get(url).config().timeout_global(timeout).build();
                user.into_iter()
                    .fold(request, |request, (name, value)| request.header(name, value))
                    .call()
            }
            Some(body) => {
                let request = self.agent.post(url).config().timeout_global(timeout).build();
                let request = user
                    .into_iter()
                    .fold(request, |request, (name, value)| request.header(name, value));
                request.content_type(CONTENT_TYPE).send(body)
            }
        };
        match answer.and_then(read) {
            Ok((status, body)) => verdict(status, &body),
            Err(error) => failed(error),
        }
    }
}

fn read(mut answer: Response<Body>) -> Result<(u16, String), Error> {
    let status = answer.status().as_u16();
    let body = answer
        .body_mut()
        .with_config()
        .limit(BODY_BYTES_MAX)
        .lossy_utf8(true)
        .read_to_string()?;
    Ok((status, body))
}

/// No answer, or none that is HTTP. What is wrong with certificates does not mend itself; a network may.
fn failed(error: Error) -> Verdict {
    let rustls = |error: &io::Error| {
        error
            .get_ref()?
            .downcast_ref::<rustls::Error>()
            .map(ToString::to_string)
    };
    let tls = match &error {
        Error::Rustls(error) => Some(error.to_string()),
        Error::Tls(reason) => Some((*reason).to_owned()),
        Error::Io(error) => rustls(error),
        _ => None,
    };
    match (tls, error) {
        (Some(reason), _) => Verdict::Refused(format!(
            "no encrypted connection can be made: {reason}; check schema.registry.ssl.truststore.location and that it is https"
        )),
        (None, Error::Io(error)) => Verdict::Away(error.to_string()),
        (None, Error::RedirectFailed) => verdict(307, ""),
        (None, Error::HostNotFound) => Verdict::Away("its host's name is not known".into()),
        (None, Error::BodyExceedsLimit(_)) => Verdict::Refused("its answer is larger than any schema".into()),
        (None, error) => Verdict::Away(error.to_string()),
    }
}

fn basic(user_info: &str) -> String {
    format!("Basic {}", STANDARD.encode(user_info))
}

/// Between half of the pause and all of it, so that workers that lost a registry together do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let share = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    pause.mul_f64(0.5 + share / 2.0)
}
