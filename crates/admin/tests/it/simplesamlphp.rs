//! Signing in through SimpleSAMLphp, a whole identity provider with its own pages.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sekimori_domain::identity_provider::IdentityProvider;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::harness::Plane;
use sekimori_testkit::browser::Browser;

/// Where Debian installs it.
const PROGRAM: &str = "/usr/share/simplesamlphp/www";
const ENTITY: &str = "https://ssp.example/idp";

struct SimpleSaml {
    url: String,
    _folder: TempDir,
    _server: Child,
}

impl SimpleSaml {
    /// Starts it for the gate at `gate`.
    async fn start(gate: &str) -> Self {
        assert!(
            Path::new(PROGRAM).is_dir(),
            "SimpleSAMLphp is not installed: run `cargo xtask setup --only simplesamlphp`"
        );
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        write_settings(folder.path(), &format!("http://{address}"), gate);
        let keys = r#"
            $key = openssl_pkey_new(["private_key_bits" => 2048]);
            $request = openssl_csr_new(["commonName" => "idp"], $key);
            $certificate = openssl_csr_sign($request, null, $key, 3650, ["digest_alg" => "sha256"]);
            openssl_x509_export_to_file($certificate, "cert/idp.crt");
            openssl_pkey_export_to_file($key, "cert/idp.pem");"#;
        let made = Command::new("php")
            .args(["-r", keys])
            .current_dir(folder.path())
            .status()
            .await
            .unwrap();
        assert!(made.success());
        let server = Command::new("php")
            .args(["-S", &address.to_string(), "-t", "root"])
            .current_dir(folder.path())
            .env("SIMPLESAMLPHP_CONFIG_DIR", folder.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).await.is_err() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "php does not listen"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            url: format!("http://{address}/simplesaml"),
            _folder: folder,
            _server: server,
        }
    }

    async fn certificate(&self) -> String {
        let metadata = Browser::default()
            .get(&format!("{}/saml2/idp/metadata.php", self.url))
            .await;
        metadata.between("<ds:X509Certificate>", "</ds:X509Certificate>")
    }
}

fn write_settings(folder: &Path, url: &str, gate: &str) {
    for name in [
        "config", "metadata", "cert", "log", "data", "sessions", "root",
    ] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(PROGRAM, folder.join("root/simplesaml")).unwrap();
    let here = folder.display();
    let config = format!(
        "<?php $config = ['baseurlpath' => '{url}/simplesaml/', 'certdir' => '{here}/cert/',
         'loggingdir' => '{here}/log/', 'datadir' => '{here}/data/', 'tempdir' => '{here}/data/',
         'metadatadir' => '{here}/metadata/',
         'metadata.sources' => [['type' => 'flatfile', 'directory' => '{here}/metadata/']],
         'secretsalt' => 'only for one test', 'auth.adminpassword' => 'unused', 'timezone' => 'UTC',
         'technicalcontact_email' => 'nobody@idp.example', 'logging.handler' => 'errorlog',
         'logging.level' => 3, 'enable.saml20-idp' => true, 'language.default' => 'en',
         'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
         'session.cookie.secure' => false, 'session.cookie.samesite' => null,
         'store.type' => 'phpsession', 'session.phpsession.savepath' => '{here}/sessions',
         'session.phpsession.cookiename' => 'SimpleSAML'];"
    );
    let sources = "<?php $config = ['staff' => ['exampleauth:UserPass', 'hanako:secret' =>
         ['uid' => ['u-42'], 'displayName' => ['花子'], 'groups' => ['G-1', 'G-9']]]];";
    let persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
    let hosted = format!(
        "<?php $metadata['{ENTITY}'] = ['host' => '__DEFAULT__', 'privatekey' => 'idp.pem',
         'certificate' => 'idp.crt', 'auth' => 'staff', 'userid.attribute' => 'uid',
         'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid',
         'Format' => '{persistent}']]];"
    );
    let base = format!("{gate}/sign-in/saml/corp");
    let remote = format!(
        "<?php $metadata['{base}/metadata'] = ['AssertionConsumerService' => '{base}/acs',
         'NameIDFormat' => '{persistent}', 'saml20.sign.response' => true,
         'saml20.sign.assertion' => true];"
    );
    for (name, text) in [
        ("config/config.php", config.as_str()),
        ("config/authsources.php", sources),
        ("metadata/saml20-idp-hosted.php", &hosted),
        ("metadata/saml20-sp-remote.php", &remote),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_a_person_signs_in_at_simplesamlphp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gate = format!("http://{}", listener.local_addr().unwrap());
    let idp = SimpleSaml::start(&gate).await;
    let provider: IdentityProvider = serde_json::from_value(json!({
        "name": "corp", "kind": "saml", "provisioning": "just_in_time", "entity_id": ENTITY,
        "sso_url": format!("{}/saml2/idp/SSOService.php", idp.url),
        "certificates": [idp.certificate().await],
        "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        "groups": {"attribute": "groups", "names": {"G-1": "sales"}},
        "attributes": {"display_name": "displayName"},
    }))
    .unwrap();
    let plane = Plane::with_providers(&gate, vec![provider]).await;
    plane.serve(listener);

    let mut browser = Browser::default();
    let form = browser.follow(&format!("{gate}/sign-in/start/corp")).await;
    let state = form.field("AuthState");
    let login = form.url.split('?').next().unwrap().to_owned();
    let fields = [
        ("username", "hanako"),
        ("password", "secret"),
        ("AuthState", &state),
    ];
    let posted = browser.post(&login, &fields).await;
    let page = browser.go_on(posted).await;
    let answer = [
        ("SAMLResponse", page.field("SAMLResponse")),
        ("RelayState", page.field("RelayState")),
    ];
    let answer: Vec<_> = answer
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let acs = format!("{gate}/sign-in/saml/corp/acs");
    // The browser sends no cookies of ours along with another site's form.
    let seen = Browser::default().post(&acs, &answer).await;
    let seen = browser.go_on(seen).await;
    assert!(
        seen.url.ends_with("/connections") && seen.status == 200,
        "{seen:?}"
    );
    let people = plane.control.store.people();
    let user = people.user_by_link("corp", "u-42").await.unwrap().unwrap();
    assert_eq!(user.display_name, "花子");
    let groups = people.groups_of(&user.id).await.unwrap();
    assert_eq!(
        groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["sales"]
    );

    // What was used is used up.
    let again = Browser::default().post(&acs, &answer).await;
    assert_eq!(again.status, 400, "{}", again.text);
}
