//! Words around names: honorifics and titles, what leads to a name, and what ends the names of companies and places.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::lexicon::Lexicon;
use crate::text::{Folded, is_kanji};

/// What stands behind a person. The longest word decides, so that 「様子」 is not 「様」.
#[rustfmt::skip]
static HONORIFICS: LazyLock<Lexicon<bool>> = LazyLock::new(|| {
    let yes = ["様", "様方", "さま", "さん", "さーん", "さぁん", "ちゃーん", "先輩", "嬢", "翁", "氏", "殿", "君", "くん", "ちゃん", "先生", "教授", "准教授", "講師", "博士", "医師", "弁護士", "税理士", "社労士", "会計士", "司法書士", "行政書士", "看護師", "部長", "課長", "係長", "主任", "社長", "副社長", "専務", "常務", "取締役", "会長", "副会長", "代表", "室長", "次長", "所長", "支店長", "店長", "工場長", "本部長", "事業部長", "執行役員", "監査役", "顧問", "理事", "理事長", "委員", "委員長", "議員", "知事", "市長", "町長", "大臣", "首相", "監督", "選手", "主査", "主幹", "主事", "参事", "リーダー", "マネージャー", "マネジャー", "ディレクター", "グループ長", "チーム長", "班長", "局長", "院長", "校長", "園長", "教諭", "記者", "夫妻", "ご夫妻", "容疑者", "被告", "被告人", "さまの", "女史", "審議官", "参与", "課長補佐", "代理", "部長代理", "課長代理", "副部長", "副課長", "統括部長", "担当部長", "サブリーダー", "エンジニア", "コーチ", "教育長", "教頭", "学長", "総長", "学部長", "部会長", "事務長", "事務局長", "塾長", "組長", "会頭", "専務理事", "常務理事", "棋士", "九段", "宛", "両名", "総理", "各位", "容疑", "本人", "ドクター", "師長", "室長代理", "シニアマネージャー", "部門長", "センター長", "館長", "騎手", "投手", "捕手", "力士", "大統領", "判事", "都知事", "府知事", "県知事", "副大臣", "大使", "元首相", "前首相", "首席", "主席", "書記長", "幹事長", "党首", "少年", "少女", "受験生", "関", "頭取", "副頭取", "オーナー", "役員", "アナウンサー", "アナ", "キャスター", "党首", "長官", "議長", "副議長", "官房長官", "国務長官", "元大統領", "前大統領", "夫人", "外相", "財務相", "国防相", "内野手", "外野手", "初段", "二段", "三段", "四段", "五段", "六段", "七段", "八段", "名人", "画伯", "作曲家", "CEO", "CTO", "CFO", "COO", "社員", "職員", "スタッフ", "組合長", "支部長", "係員", "主任研究員", "研究員", "助教", "薬剤師", "保健師", "整備士", "技師", "所員", "パートナー", "マネジャ", "課員", "隊長", "団長", "住職", "名義", "儀"];
    let no = ["代理店", "代理人", "氏名", "様子", "様式", "様々", "様相", "様態", "殿下", "殿堂", "氏族", "君主", "代表取締役会", "代表者", "代表例", "代表的", "監督署", "監督官", "選手権", "主任者試験", "店長会", "委員会", "理事会", "役員会", "議員連盟", "社長室", "先生方", "博士課程", "教授会", "会長職", "記者会見", "顧問契約", "取締役会", "部長会", "課長会", "君が代", "宛名", "宛先", "役員報酬", "本人確認", "大臣官房"];
    Lexicon::new(yes.map(|word| (word, true)).into_iter().chain(no.map(|word| (word, false))))
});

