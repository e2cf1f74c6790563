//! Whether a token is a time stamp on a digest, signed by somebody who is trusted for it (RFC 3161, section 2.2).

use std::time::Duration;

use aws_lc_rs::digest;
use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::attr::Attributes;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, KeyUsage};

use super::message::{SHA_256, Stated, token};
use super::{Roots, TimeStampError};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = oid("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// Which certificate was signed with, by SHA-1 (RFC 2634) or another digest (RFC 5035).
const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
const TIME_STAMPING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.8");
/// The same as webpki wants it.
const TIME_STAMPING_BYTES: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

const SHA_384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
/// RSA with the digest that is named beside it.
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");

type Verifiers = &'static [&'static dyn SignatureVerificationAlgorithm];

/// What verifies a signature, by what it says of itself and the digest that is named beside it.
const SIGNATURES: &[(ObjectIdentifier, ObjectIdentifier, Verifiers)] = &[
    (RSA, SHA_256, &[algorithms::RSA_PKCS1_2048_8192_SHA256]),
    (RSA, SHA_384, &[algorithms::RSA_PKCS1_2048_8192_SHA384]),
    (RSA, SHA_512, &[algorithms::RSA_PKCS1_2048_8192_SHA512]),
    (
        oid("1.2.840.113549.1.1.11"),
        SHA_256,
        &[algorithms::RSA_PKCS1_2048_8192_SHA256],
    ),
    (
        oid("1.2.840.113549.1.1.12"),
        SHA_384,
        &[algorithms::RSA_PKCS1_2048_8192_SHA384],
    ),
    (
        oid("1.2.840.113549.1.1.13"),
        SHA_512,
        &[algorithms::RSA_PKCS1_2048_8192_SHA512],
    ),
    (
        oid("1.2.840.10045.4.3.2"),
        SHA_256,
        &[
            algorithms::ECDSA_P256_SHA256,
            algorithms::ECDSA_P384_SHA256,
            algorithms::ECDSA_P521_SHA256,
        ],
    ),
    (
        oid("1.2.840.10045.4.3.3"),
        SHA_384,
        &[
            algorithms::ECDSA_P256_SHA384,
            algorithms::ECDSA_P384_SHA384,
            algorithms::ECDSA_P521_SHA384,
        ],
    ),
    (
        oid("1.2.840.10045.4.3.4"),
        SHA_512,
        &[
            algorithms::ECDSA_P256_SHA512,
            algorithms::ECDSA_P384_SHA512,
            algorithms::ECDSA_P521_SHA512,
        ],
    ),
];

/// When an authority that leads to `roots` saw `digest`, as its answer says. With a nonce, it must be the answer to
/// that request.
pub(super) fn verify(
    answer: &[u8],
    digest: &Digest,
    nonce: Option<&[u8]>,
    roots: &Roots,
) -> Result<Timestamp, TimeStampError> {
    let signed = signed_data(&token(answer)?)?;
    let content = content(&signed)?;
    let stated = Stated::read(content.as_bytes())?;
    if !stated.is_about(digest) {
        return Err(TimeStampError::About("another digest"));
    }
    if nonce.is_some_and(|nonce| !stated.answers(nonce)) {
        return Err(TimeStampError::About("another request"));
    }
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(TimeStampError::Signature("not by exactly one"));
    };
    let certificates = certificates(&signed);
    let certificate = certificates
        .iter()
        .find(|certificate| is_of(certificate, &signer.sid))
        .ok_or(TimeStampError::Signature("its certificate is missing"))?;
    check_signature(signer, content.as_bytes(), certificate)?;
    check_trust(certificate, &certificates, stated.time, roots)?;
    Ok(stated.time)
}

fn signed_data(token: &ContentInfo) -> Result<SignedData, TimeStampError> {
    if token.content_type != SIGNED_DATA {
        return Err(TimeStampError::Answer("its content is not signed"));
    }
    Ok(token.content.decode_as()?)
}

fn content(signed: &SignedData) -> Result<OctetString, TimeStampError> {
    let content = &signed.encap_content_info;
    if content.econtent_type != TST_INFO {
        return Err(TimeStampError::Answer("what is signed is no time"));
    }
    let bytes = content.econtent.as_ref();
    let bytes = bytes.ok_or(TimeStampError::Answer("what is signed is missing"))?;
    Ok(bytes.decode_as()?)
}

fn certificates(signed: &SignedData) -> Vec<Certificate> {
    let all = signed.certificates.iter().flat_map(|set| set.0.iter());
    all.filter_map(|one| match one {
        CertificateChoices::Certificate(certificate) => Some(certificate.clone()),
        CertificateChoices::Other(_) => None,
    })
    .collect()
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let body = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            body.issuer == named.issuer && body.serial_number == named.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => {
            let own = body.get::<SubjectKeyIdentifier>().ok().flatten();
            own.is_some_and(|(_, own)| own == *named)
        }
    }
}

