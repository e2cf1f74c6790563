//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that a connector may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Networks {
    /// The internet only.
    Public,
    /// Loopback, private and shared networks as well (`allow_private_network`).
    AlsoPrivate,
}

/// Whether an address may be connected to. Addresses that stand for another one (mapped, NAT64, 6to4,
/// Teredo), link-local ones (cloud metadata), multicast and reserved ones are refused always.
pub fn is_allowed(address: IpAddr, networks: Networks) -> bool {
    match kind(address) {
        Kind::Public => true,
        Kind::Private => networks == Networks::AlsoPrivate,
        Kind::Never => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // Private (RFC 1918), loopback, shared (RFC 6598) and benchmark (RFC 2544) networks.
        (10 | 127, _, _)
        | (192, 168, _)
        | (172, 16..=31, _)
        | (100, 64..=127, _)
        | (198, 18 | 19, _) => Kind::Private,
        // "This network", link-local (cloud metadata), special and documentation ranges, the 6to4
        // anycast range, multicast, reserved, broadcast.
        (0 | 224..=255, _, _)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 51, 100)
        | (203, 0, 113) => Kind::Never,
        _ => Kind::Public,
    }
}

/// The metadata service of a large cloud, inside the private range.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn kind_v6(address: Ipv6Addr) -> Kind {
    if address == Ipv6Addr::LOCALHOST {
        return Kind::Private;
    }
    if address == METADATA_V6 {
        return Kind::Never;
    }
    let [first, second, ..] = address.segments();
    match (first, second) {
        // Unique local addresses.
        (0xfc00..=0xfdff, _) => Kind::Private,
        // Protocol assignments with Teredo, documentation, 6to4.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff) => Kind::Never,
        // All that is assigned for the internet.
        (0x2000..=0x3fff, _) => Kind::Public,
        // Unspecified, mapped, NAT64, link-local, site-local, multicast and everything not assigned.
        _ => Kind::Never,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_internet_is_allowed() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2400::1",
        ] {
            assert!(is_allowed(ip(text), Networks::Public), "{text}");
        }
    }

    #[test]
    fn private_networks_need_permission() {
        for text in [
            "127.0.0.1",
            "127.8.9.10",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
        ] {
            assert!(!is_allowed(ip(text), Networks::Public), "{text}");
            assert!(is_allowed(ip(text), Networks::AlsoPrivate), "{text}");
        }
    }

    #[test]
    fn some_addresses_are_never_allowed() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.51.100.1",
            "203.0.113.1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_allowed(ip(text), Networks::Public), "{text}");
            assert!(!is_allowed(ip(text), Networks::AlsoPrivate), "{text}");
        }
    }

    proptest! {
        /// What the standard library calls private, loopback, link-local or multicast is never public.
        #[test]
        fn agrees_with_the_standard_library(bits in any::<u32>(), wide in any::<u128>()) {
            let v4 = Ipv4Addr::from(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_documentation() || v4.is_broadcast() || v4.is_unspecified() {
                prop_assert!(!is_allowed(v4.into(), Networks::Public));
            }
            prop_assert!(!is_allowed(v4.to_ipv6_mapped().into(), Networks::AlsoPrivate));
            let v6 = Ipv6Addr::from(wide);
            if v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast() {
                prop_assert!(!is_allowed(v6.into(), Networks::Public));
            }
        }
    }
}
