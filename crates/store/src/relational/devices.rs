//! Devices, as documents.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;

use super::{Group, begin, first};
use crate::database::{Database, Statement, document};
use crate::devices::{DEVICES_MAX, DEVICES_PAGE_MAX, Devices};
use crate::error::{Result, StoreError};

const WHAT: &str = "device";

#[derive(Debug)]
pub(super) struct DeviceTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Devices for DeviceTable {
    async fn report(&self, reports: &[DeviceReport]) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Devices).await?;
        for report in reports {
            let sql = "INSERT INTO device (certificate, document) VALUES ($1, $2)
                       ON CONFLICT (certificate) DO UPDATE SET document = excluded.document";
            let statement = Statement::new(WHAT, sql)
                .bind(report.certificate.hex())
                .bind(document(WHAT, report)?);
            transaction.execute(statement).await?;
        }
        let count = Statement::new(WHAT, "SELECT count(*) FROM device");
        let count = first(transaction.query(count).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?
            .unsigned()?;
        if count > DEVICES_MAX {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "200000 devices can be known at most",
            });
        }
        transaction.commit(true).await
    }

    async fn get(&self, certificate: &Digest) -> Result<Option<DeviceReport>> {
        let sql = "SELECT document FROM device WHERE certificate = $1";
        let statement = Statement::new(WHAT, sql).bind(certificate.hex());
        first(self.0.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DeviceReport>> {
        let sql = "SELECT document FROM device WHERE certificate > $1
                   ORDER BY certificate LIMIT $2";
        let statement = Statement::new(WHAT, sql)
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit.min(DEVICES_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }
}
