//! What is known of devices.

use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;

use crate::database::TestDatabase;
use crate::fixtures::at;

fn report(certificate: u8, compliant: bool) -> DeviceReport {
    DeviceReport {
        certificate: Digest([certificate; 32]),
        name: Some(format!("PC-{certificate}")),
        compliant,
        platform: Some("windows".to_owned()),
        reported_at: at(i64::from(certificate)),
    }
}

pub(crate) async fn the_last_word_on_a_device_counts(database: &TestDatabase) {
    let store = database.open().await;
    let devices = store.devices();
    let before = store.changes().revisions().await.unwrap();
    let all = [report(1, true), report(2, true), report(3, false)];
    devices.report(&all).await.unwrap();
    let after = store.changes().revisions().await.unwrap();
    assert!(after.devices > before.devices);
    let found = devices.get(&all[0].certificate).await.unwrap();
    assert_eq!(found.as_ref(), Some(&all[0]));
    devices.report(&[report(1, false)]).await.unwrap();
    let found = devices.get(&all[0].certificate).await.unwrap();
    assert!(!found.unwrap().compliant);
    assert_eq!(devices.get(&Digest([9; 32])).await.unwrap(), None);
    let page = devices.list(None, 2).await.unwrap();
    assert_eq!(page.len(), 2);
    let last = page[1].certificate.hex();
    let rest = devices.list(Some(&last), 2).await.unwrap();
    assert_eq!(rest, [all[2].clone()]);
}
