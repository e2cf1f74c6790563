//! Keys, tokens and passwords: forms of known providers, private keys, URLs with a password, and values
//! assigned to names that say what they are. Placeholders are not secrets.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::lexicon::Lexicon;
use crate::spots::{Begin, is_token};
use crate::text::Folded;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Secret,
    version: 4,
    approach: "providers' prefixes with length, PEM, JWT, URLs with password, values of telling names",
    find,
};

/// Prefixes of tokens and how many characters follow at least.
#[rustfmt::skip]
const PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16), ("ASIA", 16), ("ABIA", 16), ("ACCA", 16), ("AROA", 17), ("AIDA", 17),
    ("ghp_", 30), ("gho_", 30), ("ghu_", 30), ("ghs_", 30), ("ghr_", 30), ("github_pat_", 30),
    ("glpat-", 18), ("gldt-", 18), ("glrt-", 18), ("glptt-", 18), ("glsa_", 30), ("glc_", 30),
    ("xoxb-", 20), ("xoxp-", 20), ("xoxa-", 20), ("xoxr-", 20), ("xoxs-", 20), ("xoxe-", 20), ("xoxe.", 20), ("xapp-", 20),
    ("sk-ant-", 20), ("sk-proj-", 20), ("sk-svcacct-", 20), ("sk-admin-", 20), ("sk-or-v1-", 20), ("sk-lf-", 20), ("sk-", 32),
    ("sk_live_", 16), ("sk_test_", 16), ("rk_live_", 16), ("rk_test_", 16), ("whsec_", 20), ("pk_live_", 16),
    ("SG.", 40), ("npm_", 30), ("hf_", 28), ("AIza", 35), ("ya29.", 20), ("GOCSPX-", 20), ("1//0", 30),
    ("dop_v1_", 40), ("doo_v1_", 40), ("shpat_", 28), ("shpss_", 28), ("shpca_", 28), ("shppa_", 28),
    ("sq0atp-", 20), ("sq0csp-", 20), ("EAAA", 56), ("pypi-", 40), ("lin_api_", 30), ("figd_", 30), ("dapi", 32),
    ("hvs.", 24), ("hvb.", 24), ("rubygems_", 40), ("AGE-SECRET-KEY-1", 40), ("dckr_pat_", 20), ("sntrys_", 30), ("sntryu_", 30),
    ("PMAK-", 30), ("pul-", 36), ("tfp_", 30), ("atlasv1.", 30), ("ATATT3", 40), ("ATCTT3", 40), ("NRAK-", 20), ("NRII-", 20),
    ("r8_", 30), ("gsk_", 30), ("xai-", 40), ("pplx-", 30), ("nvapi-", 40), ("tskey-", 20), ("ntn_", 40), ("secret_", 40),
    ("EZAK", 40), ("key-", 32), ("SK", 32), ("AccountKey=", 40), ("sbp_", 36), ("cfut_", 30), ("fo1_", 30), ("FlyV1", 40),
    ("flb_live_", 20), ("CFPAT-", 30), ("dp.pt.", 30), ("vercel_", 20), ("doppler_", 20), ("pat-na1-", 30), ("PAT-", 40), ("lsv2_", 30), ("ops_ey", 40), ("A3-", 30), ("sgp_", 36), ("ddp_", 30), ("phx_", 30), ("phc_", 30), ("waka_", 30), ("EAAC", 60), ("xkeysib-", 40), ("live_sk_", 20), ("sk_prod_", 20),
];

