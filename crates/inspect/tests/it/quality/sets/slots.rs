//! Values for the slots of the texts under `tests/texts`, besides those of [`values`](super::values).

use sekimori_inspect::Kind;

use super::values::{Random, grouped, spelled, text};

/// Surnames, given names and their readings; some are in no list of the program.
const PEOPLE: [(&str, &str, &str); 28] = [
    ("石塚", "イシヅカ", "Ishizuka"),
    ("須藤", "スドウ", "Sudo"),
    ("犬飼", "イヌカイ", "Inukai"),
    ("檜山", "ヒヤマ", "Hiyama"),
    ("倉持", "クラモチ", "Kuramochi"),
    ("海老原", "エビハラ", "Ebihara"),
    ("桜田", "サクラダ", "Sakurada"),
    ("大友", "オオトモ", "Otomo"),
    ("福永", "フクナガ", "Fukunaga"),
    ("村野", "ムラノ", "Murano"),
    ("衛藤", "エトウ", "Eto"),
    ("佐山", "サヤマ", "Sayama"),
    ("三谷", "ミタニ", "Mitani"),
    ("関野", "セキノ", "Sekino"),
    ("助川", "スケガワ", "Sukegawa"),
    ("新谷", "シンタニ", "Shintani"),
    ("花房", "ハナフサ", "Hanafusa"),
    ("戸谷", "トタニ", "Totani"),
    ("五島", "ゴトウ", "Goto"),
    ("波多野", "ハタノ", "Hatano"),
    ("宇田川", "ウダガワ", "Udagawa"),
    ("南雲", "ナグモ", "Nagumo"),
    ("梅崎", "ウメザキ", "Umezaki"),
    ("吉野", "ヨシノ", "Yoshino"),
    ("久米", "クメ", "Kume"),
    ("藤堂", "トウドウ", "Todo"),
    ("小早川", "コバヤカワ", "Kobayakawa"),
    ("鷺沼", "サギヌマ", "Saginuma"),
];
const GIVEN: [(&str, &str, &str); 20] = [
    ("雅貴", "マサキ", "Masaki"),
    ("千晴", "チハル", "Chiharu"),
    ("園子", "ソノコ", "Sonoko"),
    ("敦喜", "アツキ", "Atsuki"),
    ("昌成", "マサナリ", "Masanari"),
    ("志保香", "シホカ", "Shihoka"),
    ("小一郎", "コイチロウ", "Koichiro"),
    ("利恵子", "リエコ", "Rieko"),
    ("総明", "フサアキ", "Fusaaki"),
    ("桃代", "モモヨ", "Momoyo"),
    ("竜乃", "タツノ", "Tatsuno"),
    ("育輝", "イクテル", "Ikuteru"),
    ("光輝", "コウキ", "Koki"),
    ("美菜穂", "ミナホ", "Minaho"),
    ("康頼", "ヤスヨリ", "Yasuyori"),
    ("知勇", "トモオ", "Tomoo"),
    ("健", "ケン", "Ken"),
    ("梓", "アズサ", "Azusa"),
    ("悠真", "ユウマ", "Yuma"),
    ("凜音", "リンネ", "Rinne"),
];
const ORGANISATIONS: [&str; 8] = [
    "アルファテック株式会社",
    "株式会社ネクストリンク",
    "合同会社みらい",
    "株式会社須藤製作所",
    "大友運輸株式会社",
    "(株)福永商事",
    "日本データ株式会社",
    "有限会社梅崎産業",
];
const PLACES: [&str; 10] = [
    "福島", "宮崎", "千葉", "山口", "岡山", "渋谷", "大宮", "長野", "品川", "川崎",
];

