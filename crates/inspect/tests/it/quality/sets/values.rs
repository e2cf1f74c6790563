//! Values for the slots of templates: right check digits, many spellings.

use sekimori_inspect::Kind;

/// A small generator with a seed: the same texts everywhere, for ever.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.below(list.len() as u64)).unwrap();
        list[at]
    }

    pub(super) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(list.len() as u64)).unwrap();
        &list[at]
    }

    pub(super) fn digits(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.below(10)).collect()
    }
}

pub(super) fn text(digits: &[u64]) -> String {
    digits.iter().map(ToString::to_string).collect()
}

fn my_number(random: &mut Random) -> String {
    let mut digits = random.digits(11);
    digits[0] = 1 + random.below(9);
    let sum: u64 = (1..=11_u64)
        .map(|n| {
            let digit = digits[usize::try_from(11 - n).unwrap()];
            digit * if n <= 6 { n + 1 } else { n - 5 }
        })
        .sum();
    let rest = sum % 11;
    digits.push(if rest <= 1 { 0 } else { 11 - rest });
    text(&digits)
}

fn corporate(random: &mut Random) -> String {
    let mut digits = random.digits(12);
    digits[0] = 1 + random.below(8);
    let sum: u64 = (1..=12_u64)
        .map(|n| digits[usize::try_from(12 - n).unwrap()] * if n % 2 == 1 { 1 } else { 2 })
        .sum();
    format!("{}{}", 9 - sum % 9, text(&digits))
}

fn card(random: &mut Random) -> String {
    let mut digits = random.digits(15);
    digits[0] = 4;
    let sum: u64 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let doubled = if at % 2 == 0 { digit * 2 } else { *digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    text(&digits)
}

fn license(random: &mut Random) -> String {
    let mut digits = random.digits(10);
    digits[0] = 3;
    digits[1] = 1 + random.below(9);
    let weights = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    let sum: u64 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let rest = (11 - sum % 11) % 10;
    digits.push(rest);
    digits.push(random.below(2));
    text(&digits)
}

pub(super) fn grouped(digits: &str, sizes: &[usize], separator: &str) -> String {
    let mut rest = digits;
    let mut groups = Vec::new();
    for size in sizes {
        let (group, more) = rest.split_at(*size);
        groups.push(group);
        rest = more;
    }
    groups.join(separator)
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0'..='9' => char::from_u32(u32::from(c) + 0xFEE0).unwrap(),
            '-' => '－',
            other => other,
        })
        .collect()
}

/// How people and evaders write the same number.
pub(super) fn spelled(digits: &str, sizes: &[usize], random: &mut Random, hard: bool) -> String {
    match random.below(if hard { 5 } else { 3 }) {
        0 => digits.to_owned(),
        1 => grouped(digits, sizes, "-"),
        2 => grouped(digits, sizes, if sizes.len() > 2 { " " } else { "-" }),
        3 => full_width(&grouped(digits, sizes, "-")),
        _ => grouped(digits, sizes, "\u{2212}"),
    }
}

const SURNAMES: [&str; 24] = [
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "渡辺",
    "伊藤",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "斎藤",
    "松本",
    "井上",
    "木村",
    "清水",
    "阿部",
    "橋本",
    "石井",
    "西村",
    "藤原",
    "久保田",
    "長谷川",
];
const GIVEN: [&str; 16] = [
    "太郎",
    "花子",
    "健一",
    "美咲",
    "翔太",
    "陽子",
    "大輔",
    "由美子",
    "誠",
    "愛",
    "拓也",
    "真由美",
    "直樹",
    "恵子",
    "優斗",
    "結衣",
];
const PLACES: [&str; 8] = [
    "東京都千代田区丸の内1-2-3",
    "大阪府大阪市北区梅田三丁目1番3号",
    "北海道札幌市中央区北一条西2-1",
    "神奈川県横浜市西区みなとみらい2丁目3-1",
    "愛知県名古屋市中村区名駅4-7-1",
    "福岡市博多区博多駅前2-9-28",
    "宮城県仙台市青葉区国分町3-7-1",
    "京都府京都市中京区寺町通御池上る488",
];

