//! Reports over a period (AUDIT-8).

use sekimori_audit::export::Language;
use sekimori_audit::report::{Collector, ReportKind};
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase};

use crate::schemas::full;

#[test]
fn data_access_is_counted_per_person() {
    let mut collector = Collector::new(ReportKind::DataAccess);
    for status in [
        OutcomeStatus::Success,
        OutcomeStatus::Success,
        OutcomeStatus::Refused,
    ] {
        collector.add(&full(EventKind::ToolCall, status));
    }
    let mut intent = full(EventKind::ToolCall, OutcomeStatus::Success);
    intent.phase = Phase::Intent;
    collector.add(&intent);
    collector.add(&full(EventKind::SignIn, OutcomeStatus::Success));
    let report = collector.finish(Language::English);
    assert_eq!(report.records, 3, "intents and other kinds do not count");
    let line: Vec<&str> = report.lines[0].iter().map(String::as_str).collect();
    assert_eq!(
        line[..7],
        [
            "user:hanako",
            "山田 花子",
            "2",
            "1",
            "delete:2",
            "personal:2",
            "1"
        ]
    );
    assert_eq!(report.columns.len(), line.len());
}

#[test]
fn every_report_has_both_languages() {
    for kind in [
        ReportKind::Privileges,
        ReportKind::SignIns,
        ReportKind::DataAccess,
    ] {
        let mut reports = Vec::new();
        for language in [Language::Japanese, Language::English] {
            let mut collector = Collector::new(kind);
            for event in kind.events() {
                collector.add(&full(*event, OutcomeStatus::Success));
            }
            let report = collector.finish(language);
            assert_eq!(report.records, kind.events().len());
            assert!(
                report
                    .lines
                    .iter()
                    .all(|line| line.len() == report.columns.len())
            );
            reports.push(report);
        }
        assert_ne!(reports[0].title, reports[1].title);
        assert_eq!(reports[0].lines, reports[1].lines);
    }
}
