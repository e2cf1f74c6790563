//! Words that tell what stands near them: 「口座番号」, `"tel":`, and words such as 「送り状」 that speak
//! against personal data.

use std::sync::LazyLock;

use crate::lexicon::Lexicon;
use crate::spots::{Begin, Spots};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

/// What a label announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    MyNumber,
    Corporate,
    Invoice,
    License,
    Passport,
    Residence,
    Health,
    Pension,
    EmploymentInsurance,
    Bank,
    Account,
    Card,
    Phone,
    Postal,
    Birth,
    Email,
    Address,
    Name,
    Employee,
    Vehicle,
    /// 「記号・番号」 of an insurance card or of ゆうちょ.
    Symbol,
    /// 「番号」, "id": a number of a kind that the word before may tell.
    Generic,
    /// Numbers of business objects.
    Other,
    /// A date that is nobody's birth.
    OtherDate,
    /// A word that contains a label but announces nothing.
    Nothing,
    /// `VALUES` of SQL.
    SqlValues,
}

/// A label in a text, in folded places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) tag: Tag,
}

/// The words, folded and lower case.
#[rustfmt::skip]
const WORDS: &[(Tag, &[&str])] = &[
    (Tag::MyNumber, &["マイナンバー", "マイナンバーカード", "マイナカード", "個人番号カード", "個人番号", "mynumber", "mynumber_no", "kojin_no", "my_number", "my number", "my-number", "kojin_bango", "kojinbango", "マイナンバ", "通知カード", "個人no", "individual_number", "individual number", "特定個人情報", "まいなんばー"]),
    (Tag::Corporate, &["法人番号", "corporate_number", "corporate number", "corporatenumber", "houjin_bangou", "hojin_bango", "houjinbangou", "法人no", "会社法人等番号", "corp_no", "corp_number", "法人マイナンバー", "houjin", "hojin", "houjin_number", "hojin_number", "houjin_no", "hojin_no", "houjin_bango"]),
    (Tag::Invoice, &["登録番号", "インボイス", "適格請求書", "適格事業者", "invoice_registration", "invoice_number", "t番号", "registration_number", "事業者番号", "touroku_bangou", "toroku_bango", "qualified_invoice", "qualified invoice", "適格番号"]),
    (Tag::License, &["免許証", "免許", "運転免許", "免許番号", "免許証番号", "免許no", "license", "licence", "drivers_license", "driver's license", "drivers license", "driver_license", "driver license", "menkyo", "menkyo_no", "menkyosho", "menkyo_bango", "menkyosho_no", "menkyosho_bango", "運転経歴証明書"]),
    (Tag::Passport, &["旅券", "旅券番号", "パスポート", "ryoken", "ryoken_bango", "ryoken_no", "passport", "passport_no", "passport_number"]),
    (Tag::Residence, &["在留カード", "在留番号", "特別永住者証明書", "residence card", "residence_card", "zairyu", "zairyu_card", "zairyu_no", "zairyu_bango", "在留"]),
    (Tag::Health, &["保険者", "保険証", "健康保険", "保険者番号", "被保険者証", "保険証番号", "被保険者記号", "国民健康保険", "国保", "健保", "社会保険", "協会けんぽ", "後期高齢者", "insurance_no", "insurance_number", "insurer_number", "insurer_no", "insurer_id", "health_insurance", "health insurance", "資格確認書", "hoken", "保険番号", "hokensha", "hokensha_no", "hokensha_bango", "hihokensha_no", "hihokensha_bango", "hokensho", "hokensho_no", "kenpo"]),
    (Tag::Pension, &["基礎年金番号", "年金番号", "年金手帳", "基礎年金", "nenkin", "nenkin_no", "nenkin_bango", "kiso_nenkin", "kiso_nenkin_bango", "pension", "pension_number", "pension_no", "国民年金", "厚生年金", "ねんきん", "年金"]),
    (Tag::EmploymentInsurance, &["雇用保険", "雇用保険被保険者番号", "被保険者番号", "koyo_hoken", "koyo_hoken_no", "koyo_hoken_bango", "koyou_hoken", "employment_insurance", "employment insurance", "離職票"]),
    (Tag::Bank, &["銀行", "支店", "信用金庫", "信金", "信用組合", "振込先", "振込", "お振込", "振り込み", "農協", "ja", "労働金庫", "bank", "branch", "店番", "送金先", "引落", "引き落とし", "入金先", "出張所", "本店営業部"]),
    (Tag::Account, &["口座番号", "口座no", "口座no.", "口座", "普通預金", "当座預金", "普通", "当座", "貯蓄", "貯蓄預金", "普通口座", "当座口座", "account_number", "account_no", "accountnumber", "account number", "account no", "bank_account", "acct", "acct_no", "acctno", "ゆうちょ", "ゆうちょ銀行", "通帳", "kouza", "koza", "kouza_bangou", "koza_bango", "koza_no", "kouza_no", "(普)", "(当)", "振込口座", "給与口座", "account"]),
    (Tag::Card, &["クレジットカード", "カード番号", "クレカ", "クレジット", "card", "card_number", "card_no", "cardnumber", "card number", "credit card", "credit_card", "creditcard", "カードno", "pan", "visa", "mastercard", "jcb", "amex", "american express", "ダイナース", "デビットカード", "カード"]),
    (Tag::Phone, &["電話番号", "電話", "tel", "telephone", "phone", "phone_number", "携帯", "携帯電話", "携帯番号", "mobile", "cell", "fax", "ファックス", "ファクス", "ファックス番号", "連絡先", "直通", "ダイヤル", "フリーダイヤル", "でんわ", "denwa", "denwa_bango", "keitai", "tel_no", "denwa_no", "keitai_no", "keitai_bango", "jitaku", "renrakusaki", "代表", "内線", "お電話", "tel番号", "緊急連絡先", "コールセンター", "ナビダイヤル", "℡", "☎", "📞", "📱", "スマホ", "自宅", "call"]),
    (Tag::Postal, &["〒", "郵便番号", "郵便", "zip", "zipcode", "zip_code", "postal", "postal_code", "postcode", "postalcode", "post_code", "zip code", "yubin", "yubin_no", "yubin_bango", "yuubin", "yuubin_bangou"]),
    (Tag::Birth, &["生年月日", "誕生日", "生まれ", "出生日", "お誕生日", "birth", "birthday", "birthdate", "birth_date", "date of birth", "date_of_birth", "dateofbirth", "dob", "誕生", "生年", "出生", "born", "born on", "誕生年月日", "seinengappi", "seinen_gappi", "tanjobi", "tanjoubi", "umare", "バースデー", "生年月日(西暦)", "生年月日(和暦)", "生れ", "bday", "b-day", "d.o.b", "d.o.b.", "birth_dt", "ご生年月日", "お生まれ", "出生年月日", "バースデイ"]),
    (Tag::Email, &["メール", "メールアドレス", "email", "e-mail", "mail", "mailaddress", "mail_address"]),
    (Tag::Address, &["住所", "所在地", "本籍", "本籍地", "居所", "送付先", "届け先", "お届け先", "配送先住所", "勤務地住所", "addr", "address", "勤務先住所", "自宅住所", "現住所", "住民票", "転居先", "郵送先", "street", "jusho", "juusho", "shozaichi", "ご住所", "ごじゅうしょ", "じゅうしょ", "新住所", "旧住所"]),
    (Tag::Name, &["氏名", "actor", "エスカレ先", "エスカレーション先", "説明医師", "執刀医", "分担者", "協力者", "通訳", "担任", "副担任", "面会者", "名前", "お名前", "ご芳名", "姓名", "フリガナ", "ふりがな", "カナ氏名", "氏名カナ", "氏名(カナ)", "氏名(漢字)", "漢字氏名", "担当", "担当者", "ご担当", "ご担当者", "担当者名", "営業担当", "責任者", "代表者", "代表者名", "代表取締役", "名義", "名義人", "口座名義", "口座名義人", "受取人", "依頼人", "依頼者", "申請者", "申込者", "申込人", "入居者", "提供者", "管理人", "喪主", "施主", "発注者", "受注者", "依頼主", "届け主", "申出人", "受診者", "契約者", "被保険者", "被保険者氏名", "被扶養者", "扶養者", "承認者", "起案者", "作成者", "作成", "記入者", "提出者", "報告者", "発言者", "出席者", "参加者", "欠席者", "議長", "書記", "司会", "宛名", "宛先", "差出人", "送付者", "患者", "患者名", "患者氏名", "顧客名", "お客様名", "会員名", "利用者", "利用者名", "受信者", "送信者", "署名", "署名者", "乙", "甲", "本人", "ご本人", "配偶者", "世帯主", "保護者", "保護者氏名", "緊急連絡先氏名", "従業員名", "社員名", "職員名", "講師", "講師名", "受講者", "受験者", "応募者", "候補者", "採用者", "内定者", "退職者", "入社者", "異動者", "対象者", "該当者", "名簿", "氏", "name", "full_name", "fullname", "full name", "customer_name", "user_name", "username", "contact_name", "contact", "employee_name", "person", "first_name", "last_name", "firstname", "lastname", "family_name", "given_name", "name_kana", "kana", "name_kanji", "holder", "account_holder", "card_holder", "cardholder", "owner", "assignee", "author", "recipient", "sender", "applicant", "patient", "patient_name", "manager", "attendees", "shimei", "simei", "namae", "onamae", "おなまえ", "なまえ", "furigana", "tantou", "tantosha", "kokyaku_mei", "受託者", "委託者", "売主", "買主", "貸主", "借主", "連帯保証人", "保証人", "債務者", "債権者", "原告", "被告", "上司", "部下", "同僚", "相談者", "問い合わせ者", "問合せ者", "購入者", "注文者", "ご注文者", "お届け先氏名", "配達先", "受領者", "確認者", "検査者", "審査者", "決裁者", "推薦者", "紹介者", "訪問者", "来訪者", "来客", "同席者", "同行者", "ご署名", "印", "筆者", "著者", "記者", "監査人", "取締役", "監査役", "予定者", "名宛人", "本人氏名", "旧姓", "新姓", "せい", "めい", "姓", "名", "セイ", "メイ", "カナ", "かな", "ローマ字", "romaji", "寄稿者", "通報者", "出席", "欠席", "参加", "同席", "出席取締役", "出席監査役", "氏名又は名称", "氏名または名称", "氏名・名称", "氏名(名称)", "所有者", "使用者", "運転者", "園児", "児童", "児童名", "園児氏名", "児童氏名", "生徒", "生徒氏名", "学生氏名", "取得者", "取得者氏名", "退職者氏名", "届出人", "届出者", "筆頭者", "作業者", "対応者", "実施者", "点検者", "執筆者", "処方医", "主治医", "担当医", "紹介元医師", "医師", "被相続人", "相続人", "買受人", "売渡人", "賃借人", "賃貸人", "譲渡人", "譲受人", "代理人", "法定代理人", "後見人", "送り主", "贈り主", "差出人名", "会員氏名", "会員カナ", "申込者氏名", "申請者氏名", "配偶者氏名", "配偶者の氏名", "お客様氏名", "メンバー", "回答者", "投稿者", "アサイン", "オーナー", "登録者", "更新者", "起票者", "受付者", "受付担当", "事故相手", "被害者", "加害者", "目撃者", "相手方", "displayname", "display_name", "lastname_kana", "firstname_kana", "customer_kana", "contact_person", "pic", "reviewer", "approver", "requester", "attendee", "participant", "participants", "speaker", "passenger", "guest", "guest_name", "member_name", "driver", "driver_name", "holder_name", "account_name", "beneficiary", "payee", "面談者", "面接官", "面接者", "評価者", "被評価者", "上長", "幹事", "窓口", "cc", "to", "from", "dear", "mr.", "ms.", "mrs.", "surname", "nickname", "preferred_name", "family", "given", "sei", "mei", "operator", "agent", "rep", "配布先", "配付先", "オペレータ", "オペレーター", "愛称", "ニックネーム", "呼び名", "通称", "早番", "遅番", "中番", "夜勤", "日勤", "準夜", "日直", "当直", "宿直", "新入社員", "新メンバー", "後任", "前任", "付き添い", "付添", "推薦", "推薦人", "査定者", "評定者", "委員長", "副委員長", "産業医", "組合側", "会社側", "受電", "受電者", "caller", "取次者", "同乗者", "同伴者", "発信者", "架電者", "調査者", "測定者", "検収者", "発起人", "仲介者", "立会", "立会い", "立会人", "引継ぎ先", "引継先", "後任者", "前任者"]),
    (Tag::Employee, &["社員番号", "従業員番号", "社員id", "社員コード", "従業員コード", "職員番号", "employee_id", "employee", "staff_id", "staff_no", "社員cd", "従業員cd", "職員id", "職員コード", "スタッフ番号", "スタッフid", "employee_no", "employee id", "emp_id", "emp_no", "employee_number", "社員no", "employeeid"]),
    (Tag::Vehicle, &["車両番号", "登録番号標", "ナンバープレート", "車番", "車のナンバー", "plate", "ナンバー"]),
    (Tag::Symbol, &["記号・番号", "記号番号", "記号", "記号及び番号", "記号および番号", "記号と番号", "kigo_bango", "kigou_bangou"]),
    (Tag::Generic, &["番号", "コード", "no.", "no", "id", "ナンバー:", "number", "code", "#", "№", "key", "キー", "ref"]),
    (Tag::Other, &["追跡", "追跡番号", "送り状", "送り状番号", "送り状no", "伝票", "伝票番号", "注文", "注文番号", "オーダー", "受注", "受注番号", "発注", "発注番号", "問い合わせ番号", "問合せ番号", "問合番号", "お問い合わせ番号", "お問合せ番号", "jan", "janコード", "商品コード", "商品番号", "品番", "型番", "部品番号", "部品", "会員コード", "会員番号", "管理番号", "管理コード", "トランザクションid", "トランザクション", "取引番号", "取引id", "処理番号", "受付番号", "受付", "請求書番号", "請求番号", "契約番号", "契約書番号", "案件", "案件番号", "チケット", "チケット番号", "予約番号", "整理番号", "ロット", "ロット番号", "シリアル", "シリアル番号", "製造番号", "証券コード", "証券番号", "貨物", "配送番号", "荷物", "コミット", "リクエストid", "セッション", "order", "order_id", "order_no", "orderno", "invoice", "invoice_no", "tracking", "tracking_no", "tracking_number", "sku", "lot", "serial", "ticket", "issue", "timestamp", "ts", "時刻", "バージョン", "isbn", "issn", "見積", "見積番号", "資産番号", "機器番号", "端末番号", "imei", "iccid", "製品番号", "製品コード", "図書番号", "学籍番号", "診察券", "診察券番号", "transaction", "transaction_id", "txn", "request", "request_id", "trace", "trace_id", "session", "session_id", "お客様番号", "顧客番号", "顧客id", "顧客コード", "取引先コード", "仕入先コード", "得意先コード", "科目コード", "勘定科目", "バーコード", "ean", "upc", "gtin", "型式", "版", "バッチ", "ジョブ", "プロセス", "乱数", "ハッシュ", "エラーコード", "コミュニティ", "申請番号", "決裁番号", "稟議番号", "文書番号", "通し番号", "連番", "識別番号", "照会番号", "確認番号", "認証番号", "承認番号", "許可番号", "届出番号", "図番", "図面番号", "棚番", "在庫番号", "入荷番号", "出荷番号", "倉庫", "棚卸", "メーター", "検針", "お届け番号", "便名", "idempotency", "correlation", "build", "ビルド", "pid", "uid", "ポイント", "ポイントカード", "会員カード", "会員証", "社員証", "図書カード", "案件id", "プロジェクトコード", "予算コード", "原価コード", "部門コード", "jobid", "job_id", "event_id", "message_id", "uuid", "guid", "checksum", "crc", "宅配便", "ゆうパック", "ヤマト", "佐川", "コンテナ", "船荷", "インボイスno", "po", "po番号", "製番", "機番", "号機", "商品"]),
    (Tag::OtherDate, &["入社日", "入社", "発行日", "有効期限", "契約日", "締結日", "締切", "期限", "納期", "更新日", "作成日", "登録日", "退職日", "退社日", "開始日", "終了日", "満了日", "施行日", "受付日", "注文日", "発送日", "支払日", "請求日", "取得日", "交付日", "届出日", "created_at", "updated_at", "date", "日時", "日付", "設立", "創業", "創立", "開催日", "実施日", "訪問日", "納品日", "出荷日", "採用日", "異動日", "expiry", "expires", "due", "hire_date", "joined", "valid_until", "好発", "現在", "時点"]),
    (Tag::Nothing, &["続柄", "普通株式", "健康保険料", "健康保険組合", "保険料率", "参加費", "参加者数", "出席率", "出席日数", "出席番号", "参加日", "参加資格", "使用者数", "登録者数", "医師会", "メンバーズ", "customer_id", "customer id", "customerid", "customer_no", "member_id", "member id", "owner_id", "author_id", "driver_id", "guest_id", "普通車", "普通自動車", "普通徴収", "学生証", "マイナンバーカードの普及", "作成中", "名前空間", "代表例", "担当部署", "担当部門", "担当課", "名義変更", "名簿管理", "年金制度", "年金事務所", "電話会議", "携帯電話会社", "住所変更", "カードゲーム", "メールマガジン", "普通に", "普通の", "普通は", "当座の", "filename", "file_name", "hostname", "host_name", "tablename", "table_name", "project_name", "product_name", "商品名", "製品名", "会社名", "企業名", "ファイル名", "件名", "品名", "銀行名", "支店名", "company_name", "class_name", "function_name", "氏名不詳", "代表的", "代表番号", "本人確認", "作成日", "印刷", "印象", "印鑑", "名称", "名古屋", "名刺", "名目", "名声", "名物", "名産", "姓名判断", "窓口業務", "氏神", "甲府", "甲賀", "甲斐", "甲子園", "甲信", "乙類"]),
    (Tag::SqlValues, &["values"]),
];