/// Names whose value is a secret, and the least length of a value.
#[rustfmt::skip]
const NAMES: &[(&str, usize)] = &[
    ("パスワード", 6), ("パス", 6), ("-p", 6), ("仮パスワード", 6), ("初期パスワード", 6), ("signing_secret", 16), ("signing secret", 16), ("_authtoken", 16), ("password_hash", 20), ("webhook_secret", 12), ("jwt_secret", 12), ("認証トークン", 12), ("接続文字列", 20), ("暗証番号", 4), ("パスフレーズ", 6), ("合言葉", 6), ("pw", 6), ("pwd", 6), ("passwd", 6), ("password", 6), ("passphrase", 8), ("pass", 6),
    ("secret", 10), ("client_secret", 8), ("clientsecret", 8), ("api_secret", 8), ("secret_key", 10), ("secretkey", 10), ("secret key", 10), ("シークレット", 8), ("シークレットキー", 8), ("秘密鍵", 16), ("共有鍵", 16),
    ("token", 16), ("トークン", 16), ("access_token", 12), ("accesstoken", 12), ("access token", 12), ("アクセストークン", 12), ("refresh_token", 12), ("auth_token", 12), ("authtoken", 12), ("bearer", 16), ("リフレッシュトークン", 12),
    ("api_key", 12), ("apikey", 12), ("api-key", 12), ("api key", 12), ("apiキー", 12), ("apiトークン", 12), ("api token", 12), ("api_token", 12), ("x-api-key", 12), ("アクセスキー", 12), ("access_key", 12), ("accesskey", 12), ("access key", 12), ("private_key", 16), ("encryption_key", 16), ("暗号鍵", 16), ("暗号化キー", 16),
    ("accountkey", 30), ("sharedaccesskey", 30), ("sharedaccesssignature", 20), ("sig", 30), ("aws_secret_access_key", 20), ("secretaccesskey", 20), ("aws_session_token", 40),
    ("x-cybozu-api-token", 20), ("kintone", 30), ("x-cybozu-authorization", 12), ("x-chatworktoken", 20), ("chatwork", 30), ("line_channel_access_token", 30), ("チャネルアクセストークン", 30), ("チャネルシークレット", 20), ("channel_access_token", 30), ("channel_secret", 20), ("authorization", 16), ("basic", 16), ("webhook", 60), ("credential", 12), ("資格情報", 12), ("認証キー", 12), ("ライセンスキー", 16), ("backlog", 40), ("freee", 40), ("sansan", 40), ("connectionstring", 20),
];

/// A prefix and how many characters follow at least.
type Prefix = (Vec<char>, usize);

/// Prefixes by their first character.
static PREFIX: LazyLock<HashMap<char, Vec<Prefix>>> = LazyLock::new(|| {
    let mut prefixes: HashMap<char, Vec<_>> = HashMap::new();
    for (prefix, min) in PREFIXES {
        let chars: Vec<char> = prefix.chars().collect();
        if let Some(first) = chars.first().copied() {
            prefixes.entry(first).or_default().push((chars, *min));
        }
    }
    prefixes
});
pub(crate) static NAME: LazyLock<Lexicon<usize>> =
    LazyLock::new(|| Lexicon::new(NAMES.iter().copied()));

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    let chars = folded.chars();
    // Where the last value ends, and how many names have been looked at within it: in `password=password=…` every name
    // has the whole rest as its value.
    let (mut value_end, mut tries) = (0, 0);
    for at in document.spots.of(Begin::Secret) {
        tries = if at < value_end { tries + 1 } else { 0 };
        if tries > TRIES_MAX {
            continue;
        }
        let (previous, c) = (folded.before(at), folded.at(at));
        let within =
            c.is_ascii_alphabetic() && previous.is_ascii_lowercase() && !c.is_ascii_uppercase();
        if !within
            && let Some((len, min)) = NAME.longest_at(chars, at)
            && (c != '-' || logs_in(folded, at))
        {
            value_end = value_end.max(assigned(folded, at + len, min, found));
        }
    }
    for at in document.spots.tokens.iter().copied() {
        token(folded, at, found);
    }
    for at in document.spots.of(Begin::Sign) {
        match folded.at(at) {
            '-' if folded.before(at) != '-' => pem(folded, at, found),
            ':' if folded.at(at + 1) == '/' => url(folded, at, found),
            '=' => prefixed(folded, at + 1, found),
            _ => {}
        }
    }
}

