//! Where a request came from when proxies that are trusted stand in front (RFC 7239, and the older header).
//!
//! Everybody can send these headers, so they count only if the connection comes from a trusted proxy, and
//! are read from the right: each trusted proxy vouches for the address it added, and the first address
//! that is no trusted proxy is the client. In doubt the request is turned away: a wrong address would be
//! in records and in decisions of policy.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, StatusCode};
use ipnet::IpNet;
use sekimori_domain::digest::Digest;

use super::guard::Away;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most proxies that one request may have come through.
const HOPS_MAX: usize = 32;

/// The address of the client whose request came over a connection from `peer`.
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Result<IpAddr, Away> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return Ok(peer);
    }
    let found = |header, read| -> Result<Option<IpAddr>, Away> {
        if !headers.contains_key(header) {
            return Ok(None);
        }
        rightmost(headers, header, read, peer, is_trusted).map(Some)
    };
    let standard = found(&FORWARDED, forwarded_for)?;
    match (standard, found(&X_FORWARDED_FOR, listed)?) {
        // A proxy that writes one header hands on what a client wrote into the other.
        (Some(one), Some(other)) if one != other => Err(doubtful()),
        (Some(address), _) | (None, Some(address)) => Ok(address),
        (None, None) => Ok(peer),
    }
}

/// SHA-256 of the certificate that the device showed to the proxy (RFC 9440). The proxy is to check it against the
/// authority of the company's devices, and to take the header away from everybody else's requests.
pub(super) fn client_certificate(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Result<Option<Digest>, Away> {
    let mut values = headers.get_all(CLIENT_CERT).iter();
    let (Some(value), true) = (
        values.next(),
        trusted.iter().any(|network| network.contains(&peer)),
    ) else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let der = text
        .and_then(|text| text.trim().strip_prefix(':')?.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|der| !der.is_empty());
    match der {
        Some(der) => Ok(Some(Digest::of(&der))),
        None => Err(Away(
            StatusCode::BAD_REQUEST,
            "the proxy does not tell clearly which certificate the device showed",
        )),
    }
}

/// The rightmost address that is no trusted proxy; the leftmost where all are.
fn rightmost(
    headers: &HeaderMap,
    header: &HeaderName,
    read: fn(&str) -> Option<IpAddr>,
    peer: IpAddr,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Result<IpAddr, Away> {
    let mut address = peer;
    let mut hops = 0;
    for value in headers.get_all(header).iter().rev() {
        let value = value.to_str().map_err(|_| doubtful())?;
        for hop in value.rsplit(',') {
            hops += 1;
            address = read(hop.trim())
                .filter(|_| hops <= HOPS_MAX)
                .ok_or_else(doubtful)?;
            if !is_trusted(&address) {
                return Ok(address);
            }
        }
    }
    Ok(address)
}

/// One element of `X-Forwarded-For`.
fn listed(element: &str) -> Option<IpAddr> {
    address(element)
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            let value = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(value);
            found = Some(address(value)?);
        }
    }
    found
}

/// An address, perhaps with a port; IPv6 in brackets where there is a port.
fn address(text: &str) -> Option<IpAddr> {
    let ip = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        if !port.is_empty() {
            port.strip_prefix(':')?.parse::<u16>().ok()?;
        }
        IpAddr::V6(ip.parse().ok()?)
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        ip
    } else {
        let (ip, port) = text.split_once(':')?;
        port.parse::<u16>().ok()?;
        IpAddr::V4(ip.parse().ok()?)
    };
    Some(ip.to_canonical())
}

fn doubtful() -> Away {
    Away(
        StatusCode::BAD_REQUEST,
        "the proxy does not tell clearly where the request came from",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, list: &[(&'static str, &str)]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted)
            .map(|address| address.to_string())
            .map_err(|Away(status, _)| status.as_u16())
    }

    #[test]
    fn authz_3_a_device_is_known_by_what_a_trusted_proxy_tells() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let told = |peer: &str, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CLIENT_CERT, value.parse().unwrap());
            }
            client_certificate(peer.parse().unwrap(), &headers, &trusted)
                .map_err(|Away(status, _)| status.as_u16())
        };
        let digest = Digest::of(b"certificate");
        assert_eq!(told("10.0.0.1", &[":Y2VydGlmaWNhdGU=:"]), Ok(Some(digest)));
        assert_eq!(told("192.0.2.1", &[":Y2VydGlmaWNhdGU=:"]), Ok(None));
        assert_eq!(told("10.0.0.1", &[]), Ok(None));
        for bad in ["", "::", "Y2VydGlmaWNhdGU=", ":!:"] {
            assert_eq!(told("10.0.0.1", &[bad]), Err(400), "{bad}");
        }
        let twice = [":Y2VydGlmaWNhdGU=:", ":Y2VydGlmaWNhdGU=:"];
        assert_eq!(told("10.0.0.1", &twice), Err(400));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let claim = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(of("198.51.100.7", &claim).unwrap(), "198.51.100.7");
        assert_eq!(of("10.0.0.1", &claim).unwrap(), "203.0.113.9");
        assert_eq!(of("10.0.0.1", &[]).unwrap(), "10.0.0.1");
        let none = client_address("10.0.0.1".parse().unwrap(), &HeaderMap::new(), &[]);
        assert_eq!(none.unwrap().to_string(), "10.0.0.1");
    }

    #[test]
    fn what_stands_left_of_the_client_is_the_clients_own_claim() {
        for list in [
            &[("x-forwarded-for", "127.0.0.1, 203.0.113.9, 10.0.0.2")][..],
            &[
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-for", "203.0.113.9:4711, 10.0.0.2"),
            ],
            &[(
                "forwarded",
                "for=127.0.0.1, for=\"203.0.113.9:80\";proto=https, FOR=10.0.0.2;by=10.0.0.1",
            )],
        ] {
            assert_eq!(of("10.0.0.1", list).unwrap(), "203.0.113.9", "{list:?}");
        }
        let ipv6 = [("forwarded", "for=\"[2001:db8::1]:4711\"")];
        assert_eq!(of("fd00::1", &ipv6).unwrap(), "2001:db8::1");
        let inside = [("x-forwarded-for", "10.0.0.3, 10.0.0.2")];
        assert_eq!(of("10.0.0.1", &inside).unwrap(), "10.0.0.3");
    }

    #[test]
    fn in_doubt_the_request_is_turned_away() {
        let long = vec!["10.0.0.2"; 40].join(",");
        for list in [
            &[("x-forwarded-for", "unknown")][..],
            &[("x-forwarded-for", "203.0.113.9, ")],
            &[("x-forwarded-for", &long)],
            &[("forwarded", "for=_hidden")],
            &[("forwarded", "proto=https")],
            &[("forwarded", "for=203.0.113.9;for=203.0.113.8")],
            &[
                ("forwarded", "for=127.0.0.1"),
                ("x-forwarded-for", "203.0.113.9"),
            ],
        ] {
            assert_eq!(of("10.0.0.1", list), Err(400), "{list:?}");
        }
        let same = [
            ("forwarded", "for=203.0.113.9"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(of("10.0.0.1", &same).unwrap(), "203.0.113.9");
    }
}