static LEXICON: LazyLock<Lexicon<Tag>> = LazyLock::new(|| {
    let words = || {
        WORDS
            .iter()
            .flat_map(|(tag, words)| words.iter().map(|word| (*word, *tag)))
    };
    // `my_number` is `mynumber` in `myNumber`, and `my-number` in the names of headers.
    let joined = words().filter(|(word, _)| word.is_ascii() && word.contains(['_', ' ']));
    let joined: Vec<(String, Tag)> = joined
        .flat_map(|(word, tag)| {
            ["", "_", " ", "-"].map(|glue| (word.replace(['_', ' '], glue), tag))
        })
        .collect();
    Lexicon::new(words().chain(joined.iter().map(|(word, tag)| (word.as_str(), *tag))))
});

/// Every label of a text, in order, without overlaps.
pub(crate) fn labels(folded: &Folded, spots: &Spots) -> Vec<Label> {
    let (lexicon, chars) = (&*LEXICON, folded.chars());
    let mut labels = Vec::new();
    let mut free = 0;
    for at in spots.of(Begin::Label) {
        if at < free || !starts_word(folded.before(at), folded.at(at)) {
            continue;
        }
        let whole = lexicon.longest_that(chars, at, |len| ends_word(folded, at + len));
        // 「氏」 is a label, and the first letter of 「氏　名」.
        let hit = match whole {
            Some((2.., _)) => whole,
            Some(_) | None => spread(folded, at).or(whole),
        };
        if let Some((mut len, tag)) = hit {
            if tag == Tag::Name {
                // 「退職者一覧」
                let lists = ["一覧", "リスト", "名簿"];
                let list = lists.into_iter().find(|word| folded.has(at + len, word));
                len += list.map_or(0, |word| word.chars().count());
            }
            labels.push(Label {
                start: at,
                end: at + len,
                tag,
            });
            free = at + len;
        }
    }
    labels
}

