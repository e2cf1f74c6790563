//! Texts of accounts at upstreams.

use super::Message;

/// The texts.
pub(super) const TEXTS: &[Message] = &[
    Message::new(
        "linked_account.title",
        "{connector} との連携",
        "Your account at {connector}",
    ),
    Message::new(
        "linked_account.lead",
        "AI クライアントから {host} を利用するために、アカウントを連携します。{gate} にパスワードが渡ることはありません。",
        "To use {host} from AI clients, an account there is linked. {gate} never sees its password.",
    ),
    Message::new("linked_account.of.own", "あなたのアカウント", "Your own"),
    Message::new(
        "linked_account.of.gate",
        "全体のアカウント（管理者が連携）",
        "Of the whole installation (linked by administrators)",
    ),
    Message::new(
        "linked_account.issuer",
        "認可サーバー",
        "Authorization server",
    ),
    Message::new("linked_account.since", "連携した日時", "Linked"),
    Message::new(
        "linked_account.none",
        "まだ連携していません。",
        "Not linked yet.",
    ),
    Message::new(
        "linked_account.problem",
        "もう一度連携してください。",
        "Link it again.",
    ),
    Message::new("linked_account.link", "連携する", "Link"),
    Message::new("linked_account.again", "もう一度連携する", "Link again"),
    Message::new("linked_account.unlink", "連携を解除する", "Unlink"),
    Message::new(
        "linked_account.not_yours",
        "このコネクターのアカウントは管理者が連携します。管理者にお問い合わせください。",
        "The account of this connector is linked by administrators. Ask one of them.",
    ),
    Message::new(
        "linked_account.failed",
        "連携できませんでした。",
        "The account was not linked.",
    ),
    Message::new(
        "linked_account.go_lead",
        "次に {host} でサインインし、{gate} に利用を許可します。心当たりのない行き先であれば、先に進まないでください。",
        "Next you sign in at {host} and let {gate} use your account. If you do not know that place, do not go on.",
    ),
    Message::new("linked_account.go", "{host} へ進む", "Go on to {host}"),
    Message::new(
        "linked_account.list",
        "連携しているアカウント",
        "Linked accounts",
    ),
];