/// `docker login -u ci -p …`: the option of a command that logs in, not any `-p`.
fn logs_in(folded: &Folded, at: usize) -> bool {
    const COMMAND_MAX: usize = 60;
    let line = folded.part(at.saturating_sub(COMMAND_MAX), at);
    let command: String = line.iter().rev().take_while(|c| **c != '\n').collect();
    ["nigol", "lqsym", "ssaphss", "nimdalqsym", "u- "]
        .iter()
        .any(|word| command.contains(word))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn push(found: &mut Vec<Match>, start: usize, end: usize, confidence: u8) {
    Document::push(found, Kind::Secret, start, end, confidence);
}

/// A token that tells by itself.
fn token(folded: &Folded, start: usize, found: &mut Vec<Match>) {
    if folded.part(start, start + 3) == ['e', 'y', 'J'] {
        jwt(folded, start, found);
    }
    prefixed(folded, start, found);
    let rest = folded.part(start, start + 512);
    let len = rest.iter().take_while(|c| is_token(**c)).count();
    let value = rest.get(..len).unwrap_or_default();
    // 64 bytes in base64: storage account keys.
    if len == 88 && value.ends_with(&['=', '=']) && mixed(value) == 3 && entropy(value) > 4.5 {
        push(found, start, start + len, 85);
    }
    // Prefixes behind a path or an assignment within the token.
    for (offset, c) in value.iter().enumerate() {
        if *c == '/' {
            prefixed(folded, start + offset + 1, found);
        }
    }
}

fn prefixed(folded: &Folded, start: usize, found: &mut Vec<Match>) {
    let rest = folded.part(start, start + 600);
    // Every token is looked at here; the shortest body keeps most of them off the table.
    if !is_word(folded.at(start + 15)) && rest.first() != Some(&'A') {
        return;
    }
    let same = rest.first().and_then(|first| PREFIX.get(first));
    let Some((prefix, min)) =
        same.and_then(|list| list.iter().find(|(prefix, _)| rest.starts_with(prefix)))
    else {
        return;
    };
    let skip = if prefix.ends_with(&['=']) {
        prefix.len()
    } else {
        0
    };
    let body = rest.get(prefix.len()..).unwrap_or_default();
    let base64 = skip > 0;
    let len = body
        .iter()
        .take_while(|c| if base64 { is_token(**c) } else { is_word(**c) })
        .count();
    let body = trim(body.get(..len).unwrap_or_default());
    let short =
        prefix.len() == 2 || prefix.len() == 4 && !prefix.contains(&'_') && !prefix.contains(&'-');
    let upper = body
        .iter()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let fits = match prefix.as_slice() {
        ['A', 'K' | 'S' | 'B' | 'C', ..] if *min == 16 => upper && body.len() == 16,
        ['A', 'R' | 'I', ..] if *min == 17 => upper && body.len() == 17,
        ['S', 'K'] => body.len() == 32 && body.iter().all(char::is_ascii_hexdigit),
        _ => body.len() >= *min && (!short || mixed(body) >= 2),
    };
    let letters = upper && matches!(min, 16 | 17);
    if fits && (letters || mixed(body) >= 2) && !placeholder(body) {
        push(found, start + skip, start + prefix.len() + body.len(), 98);
    }
}

/// Without the full stop or hyphen of the sentence around it.
fn trim(mut body: &[char]) -> &[char] {
    while let [rest @ .., '.' | '-' | '_'] = body {
        body = rest;
    }
    body
}

fn jwt(folded: &Folded, start: usize, found: &mut Vec<Match>) {
    let rest = folded.part(start, start + 8192);
    let len = rest.iter().take_while(|c| is_word(**c)).count();
    let body = trim(rest.get(..len).unwrap_or_default());
    let dots = body.iter().filter(|c| **c == '.').count();
    if (2..=4).contains(&dots) && body.len() >= 40 {
        push(found, start, start + body.len(), 98);
    }
}

/// `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text where that is missing.
fn pem(folded: &Folded, start: usize, found: &mut Vec<Match>) {
    const LINE_MAX: usize = 64;
    const KEY_MAX: usize = 16_384;
    if !folded.has(start, "-----BEGIN ") {
        return;
    }
    let head: String = folded.part(start, start + LINE_MAX).iter().collect();
    if !head.contains("PRIVATE KEY") {
        return;
    }
    let rest = folded.part(start, start + KEY_MAX);
    let mark: Vec<char> = "-----END ".chars().collect();
    let end = rest
        .windows(mark.len())
        .position(|window| window == mark)
        .map_or(rest.len(), |at| {
            let tail = rest.get(at + mark.len()..).unwrap_or_default();
            let name = tail.iter().take_while(|c| **c != '-').count();
            let dashes = tail.iter().skip(name).take_while(|c| **c == '-').count();
            at + mark.len() + name + dashes
        });
    push(found, start, start + end, 99);
}

/// `scheme://user:password@host`
fn url(folded: &Folded, colon: usize, found: &mut Vec<Match>) {
    if folded.at(colon + 2) != '/' {
        return;
    }
    let scheme = (1..=16).take_while(|back| {
        colon >= *back && {
            let c = folded.at(colon - back);
            c.is_ascii_alphanumeric() || matches!(c, '+' | '-')
        }
    });
    let start = colon - scheme.count();
    let is_end = |c: &char| {
        c.is_whitespace() || !c.is_ascii() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|')
    };
    let rest = folded.part(colon + 3, colon + 515);
    let len = rest.iter().take_while(|c| !is_end(c)).count();
    let rest = rest.get(..len).unwrap_or_default();
    if is_hook(rest) && !placeholder(rest) {
        push(found, start, colon + 3 + trim(rest).len(), 95);
        return;
    }
    let path = rest
        .iter()
        .position(|c| matches!(c, '/' | '?'))
        .unwrap_or(len);
    let Some(sign) = rest.iter().take(path.max(1)).rposition(|c| *c == '@') else {
        return;
    };
    let user = rest.get(..sign).unwrap_or_default();
    let Some(split) = user.iter().position(|c| *c == ':') else {
        return;
    };
    let password = user.get(split + 1..).unwrap_or_default();
    if password.len() >= 4 && start < colon && !placeholder(password) {
        let mut end = len;
        while matches!(rest.get(end - 1), Some(',' | '.' | ')' | ';' | ']' | '}')) {
            end -= 1;
        }
        push(found, start, colon + 3 + end, 98);
    }
}

/// Addresses that let whoever has them write to a channel, and how they begin.
const HOOKS: [&str; 6] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "chat.googleapis.com/v1/spaces/",
    "hooks.zapier.com/hooks/catch/",
];

