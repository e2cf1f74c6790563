//! Templates, hard cases and near misses.

/// Business texts with slots.
pub(super) const TEMPLATES: &[&str] = &[
    "{NAME}様\nいつもお世話になっております。営業部の{SURNAME}です。ご請求書は〒{POST} {ADDRESS}へお送りします。",
    "件名: 面談のご案内\n\n{NAME} 様\n\n当日のご連絡先は {MOBILE} です。",
    "マイナンバーは{MY}です。至急ご確認ください。",
    "年末調整の書類に個人番号 {MY} が記載されていました。",
    "取引先の法人番号:{CORP}、登録番号:{T}",
    "お支払いはカード番号{CARD}でお願いします。有効期限は別途。",
    "運転免許証番号：{LICENSE}（有効期限は来年）",
    "振込先はみずほ銀行丸の内支店 普通 {ACCOUNT} です。",
    "基礎年金番号は{PENSION}とのことです。",
    "旅券番号 {PASSPORT} のコピーを添付します。",
    "在留カード番号{RESIDENCE}を確認しました。",
    "生年月日：{DOB}\n電話番号：{PHONE}\nメール：{MAIL}",
    "お問い合わせは{MAIL}または{PHONE}まで。",
    "担当者: {NAME}\n連絡先: {MOBILE}\n住所: {ADDRESS}",
    "氏名,生年月日,電話番号\n{NAME},{DOB},{MOBILE}\n{NAME},{DOB},{MOBILE}\n",
    "export GITHUB_TOKEN={GITHUB}\n",
    "aws_access_key_id = {AWS}\n",
    "{NAME}さんから{NAME}さんへ、議事録の確認をお願いします。",
    "本日の出席者：{NAME}、{NAME}",
    "弊社の{SURNAME}が明日お伺いします。",
    "先ほど{SURNAME}課長から電話がありました。折り返しは{PHONE}です。",
    "| 氏名 | メール |\n|---|---|\n| {NAME} | {MAIL} |\n",
];

/// Texts with exactly what is in them.
pub(crate) const HARD: &[(&str, &[(&str, &str)])] = &[
    (
        "カード番号4111111111111111です",
        &[("CREDIT_CARD", "4111111111111111")],
    ),
    (
        "メールはtaro@example.co.jpです",
        &[("EMAIL", "taro@example.co.jp")],
    ),
    (
        "電話は０９０－１２３４－５６７８へ",
        &[("PHONE", "０９０－１２３４－５６７８")],
    ),
    ("ﾔﾏﾀﾞ ﾀﾛｳ様", &[("PERSON", "ﾔﾏﾀﾞ ﾀﾛｳ")]),
    (
        "担当は鈴木様、佐藤様です。",
        &[("PERSON", "鈴木"), ("PERSON", "佐藤")],
    ),
    (
        "作家のリチャード・ストールマンは来日した。",
        &[("PERSON", "リチャード・ストールマン")],
    ),
    ("山田: 了解しました", &[("PERSON", "山田")]),
    ("弊社の山田が伺います。", &[("PERSON", "山田")]),
];

/// Texts in which nothing is to be found.
pub(super) const NEAR_MISSES: &[&str] = &[
    "送り状番号は{TRACKING}です。",
    "注文番号：{TRACKING}",
    "追跡番号 {TRACKING} で検索してください。",
    "request_id={UUID} status=200",
    "契約日は{DATE}です。",
    "納期：{DATE}",
    "社外秘情報の取り扱い研修を実施します。",
    "佐藤商事株式会社の見積書です。",
    "山口県と福島県の売上は前年並みでした。",
    "シリコン・バレーの企業を視察する。",
    "スター・ウォーズの新作が公開された。",
    "在庫は{NUMBER}個、単価は{NUMBER}円です。",
    "様子を見て、氏名の記入欄を追加してください。",
    "パスワードは別メールでお送りします。",
    "api_key = \"your-api-key-here\"",
    "バージョン 1.2.3 から 1.2.10 に更新しました。",
    "ISBN 978-4-00-310101-8 の書籍を購入しました。",
    "田中銀座商店街のイベントに協賛します。",
    "開発チームの皆様、お疲れさまです。",
    "大阪、名古屋、福岡の3拠点で実施します。",
];
