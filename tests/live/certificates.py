"""Keys and certificates of a secured broker, valid for a day, as PEM files in a folder.

ca.pem has signed server.pem (key, certificate, authority; known as localhost, and by no other name) and client.pem;
stranger.pem has signed nothing; server.key is the key alone.
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Identity = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(who: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    # Clocks of two programs on one machine agree, but not to the last second of a certificate.
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name(who))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=1))
    )


def authority(who: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    built = certificate(who, key, name(who)).add_extension(x509.BasicConstraints(True, None), critical=True)
    return built.sign(key, SHA256()), key


def signed(who: str, by: Identity) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = (
        certificate(who, key, by[0].subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    )
    return built.sign(by[1], SHA256()), key


def pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(Encoding.PEM)
    return thing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def main() -> None:
    folder = Path(sys.argv[1])
    ours, stranger = authority("live tests"), authority("stranger")
    (folder / "ca.pem").write_bytes(pem(ours[0]))
    (folder / "stranger.pem").write_bytes(pem(stranger[0]))
    for who in ["server", "client"]:
        shown, key = signed(who, ours)
        (folder / f"{who}.pem").write_bytes(pem(key) + pem(shown) + pem(ours[0]))
        (folder / f"{who}.key").write_bytes(pem(key))


if __name__ == "__main__":
    main()
