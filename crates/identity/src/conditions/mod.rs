//! What conditional access asks for: from which of the company's networks, from which country, on which device
//! a caller works (AUTHZ-3). What is not known is absent, so that policies that ask for it do not match.

mod country;
mod device;

use std::net::IpAddr;

use ipnet::IpNet;
use sekimori_domain::caller::{Circumstances, Device, Source};

pub use country::{CountryDatabase, CountryDatabaseError};
pub use device::KnownDevices;

use crate::error::ConfigError;

/// Most zones.
const ZONES_MAX: usize = 200;
/// Most networks of one zone.
const NETWORKS_MAX: usize = 1_000;

/// A named network of the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The name by which policies know it.
    pub name: String,
    /// What belongs to it.
    pub networks: Vec<IpNet>,
}

/// Finds out the circumstances of a request.
#[derive(Debug, Default)]
pub struct Conditions {
    /// By name.
    zones: Vec<Zone>,
    countries: Option<CountryDatabase>,
    devices: Option<KnownDevices>,
}

impl Conditions {
    /// By these zones. Countries are unknown.
    pub fn new(mut zones: Vec<Zone>) -> Result<Self, ConfigError> {
        let wrong = |zone: &str, rule| ConfigError::Zone {
            zone: zone.to_owned(),
            rule,
        };
        zones.sort_by(|one, other| one.name.cmp(&other.name));
        for zone in &zones {
            if !is_name(&zone.name) {
                return Err(wrong(&zone.name, "use 1 to 64 of a-z, 0-9 and '-' as name"));
            }
            if zone.networks.is_empty() || zone.networks.len() > NETWORKS_MAX {
                return Err(wrong(&zone.name, "name 1 to 1000 networks"));
            }
        }
        let mut names = zones.windows(2);
        if let Some([zone, _]) =
            names.find(|pair| matches!(pair, [one, next] if one.name == next.name))
        {
            return Err(wrong(&zone.name, "it is configured twice"));
        }
        if zones.len() > ZONES_MAX {
            return Err(wrong("all", "configure 200 at most"));
        }
        Ok(Self {
            zones,
            countries: None,
            devices: None,
        })
    }

    /// The same, by this database of countries if there is one.
    #[must_use]
    pub fn with_countries(mut self, countries: Option<CountryDatabase>) -> Self {
        self.countries = countries;
        self
    }

    /// The same, by what is known of devices if they show certificates.
    #[must_use]
    pub fn with_devices(mut self, devices: Option<KnownDevices>) -> Self {
        self.devices = devices;
        self
    }

    /// What is known of the device that a request comes from: by its certificate, and for the rest by what the issuer
    /// of its token told.
    pub(crate) async fn device(&self, source: &Source, told: Option<Device>) -> Option<Device> {
        let (Some(devices), Some(certificate)) = (&self.devices, &source.certificate) else {
            return told;
        };
        let known = devices.device(certificate).await;
        let told = told.unwrap_or_default();
        Some(Device {
            managed: known.managed,
            compliant: known.compliant.or(told.compliant),
            platform: known.platform.or(told.platform),
        })
    }

    /// What an address says. `None` is a local process, which came over no network.
    pub fn of(&self, ip: Option<IpAddr>) -> Circumstances {
        let Some(ip) = ip.map(|ip| ip.to_canonical()) else {
            return Circumstances::default();
        };
        let zones = self
            .zones
            .iter()
            .filter(|zone| zone.networks.iter().any(|network| network.contains(&ip)))
            .map(|zone| zone.name.clone());
        Circumstances {
            zones: Some(zones.collect()),
            country: self
                .countries
                .as_ref()
                .and_then(|countries| countries.country(ip)),
            device: None,
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, networks: &[&str]) -> Zone {
        Zone {
            name: name.to_owned(),
            networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn authz_3_an_address_is_in_every_zone_that_holds_it() {
        let zones = vec![
            zone("vpn", &["10.8.0.0/16", "fd00::/8"]),
            zone("office", &["10.0.0.0/8", "203.0.113.7/32"]),
        ];
        let conditions = Conditions::new(zones).unwrap();
        let names = |text| conditions.of(Some(ip(text))).zones.unwrap();
        assert_eq!(names("10.8.1.1"), ["office", "vpn"]);
        assert_eq!(names("203.0.113.7"), ["office"]);
        assert_eq!(names("fd12::1"), ["vpn"]);
        assert!(names("192.0.2.1").is_empty());
        // The same address, written as IPv6.
        assert_eq!(names("::ffff:203.0.113.7"), ["office"]);
    }

    #[test]
    fn authz_3_what_is_unknown_is_absent() {
        let conditions = Conditions::new(vec![zone("office", &["0.0.0.0/0"])]).unwrap();
        assert_eq!(conditions.of(None), Circumstances::default());
        assert_eq!(conditions.of(Some(ip("192.0.2.1"))).country, None);
    }

    #[test]
    fn zones_are_checked() {
        let twice = vec![zone("a", &["10.0.0.0/8"]), zone("a", &["10.0.0.0/8"])];
        let many = (0..201).map(|n| zone(&format!("z{n}"), &["10.0.0.0/8"]));
        for bad in [
            vec![zone("Office", &["10.0.0.0/8"])],
            vec![zone("", &["10.0.0.0/8"])],
            vec![zone("office", &[])],
            twice,
            many.collect(),
        ] {
            assert!(Conditions::new(bad).is_err());
        }
    }
}
