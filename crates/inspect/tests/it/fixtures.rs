//! DATA-3: every detector has texts that it hits and near misses that it leaves alone.

use std::path::Path;

use sekimori_inspect::{Scanner, detector};

/// The lines of a fixture; `\n` stands for a line break.
fn lines(kind: &str, name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let path = folder.join(kind.to_lowercase()).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{kind} lacks {name}"));
    text.lines().map(|line| line.replace("\\n", "\n")).collect()
}

/// The lines for which `wanted` is not what the detector says.
fn wrong(name: &str, wanted: bool) -> Vec<String> {
    let scanner = Scanner::new();
    let mut wrong = Vec::new();
    for detector in detector::ALL {
        let kind = detector.kind;
        let lines = lines(kind.as_str(), name);
        assert!(
            lines.len() >= 2,
            "{} has too few lines in {name}",
            kind.as_str()
        );
        for line in lines {
            let hit = scanner
                .scan(&line)
                .iter()
                .any(|finding| finding.kind == kind);
            if hit != wanted {
                wrong.push(format!("{}: {line}", kind.as_str()));
            }
        }
    }
    wrong
}

#[test]
fn data_3_every_detector_hits_its_hits() {
    assert_eq!(wrong("hit.txt", true), Vec::<String>::new());
}

#[test]
fn data_3_no_detector_hits_its_near_misses() {
    assert_eq!(wrong("miss.txt", false), Vec::<String>::new());
}

#[test]
fn data_3_detectors_fire_glued_to_any_letter() {
    let scanner = Scanner::new();
    for (text, kind) in [
        ("4111111111111111", "CREDIT_CARD"),
        ("taro@example.com", "EMAIL"),
        ("03-1234-5678", "PHONE"),
        ("T7000012050002", "INVOICE_NUMBER"),
        ("AB12345678CD", "RESIDENCE_CARD"),
    ] {
        for (before, after) in [
            ("漢", "字"),
            ("は", "です"),
            ("ア", "イ"),
            ("「", "」"),
            ("", ""),
        ] {
            let glued = format!("{before}{text}{after}");
            let found = scanner.scan(&glued);
            let hit = found.iter().find(|finding| finding.kind.as_str() == kind);
            let start = u32::try_from(before.chars().count()).unwrap();
            let len = u32::try_from(text.chars().count()).unwrap();
            assert_eq!(
                hit.map(|hit| (hit.start, hit.end)),
                Some((start, start + len)),
                "{glued}"
            );
        }
    }
}

#[test]
fn data_3_everybody_in_a_text_is_found() {
    let scanner = Scanner::new();
    for (text, people) in [
        // Named with an honorific once, alone otherwise.
        ("新庄谷様より電話。内容は新庄谷に。折り返しは新庄谷まで", 3),
        ("エレナ・ペトロワ様が到着。エレナは英語です", 2),
        // A conversation, a family, a list behind a label.
        ("[10:02] しおり: 送った？\n[10:03] 健太: まだです", 2),
        ("既婚、妻由美、長女結衣", 2),
        ("配布先：加藤、四方、堀", 3),
        ("夫婦二人で、アカネとタクヤです。タクヤは在宅", 3),
        ("昨日は張さん、陳さん、劉さんの3名が来た", 3),
        ("小林と森が休みなので、代わりに乾が出ます", 3),
        // A company that bears a surname is nobody.
        ("前田道路様と高島屋様", 0),
    ] {
        let found = scanner.scan(text);
        let found = found.iter().filter(|found| found.kind.as_str() == "PERSON");
        assert_eq!(found.count(), people, "{text}");
    }
}

#[test]
fn data_3_every_date_of_birth_in_a_text_is_found() {
    let scanner = Scanner::new();
    for (text, dates) in [
        (
            "アカネの誕生日は昭和52年1月2日、タクヤは昭和39年6月16日です。",
            2,
        ),
        ("村井健一\t1978/02/11\n小川薫\t1990/12/24\n", 2),
    ] {
        let found = scanner.scan(text);
        let found = found.iter().filter(|found| found.kind.as_str() == "DOB");
        assert_eq!(found.count(), dates, "{text}");
    }
}

#[test]
fn data_3_kinds_are_unique_and_documented() {
    let mut kinds: Vec<_> = detector::ALL.iter().map(|detector| detector.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), detector::ALL.len());
    assert!(
        detector::ALL
            .iter()
            .all(|d| d.version > 0 && d.approach.len() > 10)
    );
}