/// What a slot is; [`values`](super::values) knows the others.
pub(super) fn kind(slot: &str) -> Option<Kind> {
    Some(match slot {
        "SEI" | "MEI" | "KANA" | "HIRA" | "SEIKANA" | "ROMAJI" | "ROMAJIUP" | "MEIROMAJI"
        | "SEIROMAJI" => Kind::Person,
        "INTL" | "TOLLFREE" => Kind::Phone,
        "DOBEN" => Kind::Dob,
        "YUCHO" | "YUCHOK" | "YUCHON" | "BRANCHACC" => Kind::BankAccount,
        "INSURER" | "INSURER6" | "KIGO" | "KIGO1" | "KIGO2" => Kind::HealthInsurance,
        "KOYO" => Kind::EmploymentInsurance,
        "EMPLOYEE" => Kind::EmployeeNumber,
        "PLATE" => Kind::VehicleNumber,
        "IP" => Kind::IpAddress,
        "MARKHEAD" | "MARKBR" => Kind::Classification,
        "AWSSECRET" | "SLACK" | "OPENAI" | "ANTHROPIC" | "STRIPE" | "GOOGLE" | "JWT" | "PEM"
        | "DBURL" | "KINTONE" | "CHATWORK" | "LINE" | "TOKEN40" | "SENDGRID" | "AZURE" | "NPM"
        | "HF" | "PW" => Kind::Secret,
        _ => return None,
    })
}

/// Slots whose value is the second part of what the slot before it began: 「記号 1 番号 2」.
pub(super) fn continues(slot: &str) -> bool {
    matches!(slot, "KIGO2" | "YUCHON")
}

/// A value for a slot.
pub(super) fn value(slot: &str, random: &mut Random, hard: bool) -> String {
    name(slot, random)
        .or_else(|| number(slot, random, hard))
        .or_else(|| secret(slot, random))
        .or_else(|| other(slot, random))
        .unwrap_or_else(|| panic!("no slot {slot}"))
}

fn name(slot: &str, random: &mut Random) -> Option<String> {
    let (surname, surname_kana, surname_latin) = *random.one_of(&PEOPLE);
    let (given, given_kana, given_latin) = *random.one_of(&GIVEN);
    let hiragana = |text: &str| -> String {
        let low = |c: char| char::from_u32(u32::from(c) - 0x60).filter(|_| c != 'ー');
        text.chars().map(|c| low(c).unwrap_or(c)).collect()
    };
    Some(match slot {
        "SEI" => surname.to_owned(),
        "MEI" => given.to_owned(),
        "SEIKANA" => surname_kana.to_owned(),
        "KANA" => format!("{surname_kana}　{given_kana}"),
        "HIRA" => format!("{} {}", hiragana(surname_kana), hiragana(given_kana)),
        "ROMAJI" if random.below(2) == 0 => format!("{given_latin} {surname_latin}"),
        "ROMAJI" => format!("{} {given_latin}", surname_latin.to_uppercase()),
        "ROMAJIUP" => format!("{surname_latin} {given_latin}").to_uppercase(),
        "MEIROMAJI" => given_latin.to_owned(),
        "SEIROMAJI" => surname_latin.to_owned(),
        _ => return None,
    })
}

fn nonzero(random: &mut Random, count: usize) -> String {
    text(&[&[1 + random.below(9)][..], &random.digits(count - 1)].concat())
}

