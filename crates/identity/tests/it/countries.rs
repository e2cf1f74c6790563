//! AUTHZ-3: countries of addresses, from a database that may be shipped (CC0).

use sekimori_identity::{Conditions, CountryDatabase};

/// The variable that names the folder with npm packages.
const VARIABLE: &str = "SEKIMORI_TEST_NODE_MODULES";
const DATABASE: &str = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

fn database() -> Option<Vec<u8>> {
    #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
    let Ok(modules) = std::env::var(VARIABLE) else {
        #[allow(clippy::print_stderr, reason = "what was not tested must be seen")]
        {
            eprintln!("SKIPPED: {VARIABLE} is not set; `cargo xtask test` sets it");
        }
        return None;
    };
    Some(std::fs::read(std::path::Path::new(&modules).join(DATABASE)).unwrap())
}

#[test]
fn authz_3_the_country_of_an_address_is_known_or_absent() {
    let Some(file) = database() else { return };
    let countries = CountryDatabase::read(file).unwrap();
    let conditions = Conditions::new(Vec::new()).unwrap();
    let conditions = conditions.with_countries(Some(countries));
    for (ip, country) in [
        ("8.8.8.8", Some("US")),
        ("46.4.4.4", Some("DE")),
        ("::ffff:46.4.4.4", Some("DE")),
        ("2a01:4f8::1", Some("DE")),
        ("202.12.27.33", Some("JP")),
        ("10.0.0.1", None),
        ("127.0.0.1", None),
        ("::1", None),
    ] {
        let around = conditions.of(Some(ip.parse().unwrap()));
        assert_eq!(around.country.as_deref(), country, "{ip}");
    }
    assert_eq!(conditions.of(None).country, None);
}

#[test]
fn what_is_no_database_is_refused() {
    assert!(CountryDatabase::read(Vec::new()).is_err());
    assert!(CountryDatabase::read(b"no database".to_vec()).is_err());
}

/// Wherever a database is damaged, the worst is that a country is unknown.
#[test]
fn a_damaged_database_tells_nothing() {
    let Some(file) = database() else { return };
    for step in [7, 1_009] {
        let mut damaged = file.clone();
        // All but the metadata at the end.
        let end = damaged.len() - 1_000;
        damaged[..end]
            .iter_mut()
            .step_by(step)
            .for_each(|byte| *byte = 0xff);
        let Ok(countries) = CountryDatabase::read(damaged) else {
            continue;
        };
        let conditions = Conditions::new(Vec::new()).unwrap();
        let conditions = conditions.with_countries(Some(countries));
        for number in 0..5_000_u32 {
            let ip = std::net::Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
            let country = conditions.of(Some(ip.into())).country;
            assert!(country.is_none_or(|code| code.len() == 2));
        }
    }
}
