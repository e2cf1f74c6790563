//! Texts of letting a client in.

use super::Message;

/// The texts.
pub(super) const TEXTS: &[Message] = &[
    Message::new(
        "consent.title",
        "AI クライアントの接続を許可しますか",
        "Let this AI client connect?",
    ),
    Message::new(
        "consent.lead",
        "「{client}」が、あなたの代わりに業務システムを利用することを求めています。",
        "\"{client}\" asks to use business systems on your behalf.",
    ),
    Message::new(
        "consent.unverified",
        "このクライアントの名前は、管理者によって確認されていません。自分で接続を始めた覚えがない場合は、拒否してください。",
        "No administrator has verified this client's name. If you did not start this connection yourself, refuse.",
    ),
    Message::new(
        "consent.local_only",
        "このクライアントはお使いのコンピューター上で動作します。同じコンピューターの別のプログラムが、このクライアントになりすますことがあります。",
        "This client runs on your own computer. Another program on the same computer could pass itself off as this client.",
    ),
    Message::new("consent.client", "クライアント", "Client"),
    Message::new(
        "consent.verified_mark",
        "（管理者が承認済み）",
        "(approved by an administrator)",
    ),
    Message::new("consent.unverified_mark", "（未確認）", "(unverified)"),
    Message::new(
        "consent.client_host",
        "クライアントの提供元",
        "Where the client comes from",
    ),
    Message::new(
        "consent.redirect",
        "許可後の移動先",
        "Where you will be sent",
    ),
    Message::new("consent.resource", "接続先", "What it connects to"),
    Message::new("consent.connector", "「{name}」のみ", "\"{name}\" only"),
    Message::new(
        "consent.everything",
        "あなたが利用できるすべての業務システム",
        "All business systems that you may use",
    ),
    Message::new("consent.scopes", "許可する操作", "What it may do"),
    Message::new(
        "consent.scope.read",
        "情報の検索と閲覧",
        "Search and read information",
    ),
    Message::new(
        "consent.scope.write",
        "情報の作成、更新、削除",
        "Create, change and delete information",
    ),
    Message::new(
        "consent.scope.admin",
        "管理操作、および分類が済んでいない操作",
        "Administrative operations, and operations that nobody has classified yet",
    ),
    Message::new(
        "consent.scope.mfa",
        "追加の本人確認が必要な操作（一定時間のみ）",
        "Operations that need a second factor (for a limited time)",
    ),
    Message::new("consent.you", "あなたのアカウント", "Your account"),
    Message::new(
        "consent.bounds",
        "実際に利用できるのは、社内の規程であなたに認められた操作だけです。すべての呼び出しが記録されます。許可はいつでも「接続」のページで取り消せます。",
        "It can do only what company policy lets you do, and every call is recorded. You can take this back at any time on the page \"Connections\".",
    ),
    Message::new(
        "consent.remember",
        "このクライアントについて、次回から確認しない",
        "Do not ask again for this client",
    ),
    Message::new("consent.allow", "許可する", "Allow"),
    Message::new("consent.deny", "拒否する", "Refuse"),
    Message::new("consent.details", "技術的な情報", "Technical details"),
    Message::new("consent.client_id", "クライアント ID", "Client id"),
    Message::new(
        "authorize.failed",
        "接続できませんでした",
        "The client was not connected",
    ),
    Message::new(
        "authorize.fault.malformed",
        "クライアントからの要求が正しくありません。クライアントからもう一度接続してください。",
        "The client's request is not well formed. Connect from the client once more.",
    ),
    Message::new(
        "authorize.fault.unknown_client",
        "このクライアントは登録されていないか、その情報を取得できませんでした。",
        "This client is not registered here, or its description could not be fetched.",
    ),
    Message::new(
        "authorize.fault.client_denied",
        "このクライアントの利用は管理者によって禁止されています。",
        "The administrator does not allow this client.",
    ),
    Message::new(
        "authorize.fault.client_waits",
        "このクライアントの利用には管理者の承認が必要です。管理者に承認を依頼してから、もう一度接続してください。",
        "An administrator has to approve this client first. Ask for it, then connect again.",
    ),
    Message::new(
        "authorize.fault.redirect_mismatch",
        "クライアントが指定した移動先は登録されていません。安全のため、処理を中止しました。",
        "The client asked to send you to an address that it did not register. For your safety nothing was done.",
    ),
    Message::new(
        "authorize.fault.refused",
        "クライアントからの要求を受け付けられませんでした。",
        "The client's request cannot be accepted.",
    ),
    Message::new(
        "authorize.fault.expired",
        "有効時間が過ぎたか、すでに完了しています。クライアントからもう一度接続してください。",
        "This took too long, or is finished already. Connect from the client once more.",
    ),
    Message::new(
        "authorize.fault.other_browser",
        "接続を始めたブラウザーと異なるため、続けられません。同じブラウザーでやり直してください。",
        "The connection was begun in another browser. Do it again in one browser.",
    ),
    Message::new(
        "authorize.fault.person_inactive",
        "あなたのアカウントは現在利用できません。管理者にお問い合わせください。",
        "Your account cannot be used at present. Ask your administrator.",
    ),
    Message::new(
        "authorize.fault.busy",
        "現在混み合っています。しばらくしてからもう一度お試しください。",
        "The gate is busy. Try again in a moment.",
    ),
    Message::new(
        "authorize.fault.unavailable",
        "現在処理できません。しばらくしてからもう一度お試しください。",
        "This cannot be done right now. Try again in a moment.",
    ),
];
