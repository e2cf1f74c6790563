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
    (
        "Dear Onodera-san,\nThank you for your mail. Mr. Uebara and Ms. Chihiro Hoshina will join the call. My direct line is +81-3-6277-1045.\nBest regards,\nDaniel Okafor",
        &[
            ("PERSON", "Onodera"),
            ("PERSON", "Uebara"),
            ("PERSON", "Chihiro Hoshina"),
            ("PHONE", "+81-3-6277-1045"),
            ("PERSON", "Daniel Okafor"),
        ],
    ),
    (
        "【議事録】\n日時：2026年6月3日 10:00〜\n場所：本館4階大会議室\n出席：青木専務、坂本（経理）、Lars Eriksson（監査法人）、書記鳴海\n欠席：及川",
        &[
            ("PERSON", "青木"),
            ("PERSON", "坂本"),
            ("PERSON", "Lars Eriksson"),
            ("PERSON", "鳴海"),
            ("PERSON", "及川"),
        ],
    ),
    (
        "【急募】明日の早番！ 石井くん熱出したって。ゆかりちゃんか隼人くん入れる？",
        &[("PERSON", "石井"), ("PERSON", "ゆかり"), ("PERSON", "隼人")],
    ),
    (
        "【人事異動通知】（8月1日付）\n岡田隆史　営業統括部長（福岡支店長）\n西村綾香　法務部主事（総務部）\n楢崎 進　退職（北斗ロジへ出向）",
        &[
            ("PERSON", "岡田隆史"),
            ("PERSON", "西村綾香"),
            ("PERSON", "楢崎 進"),
        ],
    ),
    (
        "手術同意書　説明医師：渡部　同席看護師：喜屋武　患者（または代理人）署名：佐々木 清",
        &[
            ("PERSON", "渡部"),
            ("PERSON", "喜屋武"),
            ("PERSON", "佐々木 清"),
        ],
    ),
    (
        "住民異動届\n届出日 令和8年4月2日\n異動者 沖本 朝陽（平成29年8月14日）\n世帯主 沖本 雄介\n新住所 高知県四万十市中村大橋通七丁目1番地5",
        &[
            ("PERSON", "沖本 朝陽"),
            ("DOB", "平成29年8月14日"),
            ("PERSON", "沖本 雄介"),
            ("ADDRESS", "高知県四万十市中村大橋通七丁目1番地5"),
        ],
    ),
    (
        "Ship to: 東京都港区芝公園4-2-8, Japan 105-0011, attn: Megumi Tateno",
        &[
            ("ADDRESS", "東京都港区芝公園4-2-8"),
            ("POSTAL_CODE", "105-0011"),
            ("PERSON", "Megumi Tateno"),
        ],
    ),
    (
        "長男の瑛斗が2019年9月30日に生まれました。",
        &[("PERSON", "瑛斗"), ("DOB", "2019年9月30日")],
    ),
    (
        "技能実習生：TRAN VAN DUC（ベトナム）、SITI NURHALIZA（インドネシア）、JUAN DELA CRUZ（フィリピン）",
        &[
            ("PERSON", "TRAN VAN DUC"),
            ("PERSON", "SITI NURHALIZA"),
            ("PERSON", "JUAN DELA CRUZ"),
        ],
    ),
    (
        "当番表\n4/1 肥後・秋葉\n4/2 鳴海・都築\n4/3 保科・道下",
        &[
            ("PERSON", "肥後"),
            ("PERSON", "秋葉"),
            ("PERSON", "鳴海"),
            ("PERSON", "都築"),
            ("PERSON", "保科"),
            ("PERSON", "道下"),
        ],
    ),
    (
        "配車：1号車坂本、2号車近藤、3号車阿部（予備）",
        &[("PERSON", "坂本"), ("PERSON", "近藤"), ("PERSON", "阿部")],
    ),
    (
        "研究代表者 名取 樹、分担者 Sofia Andersson、協力者 水口・矢島",
        &[
            ("PERSON", "名取 樹"),
            ("PERSON", "Sofia Andersson"),
            ("PERSON", "水口"),
            ("PERSON", "矢島"),
        ],
    ),
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
