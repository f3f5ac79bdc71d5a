//! `Exchange`: the two sides of a SCRAM login prove to each other that they know the password (RFC 5802, RFC 7677).
//!
//! It sends nothing; [`super::sasl`] carries the messages. As brokers do, it takes names and passwords as they are, without
//! the normalisation that the RFC recommends.
//!
//! # Constraints
//!
//! - A broker that asks for few rounds makes the password cheap to guess from what it hears, and one that asks for very many
//!   keeps us busy: both are refused.
//! - The login is only good once the broker has proved that it knows the password too.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::security::{Login, Mechanism};

/// The least that RFC 7677 allows.
const ROUNDS_MIN: u32 = 4_096;

/// About a second of work.
const ROUNDS_MAX: u32 = 1_000_000;

/// No channel binding: Kafka has none.
const BINDING: &str = "n,,";
const BINDING_BASE64: &str = "biws";

/// One login.
pub(super) struct Exchange<'a> {
    login: &'a Login,
    hashes: Hashes,
    nonce: String,
}

/// The last message of ours, and what the broker has to answer.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) message: String,
    expected: hmac::Tag,
}

/// The same hash in the three forms that are used here.
#[derive(Clone, Copy)]
struct Hashes {
    mac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    derive: pbkdf2::Algorithm,
    bytes: usize,
}

impl<'a> Exchange<'a> {
    /// `nonce` is printable, has no comma and was never used before.
    pub(super) fn new(login: &'a Login, nonce: String) -> Exchange<'a> {
        let hashes = match login.mechanism {
            Mechanism::ScramSha512 => Hashes {
                mac: hmac::HMAC_SHA512,
                digest: &digest::SHA512,
                derive: pbkdf2::PBKDF2_HMAC_SHA512,
                bytes: digest::SHA512_OUTPUT_LEN,
            },
            Mechanism::Plain | Mechanism::ScramSha256 => Hashes {
                mac: hmac::HMAC_SHA256,
                digest: &digest::SHA256,
                derive: pbkdf2::PBKDF2_HMAC_SHA256,
                bytes: digest::SHA256_OUTPUT_LEN,
            },
        };
        Exchange { login, hashes, nonce }
    }

    /// Our first message.
    pub(super) fn first(&self) -> String {
        format!("{BINDING}{}", self.first_bare())
    }

    /// Our second message, to the broker's first.
    pub(super) fn prove(&self, challenge: &str) -> Result<Proof, String> {
        let nonce = field(challenge, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker's challenge is to another login".into());
        }
        let salt = STANDARD
            .decode(field(challenge, 's')?)
            .map_err(|_| "the broker's salt cannot be read")?;
        let salted = self.salted_password(&salt, rounds(field(challenge, 'i')?)?);
        let without_proof = format!("c={BINDING_BASE64},r={nonce}");
        let both = format!("{},{challenge},{without_proof}", self.first_bare());

        let client_key = self.mac(&salted, b"Client Key");
        let stored_key = digest::digest(self.hashes.digest, client_key.as_ref());
        let signature = self.mac(stored_key.as_ref(), both.as_bytes());
        let proof: Vec<u8> = (client_key.as_ref().iter().zip(signature.as_ref()))
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = self.mac(&salted, b"Server Key");
        Ok(Proof {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            expected: self.mac(server_key.as_ref(), both.as_bytes()),
        })
    }

    fn first_bare(&self) -> String {
        let name = self.login.username.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", self.nonce)
    }

    fn salted_password(&self, salt: &[u8], rounds: NonZeroU32) -> Vec<u8> {
        let mut salted = vec![0; self.hashes.bytes];
        pbkdf2::derive(
            self.hashes.derive,
            rounds,
            salt,
            self.login.password.as_bytes(),
            &mut salted,
        );
        salted
    }

    fn mac(&self, key: &[u8], message: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hashes.mac, key), message)
    }
}

impl Proof {
    /// Whether the broker's last message shows that it knows the password.
    pub(super) fn check(&self, answer: &str) -> Result<(), String> {
        if let Ok(error) = field(answer, 'e') {
            return Err(format!("the broker says {error}"));
        }
        let signature = STANDARD
            .decode(field(answer, 'v')?)
            .map_err(|_| "the broker's proof cannot be read")?;
        if signature == self.expected.as_ref() {
            Ok(())
        } else {
            Err("the broker does not know the password itself: it may not be the one that it claims to be".into())
        }
    }
}

/// The value behind `name=` in a message.
fn field(message: &str, name: char) -> Result<&str, String> {
    let value = message
        .split(',')
        .find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.ok_or_else(|| format!("the broker's message has no {name:?}"))
}

fn rounds(text: &str) -> Result<NonZeroU32, String> {
    let rounds = text.parse().ok().and_then(NonZeroU32::new);
    rounds
        .filter(|rounds| (ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds.get()))
        .ok_or_else(|| format!("the broker asks for {text} rounds of hashing; {ROUNDS_MIN} to {ROUNDS_MAX} are taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn login() -> Login {
        Login {
            mechanism: Mechanism::ScramSha256,
            username: "user".into(),
            password: "pencil".into(),
        }
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_rfcs_example() {
        let login = login();
        let exchange = Exchange::new(&login, "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = exchange.prove(CHALLENGE).unwrap();
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        proof.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        let error = proof
            .check("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
            .unwrap_err();
        assert!(error.contains("does not know the password"), "{error}");
        assert_eq!(
            proof.check("e=invalid-proof").unwrap_err(),
            "the broker says invalid-proof"
        );
    }

    #[test]
    fn bad_challenges_are_refused() {
        let login = login();
        let exchange = Exchange::new(&login, "rOprNGfwEbeRWgbNEkqO".into());
        for (changed, reason) in [
            (CHALLENGE.replace("i=4096", "i=4095"), "4095 rounds"),
            (CHALLENGE.replace("i=4096", "i=1000001"), "1000001 rounds"),
            (CHALLENGE.replace("r=rOpr", "r=rOps"), "another login"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096".into(), "another login"),
            (CHALLENGE.replace("s=W22", "s=?"), "salt"),
            (CHALLENGE.replace(",i=4096", ""), "has no 'i'"),
        ] {
            let error = exchange.prove(&changed).unwrap_err();
            assert!(error.contains(reason), "{changed}: {error}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let login = Login {
            username: "a=b,c".into(),
            ..login()
        };
        assert_eq!(Exchange::new(&login, "x".into()).first(), "n,,n=a=3Db=2Cc,r=x");
    }
}
