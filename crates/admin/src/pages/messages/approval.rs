//! Texts of the page of a request for approval.

use super::Message;

/// The texts.
pub(super) const TEXTS: &[Message] = &[
    Message::new("approval.title", "承認依頼", "Approval request"),
    Message::new(
        "approval.lead",
        "{who} さんの AI クライアントが {what} を実行しようとしています。",
        "The AI client of {who} wants to call {what}.",
    ),
    Message::new("approval.state", "状態", "State"),
    Message::new(
        "approval.state.pending",
        "承認待ち",
        "Waiting for a decision",
    ),
    Message::new(
        "approval.state.approved",
        "承認済み（未実行）",
        "Approved, not yet called",
    ),
    Message::new("approval.state.refused", "拒否", "Refused"),
    Message::new("approval.state.expired", "期限切れ", "Expired"),
    Message::new("approval.state.cancelled", "取り下げ", "Taken back"),
    Message::new(
        "approval.state.used",
        "承認・実行済み",
        "Approved and called",
    ),
    Message::new("approval.who", "依頼者", "Asked by"),
    Message::new("approval.client", "クライアント", "Client"),
    Message::new("approval.claimed", "（自称）", "(claimed)"),
    Message::new("approval.call", "操作", "Call"),
    Message::new(
        "approval.reasons",
        "承認が必要な理由",
        "Why approval is needed",
    ),
    Message::new("approval.risk", "リスク", "Risk"),
    Message::new("approval.risk.low", "低", "Low"),
    Message::new("approval.risk.medium", "中", "Medium"),
    Message::new("approval.risk.high", "高", "High"),
    Message::new(
        "approval.arguments",
        "引数（この内容だけが実行されます）",
        "Arguments (exactly these are executed)",
    ),
    Message::new(
        "approval.edited",
        "引数は依頼時から変更されています。",
        "The arguments were changed since it was asked for.",
    ),
    Message::new(
        "approval.masked",
        "値を見る権限がないため、伏せてあります。",
        "You may not see the values.",
    ),
    Message::new(
        "approval.current",
        "現在の値との違い",
        "What it would change",
    ),
    Message::new(
        "approval.current.read",
        "{tool} が {at} に読み取った値との比較です。",
        "Compared with what {tool} read at {at}.",
    ),
    Message::new(
        "approval.current.failed",
        "現在の値を読み取れませんでした。比較せずに判断することになります。",
        "The present values could not be read, so there is nothing to compare with.",
    ),
    Message::new(
        "approval.current.nothing",
        "比較した値に違いはありません。",
        "Nothing that was compared would change.",
    ),
    Message::new("approval.current.none", "（値なし）", "(nothing)"),
    Message::new("approval.current.untouched", "（指定なし）", "(not given)"),
    Message::new(
        "approval.current.same",
        "変わらない引数: {what}",
        "Unchanged: {what}",
    ),
    Message::new("approval.times", "依頼日時と期限", "Asked at, and until"),
    Message::new("approval.agreed", "承認者", "Approved by"),
    Message::new("approval.ended", "決定", "Ended by"),
    Message::new(
        "approval.history",
        "同じ内容の過去の依頼",
        "Past requests for equal calls",
    ),
    Message::new(
        "approval.reason",
        "理由（拒否する場合は必須。依頼者に伝わります）",
        "Reason (needed to refuse; told to who asked)",
    ),
    Message::new("approval.approve", "承認する", "Approve"),
    Message::new("approval.refuse", "拒否する", "Refuse"),
    Message::new("approval.cancel", "取り下げる", "Take back"),
    Message::new(
        "approval.step_up",
        "追加の本人確認をする",
        "Confirm that it is you",
    ),
    Message::new(
        "approval.why.approval_closed",
        "この依頼はすでに終了しています。",
        "This request is decided already.",
    ),
    Message::new(
        "approval.why.approval_ended",
        "この依頼の期限は過ぎています。",
        "The time of this request is over.",
    ),
    Message::new(
        "approval.why.approval_own_request",
        "自分の依頼は承認できません。ほかの人の判断が必要です。",
        "You asked for this yourself: somebody else must decide.",
    ),
    Message::new(
        "approval.why.approval_not_a_person",
        "判断できるのは人だけです。",
        "Only a person may decide.",
    ),
    Message::new(
        "approval.why.approval_not_an_approver",
        "この依頼の承認者ではありません。",
        "You are not among those who may decide on this.",
    ),
    Message::new(
        "approval.why.approval_handed_over",
        "判断をほかの人に委任しています。",
        "You let somebody else decide in your place.",
    ),
    Message::new(
        "approval.why.approval_already_agreed",
        "あなた、またはあなたの代理の人がすでに承認しています。",
        "You, or somebody in your place, agreed already.",
    ),
    Message::new(
        "approval.why.step_up_needed",
        "この判断には、直前の追加の本人確認が必要です。",
        "This decision needs a second factor, proved just now.",
    ),
    Message::new(
        "approval.why.changed_meanwhile",
        "表示した後に引数が変更されました。もう一度確認してください。",
        "The arguments were changed since you looked: look again, then decide.",
    ),
    Message::new(
        "approval.why.reason_needed",
        "拒否するには理由を入力してください（2000 文字まで）。",
        "To refuse, give a reason of at most 2000 characters.",
    ),
    Message::new(
        "approval.why.approval_not_requester",
        "取り下げられるのは依頼者だけです。",
        "Only who asked for it may take it back.",
    ),
    Message::new(
        "approval.why.conflict",
        "ほかの人が同時に判断しています。もう一度確認してください。",
        "Others are deciding at the same time: look again.",
    ),
    Message::new(
        "approval.why.invalid",
        "入力内容が正しくありません。",
        "What you entered can't be used.",
    ),
];