/// 「氏　名」, 「生 年 月 日」: a label whose letters stand apart, as forms are printed; its length and tag.
fn spread(folded: &Folded, start: usize) -> Option<(usize, Tag)> {
    const LETTERS_MAX: usize = 8;
    const BLANKS_MAX: usize = 3;
    if folded.at(start + 1) != ' ' {
        return None;
    }
    let (mut letters, mut ends) = (Vec::with_capacity(LETTERS_MAX), Vec::new());
    let mut at = start;
    while letters.len() < LETTERS_MAX && is_spread(folded.at(at)) {
        letters.push(folded.at(at));
        ends.push(at + 1);
        let blanks = folded.part(at + 1, at + 2 + BLANKS_MAX);
        let blanks = blanks.iter().take_while(|c| **c == ' ').count();
        if !(1..=BLANKS_MAX).contains(&blanks) {
            break;
        }
        at += 1 + blanks;
    }
    let (len, tag) = LEXICON.longest_that(&letters, 0, |len| len >= 2)?;
    Some((ends.get(len - 1)? - start, tag))
}

/// Whether labels that are spread out are written with it.
fn is_spread(c: char) -> bool {
    is_kanji(c) || is_katakana(c) || is_hiragana(c)
}

/// How labels begin.
pub(crate) fn begins_label() -> impl Iterator<Item = (char, char)> {
    LEXICON.begins().flat_map(|(first, second)| {
        let apart = (is_spread(first) && second != '\0').then_some((first, ' '));
        apart.into_iter().chain(std::iter::once((first, second)))
    })
}