/// What stands before a name without being part of it.
#[rustfmt::skip]
const LEADS: &[&str] = &["届け先", "送付先", "配送先", "送り主", "緊急連絡先", "監査役", "者", "人", "私", "無職", "店員", "会社員", "公務員", "学生", "大学生", "高校生", "作家", "歌手", "俳優", "女優", "歌人", "画家", "棋士", "評論家", "建築家", "写真家", "経営者", "創業者", "責任者", "出身の", "次官", "三男", "四男", "三女", "二男", "二女", "長老", "容疑者", "本人の", "相手の", "相手は", "担当は", "窓口は", "責任者は", "議長は", "司会は", "株式会社", "有限会社", "合同会社", "(株)", "(有)", "部", "課", "室", "係", "局", "班", "支店", "営業所", "本部", "グループ", "チーム", "センター", "支社", "本社", "工場", "担当", "担当者", "担当の", "社長", "部長", "課長", "係長", "主任", "取締役", "会長", "代表", "代表者", "代表理事", "店長", "所長", "医師", "弁護士", "税理士", "社労士", "氏名", "名前", "名義", "乙", "甲", "氏", "様", "殿", "社員", "職員", "講師", "監督", "選手", "教授", "患者", "顧客", "故", "亡", "同", "現", "元", "前", "新任の", "リーダー", "マネージャー", "オペレーター", "ディレクター", "エンジニア", "コンサルタント", "アドバイザー", "プロデューサー", "スタッフ", "ドクター", "カウンセラー", "トレーナー", "事務局", "委員", "理事", "事業部", "営業部の", "人事部の", "総務部の", "経理部の", "部の", "課の", "室の", "社の", "係の", "店の", "院の", "所の", "校の", "会社の", "長の", "者の", "先の", "客様の", "本日", "昨日", "昨夜", "昨晩", "今晩", "今夜", "先週", "今週", "来週", "先月", "今月", "来月", "翌日", "当日", "同日", "後日", "午前", "午後", "毎朝", "横綱", "大関", "関脇", "小結", "先日", "今回", "今朝", "明日", "前回", "次回", "弊社", "当社", "御社", "貴社", "同社", "同席", "妻", "夫", "長男", "長女", "次男", "次女", "母", "父", "後任の", "前任の", "上司の", "部下の", "同僚の", "友人の", "弊社の", "当社の", "御社の", "貴社の", "同社の", "担当者の", "責任者の", "営業担当の", "窓口の", "社員の", "メンバーの", "チームの", "本社の", "支店の", "支社の", "部長の", "課長の", "係長の", "主任の", "社長の", "リーダーの", "マネージャーの", "マネジャーの", "代表の", "代わりに", "代わりは", "代理で", "師の", "士の", "医の", "員の", "生の", "手の", "経理", "総務", "人事", "営業", "法務", "開発", "広報", "購買", "技術", "企画", "情シス", "品証", "資材", "庶務", "労務", "財務", "代理の", "講師の", "秘書の", "事務局の", "総務の", "人事の", "経理の", "営業の", "法務の", "開発の", "情シスの", "広報の", "購買の", "技術の", "企画の", "新入社員の", "中途入社の", "同期の", "先輩の", "後輩の", "同僚の"];

/// What stands behind the surname in the names of companies, places and things.
#[rustfmt::skip]
const ORGANISATIONS: &[&str] = &["易断所", "模範堂", "本舗", "薬房", "賞", "訪問", "出身", "在住", "工機", "重機", "機械", "鋼業", "電工", "興産", "実業", "地所", "通商", "交通", "観光", "造船", "電力", "百貨店", "倉庫", "商事", "商店", "商会", "工務店", "運輸", "運送", "建設", "産業", "電機", "電気", "電器", "製作所", "製薬", "製菓", "製造", "工業", "興業", "物産", "物流", "不動産", "銀行", "病院", "医院", "大学", "高校", "学園", "学校", "駅", "市", "町", "村", "区", "県", "営業所", "支店", "支社", "工場", "事務所", "法律", "会計", "組", "建築", "設計", "印刷", "食品", "酒造", "醸造", "水産", "農園", "牧場", "旅館", "書店", "薬局", "クリニック", "歯科", "内科", "外科", "株式会社", "有限会社", "ホールディングス", "グループ", "システム", "電鉄", "鉄道", "自動車", "モーター", "証券", "保険", "化学", "金属", "鉄工", "木材", "石油", "化成", "空港", "港", "川", "山", "橋", "通り", "台", "丘", "郡", "島", "城", "寺", "神社", "神宮", "公園", "球場", "道路", "街道", "温泉", "圃", "家", "屋", "店", "堂", "園", "館", "荘", "邸", "湖", "岳", "峠", "坂", "門", "池", "沢", "谷", "原発", "米", "牛", "茶", "酒", "焼", "織", "技研", "精機", "精工", "紡績", "繊維", "製紙", "製鉄", "製鋼", "塗装", "設備", "総業", "総研", "財団", "本線", "線", "方面", "地区", "地方", "周辺", "市内", "県内", "駅前", "新聞", "放送", "出版", "信金", "信用", "住友", "信託", "海上", "火災", "生命", "労基", "税務署", "警察", "消防", "裁判", "法務局", "年金", "免許", "本店", "部", "課"];

/// The title or honorific at `at`, past one blank.
pub(super) fn honorific(folded: &Folded, at: usize) -> bool {
    title_len(folded, at + usize::from(folded.at(at) == ' ')).is_some()
}

/// The length of the title or honorific at `at`.
pub(super) fn title_len(folded: &Folded, at: usize) -> Option<usize> {
    if !HONORIFICS.may_begin(folded.at(at), folded.at(at + 1)) {
        return None;
    }
    let (len, yes) = HONORIFICS.longest_at(folded.chars(), at)?;
    yes.then_some(len)
}