fn date(random: &mut Random) -> String {
    let (year, month, day) = (
        1950 + random.below(55),
        1 + random.below(12),
        1 + random.below(28),
    );
    match random.below(4) {
        0 => format!("{year}年{month}月{day}日"),
        1 => format!("{year}/{month:02}/{day:02}"),
        2 => format!("昭和{}年{month}月{day}日", 30 + random.below(33)),
        _ => format!("{year}-{month:02}-{day:02}"),
    }
}

fn mobile(random: &mut Random) -> String {
    format!(
        "0{}0{}{}",
        7 + random.below(3),
        1 + random.below(9),
        text(&random.digits(7))
    )
}

fn token(random: &mut Random, prefix: &str, count: usize) -> String {
    const CHARS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let body: String = (0..count)
        .map(|_| char::from(CHARS[usize::try_from(random.below(CHARS.len() as u64)).unwrap()]))
        .collect();
    format!("{prefix}{body}7aB")
}

/// The kind of a slot; slots that are nothing to be found have none.
pub(super) fn kind(slot: &str) -> Option<Kind> {
    Some(match slot {
        "MY" => Kind::MyNumber,
        "CORP" => Kind::CorporateNumber,
        "CARD" => Kind::CreditCard,
        "LICENSE" => Kind::DriversLicense,
        "T" => Kind::InvoiceNumber,
        "MOBILE" | "PHONE" => Kind::Phone,
        "MAIL" => Kind::Email,
        "POST" => Kind::PostalCode,
        "ADDRESS" => Kind::Address,
        "DOB" => Kind::Dob,
        "NAME" | "SURNAME" => Kind::Person,
        "GITHUB" | "AWS" => Kind::Secret,
        "ACCOUNT" => Kind::BankAccount,
        "PENSION" => Kind::PensionNumber,
        "PASSPORT" => Kind::Passport,
        "RESIDENCE" => Kind::ResidenceCard,
        other => return super::slots::kind(other),
    })
}

/// A value for a slot.
pub(super) fn value(slot: &str, random: &mut Random, hard: bool) -> String {
    match slot {
        "MY" => spelled(&my_number(random), &[4, 4, 4], random, hard),
        "CORP" => spelled(&corporate(random), &[1, 4, 4, 4], random, false),
        "CARD" => spelled(&card(random), &[4, 4, 4, 4], random, hard),
        "LICENSE" => license(random),
        "T" => format!("T{}", corporate(random)),
        "MOBILE" => spelled(&mobile(random), &[3, 4, 4], random, hard),
        "PHONE" => format!(
            "03-{}-{}",
            3000 + random.below(6000),
            1000 + random.below(9000)
        ),
        "MAIL" => format!(
            "{}.{}@example.co.jp",
            random.pick(&["taro", "k-sato", "info"]),
            random.below(900)
        ),
        "POST" => format!("{}-{:04}", 100 + random.below(800), random.below(10_000)),
        "ADDRESS" => random.pick(&PLACES).to_owned(),
        "DOB" | "DATE" => date(random),
        "NAME" => {
            let gap = if random.below(3) == 0 { " " } else { "" };
            format!("{}{gap}{}", random.pick(&SURNAMES), random.pick(&GIVEN))
        }
        "SURNAME" => random.pick(&SURNAMES).to_owned(),
        "GITHUB" => token(random, "ghp_", 33),
        "AWS" => {
            let body = token(random, "", 13).to_uppercase().replace('0', "9");
            format!("AKIA{body}")
        }
        "ACCOUNT" => text(&[&[1 + random.below(9)][..], &random.digits(6)].concat()),
        "PENSION" => grouped(
            &text(&[&[1 + random.below(9)][..], &random.digits(9)].concat()),
            &[4, 6],
            "-",
        ),
        "PASSPORT" => format!(
            "T{}{}",
            random.pick(&["K", "R", "Z"]),
            text(&[&[1 + random.below(9)][..], &random.digits(6)].concat())
        ),
        "RESIDENCE" => format!(
            "AB{}CD",
            text(&[&[1 + random.below(9)][..], &random.digits(7)].concat())
        ),
        "TRACKING" => my_number(random),
        "NUMBER" => text(&[&[1 + random.below(9)][..], &random.digits(4)].concat()),
        "UUID" => format!(
            "{:08x}-{:04x}-4a1b-8c2d-{:012x}",
            random.below(1 << 32),
            random.below(1 << 16),
            random.below(1 << 46)
        ),
        other => super::slots::value(other, random, hard),
    }
}
