//! Countries of addresses, from a database file: nobody is asked, and nobody learns who calls from where.

use std::fmt;
use std::net::IpAddr;

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// The file is no database of that format.
#[derive(Debug, thiserror::Error)]
#[error("the file is not a database in MaxMind's format")]
pub struct CountryDatabaseError(#[from] MaxMindDbError);

/// A database in MaxMind's format that tells the country of an address.
pub struct CountryDatabase(Reader<Vec<u8>>);

impl fmt::Debug for CountryDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountryDatabase")
            .field("type", &self.0.metadata().database_type)
            .finish_non_exhaustive()
    }
}

/// What databases of several makers say: either form.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    country_code: Option<&'a str>,
    #[serde(borrow, default)]
    country: Option<Country<'a>>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
}

impl CountryDatabase {
    /// Reads a database.
    pub fn read(file: Vec<u8>) -> Result<Self, CountryDatabaseError> {
        Ok(Self(Reader::from_source(file)?))
    }

    /// The country (ISO 3166-1 alpha-2) of an address, where the database tells one.
    pub(super) fn country(&self, ip: IpAddr) -> Option<String> {
        let entry: Entry<'_> = self.0.lookup(ip).ok()?.decode().ok()??;
        let code = entry
            .country_code
            .or_else(|| entry.country.and_then(|country| country.iso_code))?;
        let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        is_code.then(|| code.to_owned())
    }
}
