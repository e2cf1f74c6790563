//! The language that a person reads.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The languages of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// 日本語. The default: the gate stands in Japanese companies.
    #[default]
    Japanese,
    /// English.
    English,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Japanese, Self::English];

    /// The code of HTML's `lang`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }

    /// What the language calls itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::Japanese => "日本語",
            Self::English => "English",
        }
    }

    /// The language of a code such as `ja` or `en-GB`.
    pub fn of_code(code: &str) -> Option<Self> {
        let primary = code.split('-').next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|language| primary.eq_ignore_ascii_case(language.code()))
    }

    /// What the browser prefers (RFC 9110, section 12.5.4).
    pub(crate) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for item in headers
            .get_all(ACCEPT_LANGUAGE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let (range, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
            let better = best.is_none_or(|(found, _)| weight > found);
            if let Some(language) = Self::of_code(range).filter(|_| weight > 0.0 && better) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_says_what_it_prefers() {
        let preferred = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, value.parse().unwrap());
            Language::preferred(&headers)
        };
        assert_eq!(preferred("ja"), Some(Language::Japanese));
        assert_eq!(
            preferred("fr, en-GB;q=0.8, ja;q=0.9"),
            Some(Language::Japanese)
        );
        assert_eq!(
            preferred("en-US,en;q=0.9,ja;q=0.8"),
            Some(Language::English)
        );
        assert_eq!(preferred("fr, de;q=0.5"), None);
        assert_eq!(preferred("ja;q=0, en;q=0.1"), Some(Language::English));
        assert_eq!(preferred("ja;q=x"), None);
    }
}