/// Whether a title begins before `at` and goes on: 「部長」 at 「長」.
pub(super) fn within_title(folded: &Folded, at: usize) -> bool {
    is_kanji(folded.before(at))
        && (1..=at.min(2)).any(|back| title_len(folded, at - back).is_some_and(|len| len > back))
}

/// Whether the title at `at` is that of whoever heads a place: 「福岡支店長」 is nobody called 福岡.
pub(super) fn workplace(folded: &Folded, at: usize) -> bool {
    [
        "支店長",
        "支社長",
        "支部長",
        "支所長",
        "工場長",
        "店長",
        "所長",
        "営業所長",
        "センター長",
        "駅長",
        "署長",
        "局長",
        "館長",
        "市長",
        "知事",
    ]
    .iter()
    .any(|title| folded.has(at, title))
}

/// Words of business of two characters that look like given names.
pub(super) fn is_common_word(word: &[char]) -> bool {
    #[rustfmt::skip]
    const WORDS: [&str; 60] = ["審査", "承認", "同席", "同行", "普通", "当座", "貯蓄", "確認", "作成", "担当", "出席", "欠席", "参加", "不在", "在宅", "出張", "休暇", "早退", "遅刻", "外出", "直行", "直帰", "会議", "訪問", "来社", "連絡", "電話", "対応", "完了", "保留", "継続", "新規", "更新", "変更", "中止", "延期", "予定", "未定", "本人", "家族", "夫婦", "両親", "午前", "午後", "終日", "以上", "以下", "敬具", "拝啓", "退職", "入社", "異動", "昇進", "受付", "記入", "決裁", "照査", "検印", "発言", "代筆"];
    word.len() == 2
        && WORDS
            .iter()
            .any(|common| common.chars().eq(word.iter().copied()))
}

/// Whether an honorific of every day follows at `at`, no title, which offices and shops of a place have as well.
pub(super) fn polite(folded: &Folded, at: usize) -> bool {
    let at = at + usize::from(folded.at(at) == ' ');
    [
        "様",
        "さん",
        "さま",
        "氏",
        "殿",
        "くん",
        "ちゃん",
        "先生",
        "君",
    ]
    .iter()
    .any(|word| folded.has(at, word))
}

/// Whether a word that ends the names of companies and places stands at `at`.
pub(super) fn organisation(folded: &Folded, at: usize) -> bool {
    organisation_word(folded, at).is_some()
}

/// The length of the word at `at` that ends the names of companies and places.
pub(super) fn organisation_word(folded: &Folded, at: usize) -> Option<usize> {
    ORGANISATION
        .longest_at(folded.chars(), at)
        .map(|(len, ())| len)
}

/// Whether a word ends as the names of companies and places do.
pub(super) fn organisation_like(word: &[char]) -> bool {
    let ends = word.last().and_then(|last| ORGANISATION_END.get(last));
    ends.is_some_and(|ends| ends.iter().any(|end| word.ends_with(end)))
}

/// [`ORGANISATIONS`] by their last character.
static ORGANISATION_END: LazyLock<HashMap<char, Vec<Vec<char>>>> =
    LazyLock::new(|| by_last(ORGANISATIONS));

/// Whether a word that stands where names do ends as those of companies do; hills and rivers end names as well.
pub(super) fn company_like(word: &[char]) -> bool {
    const LAND: &str = "川山橋丘島城池沢谷坂岳峠門";
    !word.last().is_some_and(|c| LAND.contains(*c)) && organisation_like(word)
}

static ORGANISATION: LazyLock<Lexicon<()>> =
    LazyLock::new(|| Lexicon::new(ORGANISATIONS.iter().map(|word| (*word, ()))));

/// How long the word is that leads to a name at `at`.
pub(super) fn lead_before(folded: &Folded, at: usize) -> Option<usize> {
    let leads = LEAD.get(&folded.before(at))?;
    let here =
        |lead: &&Vec<char>| folded.part(at.saturating_sub(lead.len()), at) == lead.as_slice();
    leads.iter().filter(here).map(Vec::len).max()
}

/// [`LEADS`] by their last character.
static LEAD: LazyLock<HashMap<char, Vec<Vec<char>>>> = LazyLock::new(|| by_last(LEADS));

fn by_last(words: &[&str]) -> HashMap<char, Vec<Vec<char>>> {
    let mut by_last: HashMap<char, Vec<_>> = HashMap::new();
    for word in words {
        if let Some(last) = word.chars().next_back() {
            by_last
                .entry(last)
                .or_default()
                .push(word.chars().collect());
        }
    }
    by_last
}