/// Whether a word may start at `c` behind `previous`: ASCII words do not start within ASCII words.
fn starts_word(previous: char, c: char) -> bool {
    if !c.is_ascii_alphanumeric() {
        return true;
    }
    !previous.is_ascii_alphabetic() || (previous.is_ascii_lowercase() && c.is_ascii_uppercase())
}

fn ends_word(folded: &Folded, end: usize) -> bool {
    let (last, next) = (folded.before(end), folded.at(end));
    let lower = last.is_ascii_alphabetic() && next.is_ascii_lowercase();
    let upper = last.is_ascii_uppercase() && next.is_ascii_uppercase();
    !lower && !upper
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<Tag> {
        let folded = Folded::new(text);
        let spots = Spots::new(&folded);
        labels(&folded, &spots)
            .iter()
            .map(|label| label.tag)
            .collect()
    }

    #[test]
    fn labels_are_found_glued_to_kanji_and_in_identifiers() {
        assert_eq!(tags("弊社法人番号は"), [Tag::Corporate]);
        assert_eq!(tags("user_phone=1 hotel=2"), [Tag::Phone]);
        assert_eq!(tags("customerPhone"), [Tag::Phone]);
        assert_eq!(tags("ＴＥＬ"), [Tag::Phone]);
        assert_eq!(tags("送り状番号"), [Tag::Other]);
        assert_eq!(tags("氏　名　生 年 月 日"), [Tag::Name, Tag::Birth]);
    }

    #[test]
    fn words_are_lower_case_and_folded() {
        for (_, words) in WORDS {
            for word in *words {
                let same = word.chars().all(|c| !c.is_ascii_uppercase());
                assert!(same, "{word} is not lower case");
            }
        }
    }
}