/// Whether `rest`, what follows `://`, is the address of a webhook with its key.
fn is_hook(rest: &[char]) -> bool {
    const KEY_MIN: usize = 16;
    let begins = |hook: &&str| {
        rest.len() >= hook.len() + KEY_MIN && hook.chars().eq(rest.iter().copied().take(hook.len()))
    };
    let (host, _) = rest.split_at(rest.iter().position(|c| *c == '/').unwrap_or(rest.len()));
    let office: Vec<char> = ".webhook.office.com".chars().collect();
    HOOKS.iter().any(begins) || host.ends_with(&office) && rest.len() > host.len() + KEY_MIN
}

/// Most names looked at within the value of another.
const TRIES_MAX: usize = 8;

/// The value behind a telling name; gives where it ends.
fn assigned(folded: &Folded, end: usize, min: usize, found: &mut Vec<Match>) -> usize {
    let mut at = end;
    let mut sign = false;
    // 「APIトークン」 may be followed by further words that tell: トークン, キー, の値は.
    while at - end < 12 {
        match folded.at(at) {
            ':' | '=' | 'は' | '>' | '→' => sign = true,
            ' ' | '"' | '\'' | '「' | '(' | '`' | '\t' | '[' | '\\' | '『' | '【' => {}
            // 「パスワード教えてください → …」
            'の' | 'を' | 'が' | '値' | 'キ' | 'ー' | 'ト' | 'ク' | 'ン' | '、' | '教' | 'え'
            | 'て' | 'く' | 'だ' | 'さ' | 'い' | '?'
                if !sign => {}
            _ => break,
        }
        at += 1;
    }
    if at == end {
        return end;
    }
    let is_value = |c: &char| {
        c.is_ascii_graphic()
            && !matches!(
                c,
                '"' | '\'' | '`' | '<' | '>' | ',' | ';' | '\\' | '{' | '}'
            )
    };
    let rest = folded.part(at, at + 1024);
    let len = rest.iter().take_while(|c| is_value(c)).count();
    let mut value = rest.get(..len).unwrap_or_default();
    // 「…（初回変更必須）」: what follows in brackets is prose.
    let prose = folded.at(at + len) != '\0' && !folded.at(at + len).is_ascii();
    if let [body @ .., '('] = value
        && prose
    {
        value = body;
    }
    while let [body @ .., '.' | ')' | ']' | '&' | '|'] = value {
        value = body;
    }
    // `X-Api-Key: X-Other-Token: …`: a name, not a value.
    if value.ends_with(&[':'])
        || value.len() < min
        || placeholder(value)
        || matches!(folded.at(at), '<' | '{')
    {
        return at + len;
    }
    // `bad_password request=…`: the next assignment, whose name tells nothing.
    let name = value.iter().take_while(|c| is_word(**c)).count();
    if !sign && name > 1 && value.get(name) == Some(&'=') && value.len() > name + 2 {
        return end;
    }
    let kinds = mixed(value);
    let symbols = value.iter().any(char::is_ascii_punctuation);
    let strong = match min {
        ..=8 => {
            (sign && (kinds >= 2 || symbols))
                || (kinds >= 2 && symbols)
                || kinds == 3
                || min == 4 && value.iter().all(char::is_ascii_digit) && sign
        }
        _ => kinds >= 2 && entropy(value) > 2.8,
    };
    // A path, a number with units or a key of a table is no secret.
    let path = value.first() == Some(&'/') && (kinds < 3 || value.len() != 40)
        || value.contains(&'(')
        || value.windows(3).any(|w| w == [':', '/', '/']);
    if strong && !path {
        push(found, at, at + value.len(), 90);
    }
    at + len
}