/// Whether `certificate` signed `content`. The signature is over attributes, which name all the rest.
fn check_signature(
    signer: &SignerInfo,
    content: &[u8],
    certificate: &Certificate,
) -> Result<(), TimeStampError> {
    let wrong = TimeStampError::Signature;
    let attributes = signer.signed_attrs.as_ref();
    let attributes = attributes.ok_or(wrong("it has no signed attributes"))?;
    let kind: ObjectIdentifier = attribute(attributes, CONTENT_TYPE)?
        .ok_or(wrong("the type is not signed"))?
        .decode_as()?;
    let digest: OctetString = attribute(attributes, MESSAGE_DIGEST)?
        .ok_or(wrong("the digest is not signed"))?
        .decode_as()?;
    let algorithm = signer.digest_alg.oid;
    if kind != TST_INFO || digest.as_bytes() != hash(algorithm, content)?.as_ref() {
        return Err(wrong("the attributes are of something else"));
    }
    let encoded = certificate.to_der()?;
    if !names(attributes, &encoded)? {
        return Err(wrong("it names another certificate"));
    }
    let (_, _, verifiers) = SIGNATURES
        .iter()
        .find(|(signature, digest, _)| {
            *signature == signer.signature_algorithm.oid && *digest == algorithm
        })
        .ok_or(wrong("its algorithm is not supported"))?;
    let encoded = CertificateDer::from(encoded);
    let key = EndEntityCert::try_from(&encoded).map_err(TimeStampError::Untrusted)?;
    let message = attributes.to_der()?;
    let signature = signer.signature.as_bytes();
    let verifies = verifiers
        .iter()
        .any(|verifier| key.verify_signature(*verifier, &message, signature).is_ok());
    if verifies {
        Ok(())
    } else {
        Err(wrong("the signature is false"))
    }
}

/// The value of an attribute that is there once at most.
fn attribute(
    attributes: &Attributes,
    wanted: ObjectIdentifier,
) -> Result<Option<&Any>, TimeStampError> {
    let mut found = attributes.iter().filter(|one| one.oid == wanted);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(one), None) if one.values.len() == 1 => Ok(one.values.get(0)),
        _ => Err(TimeStampError::Signature("an attribute has several values")),
    }
}

/// Whether the attributes name this very certificate, so that no other one can be put in its place.
fn names(attributes: &Attributes, certificate: &[u8]) -> Result<bool, TimeStampError> {
    let (value, newer) = match attribute(attributes, SIGNING_CERTIFICATE_V2)? {
        Some(value) => (value, true),
        None => match attribute(attributes, SIGNING_CERTIFICATE)? {
            Some(value) => (value, false),
            None => return Ok(false),
        },
    };
    if value.tag() != Tag::Sequence {
        return Ok(false);
    }
    // SEQUENCE { SEQUENCE OF SEQUENCE { [hashAlgorithm], certHash, … }, … }: the first one is the signer's.
    let mut list = SliceReader::new(value.value())?;
    let (algorithm, expected) = list.sequence(|ids| {
        let first = ids.sequence(|id| {
            let algorithm = if newer && id.peek_tag()? == Tag::Sequence {
                id.sequence(|algorithm| {
                    let oid: ObjectIdentifier = algorithm.decode()?;
                    while !algorithm.is_finished() {
                        algorithm.tlv_bytes()?;
                    }
                    Ok(Some(oid))
                })?
            } else {
                None
            };
            let digest = OctetString::decode(id)?;
            while !id.is_finished() {
                id.tlv_bytes()?;
            }
            Ok((algorithm, digest))
        })?;
        while !ids.is_finished() {
            ids.tlv_bytes()?;
        }
        Ok(first)
    })?;
    let own = if newer {
        hash(algorithm.unwrap_or(SHA_256), certificate)?
    } else {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate)
    };
    Ok(expected.as_bytes() == own.as_ref())
}

fn hash(algorithm: ObjectIdentifier, bytes: &[u8]) -> Result<digest::Digest, TimeStampError> {
    let algorithm = match algorithm {
        SHA_256 => &digest::SHA256,
        SHA_384 => &digest::SHA384,
        SHA_512 => &digest::SHA512,
        _ => return Err(TimeStampError::Signature("its digest is not supported")),
    };
    Ok(digest::digest(algorithm, bytes))
}

/// Whether the certificate is for time stamps and nothing else, and led to somebody trusted at that time.
fn check_trust(
    certificate: &Certificate,
    all: &[Certificate],
    time: Timestamp,
    roots: &Roots,
) -> Result<(), TimeStampError> {
    let usage = certificate.tbs_certificate.get::<ExtendedKeyUsage>()?;
    if !usage.is_some_and(|(critical, usage)| critical && usage.0 == [TIME_STAMPING]) {
        let why = "its certificate is not for time stamps alone";
        return Err(TimeStampError::Signature(why));
    }
    let encoded = CertificateDer::from(certificate.to_der()?);
    let key = EndEntityCert::try_from(&encoded).map_err(TimeStampError::Untrusted)?;
    let others: Vec<_> = all
        .iter()
        .filter(|one| *one != certificate)
        .map(|one| one.to_der().map(CertificateDer::from))
        .collect::<Result<_, _>>()?;
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    key.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &roots.roots,
        &others,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::required(TIME_STAMPING_BYTES),
        None,
        None,
    )
    .map(drop)
    .map_err(TimeStampError::Untrusted)
}
