//! Texts of the frame, the landing page and errors.

use super::Message;

/// The texts.
pub(super) const TEXTS: &[Message] = &[
    Message::new("frame.skip", "本文へ移動", "Skip to content"),
    Message::new("frame.languages", "表示言語", "Language"),
    Message::new(
        "landing.title",
        "生成 AI と業務システムの関所",
        "The one gate between AI and business systems",
    ),
    Message::new(
        "landing.lead",
        "この関所を通すと、お使いの AI クライアントから社内の業務システムを安全に利用できます。利用できる操作は社内の規程で決まり、すべての呼び出しが記録されます。",
        "Through this gate, your AI client reaches the company's business systems safely. Company policy decides what you may do, and every call is recorded.",
    ),
    Message::new("landing.connect", "接続する", "Connect"),
    Message::new(
        "landing.address",
        "AI クライアントに次のアドレスを MCP サーバー（HTTP）として登録してください。",
        "Add this address to your AI client as an MCP server (HTTP).",
    ),
    Message::new(
        "landing.sign_in",
        "初めて接続すると、ブラウザーに会社のサインイン画面が開きます。AI クライアントにパスワードを入力する必要はありません。",
        "When you connect for the first time, your browser opens the company's sign-in page. You never type a password into the AI client.",
    ),
    Message::new(
        "landing.examples",
        "クライアント別の登録方法",
        "How to add it, by client",
    ),
    Message::new(
        "landing.console",
        "管理・承認・監査を担当する方へ",
        "If you administer, approve or audit",
    ),
    Message::new(
        "landing.console_open",
        "コンソールを開く",
        "Open the console",
    ),
    Message::new(
        "landing.other",
        "その他のクライアント：設定画面で「リモート MCP サーバー」または「カスタム コネクタ」を追加し、上のアドレスを入力してください。",
        "Other clients: in the settings, add a \"remote MCP server\" or \"custom connector\" and enter the address above.",
    ),
    Message::new(
        "landing.help",
        "お困りのときは",
        "If something does not work",
    ),
    Message::new(
        "landing.help_text",
        "操作が拒否された場合は、AI クライアントに表示された理由を添えて社内の管理者にお問い合わせください。",
        "If an operation is refused, tell your administrator the reason that the AI client shows.",
    ),
    Message::new("problem.title", "処理できませんでした", "That did not work"),
    Message::new(
        "problem.400",
        "リクエストの内容に誤りがあります。前のページに戻って、もう一度お試しください。",
        "The request is not well formed. Go back and try again.",
    ),
    Message::new(
        "problem.401",
        "サインインが必要です。",
        "You have to sign in first.",
    ),
    Message::new(
        "problem.403",
        "この操作は許可されていません。",
        "You may not do this.",
    ),
    Message::new(
        "problem.404",
        "お探しのページは見つかりませんでした。アドレスをご確認ください。",
        "This page does not exist. Check the address.",
    ),
    Message::new(
        "problem.503",
        "現在処理できません。しばらくしてからもう一度お試しください。",
        "This cannot be done right now. Try again in a moment.",
    ),
    Message::new(
        "problem.other",
        "問題が発生しました。もう一度試しても解決しない場合は、管理者にお問い合わせください。",
        "Something went wrong. If it happens again, tell your administrator.",
    ),
    Message::new(
        "problem.details",
        "管理者向けの情報",
        "For your administrator",
    ),
    Message::new("problem.code", "コード", "Code"),
    Message::new("problem.reason", "詳細（英語）", "Details"),
    Message::new("problem.correlation", "相関 ID", "Correlation id"),
    Message::new("problem.home", "最初のページへ", "To the first page"),
];