fn luhn(body: &str) -> String {
    let sum: u64 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let doubled = u64::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn number(slot: &str, random: &mut Random, hard: bool) -> Option<String> {
    let digits = |random: &mut Random, count| text(&random.digits(count));
    if let Some(count) = slot.strip_prefix('N').and_then(|n| n.parse().ok()) {
        return Some(nonzero(random, count));
    }
    Some(match slot {
        "INTL" => format!("+81-90-{}-{}", nonzero(random, 4), digits(random, 4)),
        "TOLLFREE" => format!("0120-{}-{}", digits(random, 3), digits(random, 3)),
        "YUCHO" => format!("1{}0-{}1", digits(random, 3), nonzero(random, 7)),
        "YUCHOK" => format!("1{}0", digits(random, 3)),
        "YUCHON" => format!("{}1", nonzero(random, 7)),
        "BRANCHACC" => grouped(&nonzero(random, 14), &[4, 3, 7], "-"),
        "INSURER" => luhn(&format!("0613{}", digits(random, 3))),
        "INSURER6" => luhn(&nonzero(random, 5)),
        "KIGO" => format!("{}-{}", nonzero(random, 4), nonzero(random, 3)),
        "KIGO1" => nonzero(random, 5),
        "KIGO2" => nonzero(random, 3),
        "KOYO" => grouped(&nonzero(random, 11), &[4, 6, 1], "-"),
        "EMPLOYEE" => format!("A{}", digits(random, 5)),
        "IP" => {
            let octets = [0; 4].map(|_| (1 + random.below(254)).to_string());
            octets.join(".")
        }
        "PLATE" => {
            let place = random.pick(&["品川", "横浜", "なにわ", "つくば"]);
            let kana = random.pick(&["あ", "さ", "な", "ら"]);
            format!(
                "{place} 300 {kana} {}-{}",
                nonzero(random, 2),
                digits(random, 2)
            )
        }
        "JAN" => format!("49{}", digits(random, 11)),
        "TRACKMY" => super::values::value("TRACKING", random, false),
        "CARDNUM" => super::values::value("CARD", random, hard),
        "TS" => format!("17{}", digits(random, 11)),
        "SKU" => format!("AB-{}", digits(random, 5)),
        "VER" => format!(
            "{}.{}.{}",
            random.below(20),
            random.below(30),
            random.below(40)
        ),
        "AMT" => format!("{}万円", nonzero(random, 3)),
        "AGE" => format!("{}歳", 20 + random.below(50)),
        "SPELLED" => spelled(&nonzero(random, 12), &[4, 4, 4], random, hard),
        _ => return None,
    })
}

fn secret(slot: &str, random: &mut Random) -> Option<String> {
    const ALL: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    const HEX: &str = "0123456789abcdef";
    let mut any = |count: usize, of: &str| -> String {
        let of: Vec<char> = of.chars().collect();
        (0..count).map(|_| *random.one_of(&of)).collect()
    };
    Some(match slot {
        "AWSSECRET" | "KINTONE" | "TOKEN40" => any(40, ALL),
        "SLACK" => format!("xoxb-{}-{}", any(12, "123456789"), any(24, ALL)),
        "OPENAI" => format!("sk-proj-{}", any(48, ALL)),
        "ANTHROPIC" => format!("sk-ant-api03-{}", any(80, ALL)),
        "STRIPE" => format!("sk_live_{}", any(24, ALL)),
        "GOOGLE" => format!("AIza{}", any(35, ALL)),
        "JWT" => format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", any(40, ALL), any(43, ALL)),
        "PEM" => format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
            any(64, ALL)
        ),
        "DBURL" => format!("postgres://app:{}@db.internal:5432/main", any(12, ALL)),
        "CHATWORK" | "HEX32" => any(32, HEX),
        "HEX16" => any(16, HEX),
        "SHA" => any(40, HEX),
        "LINE" => format!("{}/{}=", any(150, ALL), any(18, ALL)),
        "SENDGRID" => format!("SG.{}.{}", any(22, ALL), any(43, ALL)),
        "AZURE" => format!("{}==", any(86, ALL)),
        "NPM" => format!("npm_{}", any(36, ALL)),
        "HF" => format!("hf_{}", any(34, ALL)),
        "PW" => format!("Tokyo#{}x", any(4, "123456789")),
        _ => return None,
    })
}

fn other(slot: &str, random: &mut Random) -> Option<String> {
    const HEADS: [&str; 5] = ["社外秘", "【社外秘】", "㊙", "取扱注意", "CONFIDENTIAL"];
    const BRACKETS: [&str; 4] = ["【社外秘】", "【極秘】", "[CONFIDENTIAL]", "（機密）"];
    let list: &[&str] = match slot {
        "MARKHEAD" => &HEADS,
        "MARKBR" => &BRACKETS,
        "ORG" | "ORG0" | "ORG1" => &ORGANISATIONS,
        "ORGKANA" => &["アルフア", "ミライ"],
        "PLACE" => &PLACES,
        "BANKNAME" => &["三菱UFJ銀行", "みずほ銀行", "京都信用金庫"],
        "BRANCH" => &["新宿支店", "梅田支店", "本店営業部"],
        "DOBEN" => &["28 January 1967", "Aug 26, 1962", "1985-04-12"],
        _ => return None,
    };
    Some(random.pick(list).to_owned())
}
