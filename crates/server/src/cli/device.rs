//! `sekimori device`: what the device management system tells.

use clap::Subcommand;
use sekimori_domain::digest::Digest;
use sekimori_store::DEVICES_PAGE_MAX;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

/// Devices of the company, as the device management system tells of them.
#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List devices by the digest of their certificates
    #[command(
        after_help = "Examples:\n  sekimori device list\n  sekimori device list --after 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef --json"
    )]
    List {
        /// The last digest of the page before
        #[arg(long)]
        after: Option<Digest>,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Device, common: &Common) -> anyhow::Result<()> {
    let Device::List { after } = command;
    let installation = Installation::open(common).await?;
    let after = after.map(|digest| digest.hex());
    let devices = installation.store.devices();
    let found = devices.list(after.as_deref(), DEVICES_PAGE_MAX).await?;
    let shown: Vec<Value> = found
        .iter()
        .map(|device| {
            json!({
                "certificate_sha256": device.certificate.hex(),
                "name": device.name,
                "compliant": device.compliant,
                "platform": device.platform,
                "reported_at": device.reported_at,
            })
        })
        .collect();
    Output::new(common.json).show(&shown, |_| {
        if found.is_empty() {
            return "No devices. They come by reports to /device-reports; see identity.devices."
                .to_owned();
        }
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|device| {
                let or_dash =
                    |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let state = if device.compliant {
                    "in order"
                } else {
                    "not in order"
                };
                vec![
                    device.certificate.hex(),
                    or_dash(&device.name),
                    state.to_owned(),
                    or_dash(&device.platform),
                    device.reported_at.to_string(),
                ]
            })
            .collect();
        output::table(
            &["CERTIFICATE", "NAME", "STATE", "PLATFORM", "REPORTED"],
            &rows,
        )
    })
}
