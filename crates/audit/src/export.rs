//! Records as files: CSV that spreadsheets read and do not run, and JSON lines (AUDIT-5).

use sekimori_domain::record::Record;
use sekimori_store::IndexedRecord;
use serde_json::json;

/// Languages of column names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    #[default]
    Japanese,
    /// English.
    English,
}

/// Most records of one export.
pub const RECORDS_MAX: usize = 1_000_000;

/// A column: its names, and what of a record is in it.
struct Column {
    japanese: &'static str,
    english: &'static str,
    value: fn(&IndexedRecord) -> String,
}

fn of(record: &IndexedRecord, pick: impl Fn(&Record) -> Option<String>) -> String {
    pick(&record.record).unwrap_or_default()
}

const COLUMNS: [Column; 21] = [
    Column {
        japanese: "日時(UTC)",
        english: "Time (UTC)",
        value: |one| {
            one.record
                .time
                .strftime("%Y-%m-%d %H:%M:%S%.3f")
                .to_string()
        },
    },
    Column {
        japanese: "ノード",
        english: "Node",
        value: |one| one.node.clone(),
    },
    Column {
        japanese: "連番",
        english: "Sequence",
        value: |one| one.sequence.to_string(),
    },
    Column {
        japanese: "記録ID",
        english: "Record id",
        value: |one| one.record.id.to_string(),
    },
    Column {
        japanese: "種別",
        english: "Event",
        value: |one| one.record.event.as_str().to_owned(),
    },
    Column {
        japanese: "段階",
        english: "Phase",
        value: |one| crate::sinks::phase(one.record.phase).to_owned(),
    },
    Column {
        japanese: "利用者ID",
        english: "User id",
        value: |one| of(one, |record| Some(record.caller.as_ref()?.id.clone())),
    },
    Column {
        japanese: "利用者名",
        english: "User name",
        value: |one| of(one, |record| Some(record.caller.as_ref()?.name.clone())),
    },
    Column {
        japanese: "クライアント",
        english: "Client",
        value: |one| of(one, |record| Some(record.caller.as_ref()?.client.clone())),
    },
    Column {
        japanese: "接続元IP",
        english: "Source IP",
        value: |one| of(one, |record| Some(record.caller.as_ref()?.ip?.to_string())),
    },
    Column {
        japanese: "接続先",
        english: "Connector",
        value: |one| {
            of(one, |record| {
                Some(record.target.as_ref()?.connector.clone())
            })
        },
    },
    Column {
        japanese: "対象",
        english: "Target",
        value: |one| of(one, |record| Some(record.target.as_ref()?.name.clone())),
    },
    Column {
        japanese: "操作の種類",
        english: "Operation class",
        value: |one| {
            of(one, |record| {
                Some(record.target.as_ref()?.class.as_str().to_owned())
            })
        },
    },
    Column {
        japanese: "業務データ",
        english: "Resources",
        value: |one| {
            of(one, |record| {
                Some(record.target.as_ref()?.resources.join(" "))
            })
        },
    },
    Column {
        japanese: "データ区分",
        english: "Data classes",
        value: |one| {
            of(one, |record| {
                Some(record.target.as_ref()?.data_classes.join(" "))
            })
        },
    },
    Column {
        japanese: "判定",
        english: "Decision",
        value: |one| of(one, |record| Some(record.decision.as_ref()?.effect.clone())),
    },
    Column {
        japanese: "適用ポリシー",
        english: "Policies",
        value: |one| {
            of(one, |record| {
                Some(record.decision.as_ref()?.policies.join(" "))
            })
        },
    },
    Column {
        japanese: "結果",
        english: "Outcome",
        value: |one| {
            of(one, |record| {
                Some(record.outcome.as_ref()?.status.as_str().to_owned())
            })
        },
    },
    Column {
        japanese: "理由コード",
        english: "Code",
        value: |one| of(one, |record| record.outcome.as_ref()?.code.clone()),
    },
    Column {
        japanese: "所要時間(ms)",
        english: "Duration (ms)",
        value: |one| {
            of(one, |record| {
                Some((record.duration_us? / 1_000).to_string())
            })
        },
    },
    Column {
        japanese: "相関ID",
        english: "Correlation id",
        value: |one| one.record.correlation.to_string(),
    },
];

/// The first line of a CSV file, with the mark by which Excel knows UTF-8.
pub fn csv_head(language: Language) -> String {
    let names = COLUMNS.iter().map(|column| match language {
        Language::Japanese => column.japanese,
        Language::English => column.english,
    });
    let cells: Vec<String> = names.map(cell).collect();
    format!("\u{feff}{}\r\n", cells.join(","))
}

/// One line of a CSV file.
pub fn csv_line(record: &IndexedRecord) -> String {
    let cells: Vec<String> = COLUMNS
        .iter()
        .map(|column| cell(&(column.value)(record)))
        .collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that a spreadsheet shows and never runs: what would begin a formula gets an apostrophe before it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let safe = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if safe.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

/// One line of a file of JSON lines.
pub fn json_line(record: &IndexedRecord) -> String {
    let line = json!({
        "node": record.node, "sequence": record.sequence, "record": record.record,
    });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_begins_a_formula() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("+81", "'+81"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("＝cmd", "'＝cmd"),
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
            ("一\n二", "\"一\n二\""),
        ] {
            assert_eq!(cell(text), safe, "{text}");
        }
    }

    #[test]
    fn heads_have_a_name_for_each_column() {
        for language in [Language::Japanese, Language::English] {
            let head = csv_head(language);
            assert!(head.starts_with('\u{feff}') && head.ends_with("\r\n"));
            assert_eq!(head.matches(',').count() + 1, COLUMNS.len());
        }
    }
}