/// Upper case, lower case, digits: how many of them occur.
fn mixed(value: &[char]) -> usize {
    usize::from(value.iter().any(char::is_ascii_uppercase))
        + usize::from(value.iter().any(char::is_ascii_lowercase))
        + usize::from(value.iter().any(char::is_ascii_digit))
}

/// Bits per character; ASCII only, so that prose never looks random.
fn entropy(value: &[char]) -> f64 {
    let mut counts = [0_u32; 128];
    let mut total = 0_u32;
    for slot in value
        .iter()
        .filter_map(|c| usize::try_from(u32::from(*c)).ok())
    {
        if let Some(count) = counts.get_mut(slot) {
            *count += 1;
            total += 1;
        }
    }
    let total = f64::from(total.max(1));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// Whether it stands for a secret in documentation: `${KEY}`, `XXXX`, `your-key-here`.
fn placeholder(value: &[char]) -> bool {
    let text: String = value.iter().map(char::to_ascii_lowercase).collect();
    let words = [
        "xxxx",
        "****",
        "....",
        "your",
        "example",
        "changeme",
        "dummy",
        "placeholder",
        "redacted",
        "sample",
        "todo",
        "insert",
        "0000000",
        "1234567890ab",
        "abcdefgh",
        "masked",
    ];
    let mut distinct: Vec<char> = value.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    matches!(value, ['$' | '<' | '%' | '{' | '*', ..])
        || distinct.len() < 4
        || words.iter().any(|word| text.contains(word))
        || [
            "process.env",
            "os.environ",
            "getenv",
            "secrets.",
            "vault:",
            "null",
            "none",
            "true",
            "false",
            "undefined",
            "string",
            "required",
        ]
        .iter()
        .any(|word| text.starts_with(word))
}
