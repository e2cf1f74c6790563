//! 自動車登録番号: place, class number, kana, up to four digits.

use std::sync::LazyLock;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::lexicon::Lexicon;
use crate::spots::Begin;
use crate::text::{Folded, is_kanji};

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::VehicleNumber,
    version: 1,
    approach: "place of one to four letters, class of two or three, kana, one to four digits",
    find,
};

/// Places on plates; those of two kanji or more, since single ones (堺, 柏, 津) need a blank behind.
#[rustfmt::skip]
const PLACES: &[&str] = &["札幌", "函館", "旭川", "室蘭", "苫小牧", "釧路", "知床", "帯広", "北見", "青森", "弘前", "八戸", "岩手", "盛岡", "平泉", "宮城", "仙台", "秋田", "山形", "庄内", "福島", "会津", "郡山", "白河", "いわき", "水戸", "土浦", "つくば", "宇都宮", "那須", "とちぎ", "日光", "群馬", "前橋", "高崎", "大宮", "川口", "所沢", "川越", "熊谷", "春日部", "越谷", "千葉", "成田", "習志野", "市川", "船橋", "袖ヶ浦", "市原", "野田", "柏", "松戸", "品川", "世田谷", "練馬", "杉並", "板橋", "足立", "江東", "葛飾", "江戸川", "八王子", "多摩", "横浜", "川崎", "湘南", "相模", "山梨", "富士山", "新潟", "長岡", "上越", "長野", "松本", "諏訪", "南信州", "安曇野", "富山", "石川", "金沢", "福井", "岐阜", "飛騨", "静岡", "浜松", "沼津", "伊豆", "名古屋", "豊橋", "三河", "岡崎", "豊田", "尾張小牧", "一宮", "春日井", "三重", "鈴鹿", "四日市", "伊勢志摩", "滋賀", "京都", "大阪", "なにわ", "和泉", "堺", "神戸", "姫路", "奈良", "飛鳥", "和歌山", "鳥取", "島根", "出雲", "岡山", "倉敷", "広島", "福山", "下関", "山口", "徳島", "香川", "高松", "愛媛", "高知", "福岡", "北九州", "久留米", "筑豊", "佐賀", "長崎", "佐世保", "熊本", "大分", "宮崎", "鹿児島", "奄美", "沖縄"];

/// Letters of the longest place.
const PLACE_MAX: usize = 4;

static PLACE: LazyLock<Lexicon<()>> =
    LazyLock::new(|| Lexicon::new(PLACES.iter().map(|place| (*place, ()))));

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for kana in document.spots.of(Begin::Plate) {
        if let Some((start, end)) = outline(folded, kana) {
            Document::push(found, Kind::VehicleNumber, start, end, 90);
        }
    }
}

fn outline(folded: &Folded, kana: usize) -> Option<(usize, usize)> {
    let mut at = kana - usize::from(folded.before(kana) == ' ');
    let class_end = at;
    while class_end - at < 3
        && (folded.before(at).is_ascii_digit() || folded.before(at).is_ascii_uppercase())
    {
        at -= 1;
    }
    if class_end - at < 2 {
        return None;
    }
    at -= usize::from(folded.before(at) == ' ');
    let place = (1..=PLACE_MAX).find_map(|size| {
        let start = at.checked_sub(size)?;
        let place = PLACE.longest_that(folded.chars(), start, |length| length == size);
        place.map(|_| start)
    })?;
    let mut end = kana + 1;
    end += usize::from(folded.at(end) == ' ');
    let tail = folded.part(end, end + 5);
    let len = tail
        .iter()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '・' | '-' | '.'))
        .count();
    let digits = tail.iter().take(len).filter(|c| c.is_ascii_digit()).count();
    let whole = (1..=4).contains(&digits) && !is_kanji(folded.before(place));
    whole.then_some((place, end + len))
}
