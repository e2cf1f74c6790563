//! The channels by which people are told of requests for approval, as configured.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use sekimori_approval::notify::{Channel, Language, MailChannel, Webhook, WebhookForm};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::SecretRef;
use sekimori_upstream::Secrets as _;
use sekimori_upstream::egress::{Egress, HostPattern, Networks};
use sekimori_upstream::mail::{MailSecurity, MailServer, Mailer};

use crate::config::approvals::{
    Approvals, Form, MAIL_CHANNEL, MailConfig, Security, WebhookConfig,
};
use crate::system::SystemSecrets;

/// Fewest bytes of a signing secret.
const SECRET_BYTES_MIN: usize = 16;

/// All channels of a configuration.
pub(crate) fn channels(
    config: &Approvals,
    egress: &Egress,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Vec<Arc<dyn Channel>>> {
    let mut channels: Vec<Arc<dyn Channel>> = Vec::new();
    if let Some(mail) = &config.mail {
        channels.push(Arc::new(by_mail(mail, egress).context("approvals.mail")?));
    }
    for webhook in &config.webhooks {
        let what = || format!("approvals.webhooks: {}", webhook.name);
        let channel = by_webhook(webhook, egress, clock).with_context(what)?;
        channels.push(Arc::new(channel));
    }
    Ok(channels)
}

fn by_mail(config: &MailConfig, egress: &Egress) -> anyhow::Result<MailChannel> {
    let login = match (&config.user, &config.password) {
        (Some(user), Some(password)) => Some((user.clone(), secret(password)?)),
        (None, None) => None,
        _ => anyhow::bail!("user and password belong together"),
    };
    let security = match config.security {
        Security::Starttls => MailSecurity::StartTls,
        Security::Tls => MailSecurity::Tls,
        Security::None => MailSecurity::Plain,
    };
    ensure!(
        security != MailSecurity::Plain || login.is_none(),
        "a password is never sent without TLS"
    );
    let server = MailServer {
        host: config.host.clone(),
        port: config.port,
        security,
        login,
        allow_private_network: config.allow_private_network,
    };
    Ok(MailChannel::new(
        MAIL_CHANNEL.to_owned(),
        Mailer::new(server, egress.clone()),
        config.from.clone(),
        config.to.clone(),
    ))
}

fn by_webhook(
    config: &WebhookConfig,
    egress: &Egress,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Webhook> {
    let url = secret(&config.url)?;
    let address: http::Uri = url.parse().context("its address is not a URL")?;
    let host = address.host().context("its address has no host")?;
    let default = if address.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let pattern = HostPattern::exactly(host, address.port_u16().unwrap_or(default));
    let networks = if config.allow_private_network {
        Networks::AlsoPrivate
    } else {
        Networks::Public
    };
    let form = match config.form {
        Form::Slack => WebhookForm::Slack,
        Form::Teams => WebhookForm::Teams,
        Form::Signed => {
            let named = config.secret.as_ref();
            let secret = secret(named.context("it has no secret to sign with")?)?;
            ensure!(
                secret.len() >= SECRET_BYTES_MIN,
                "its secret is shorter than {SECRET_BYTES_MIN} bytes"
            );
            WebhookForm::Signed(secret.into_bytes())
        }
    };
    Ok(Webhook {
        name: config.name.clone(),
        url,
        form,
        language: Language::of(config.language.as_deref()),
        http: egress.client(vec![pattern], networks),
        clock: Arc::clone(clock),
    })
}

fn secret(reference: &SecretRef) -> anyhow::Result<String> {
    SystemSecrets
        .resolve(reference)
        .context("a secret can't be read")
}
