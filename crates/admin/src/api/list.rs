//! Lists, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Items of a page, unless asked otherwise.
const PAGE_DEFAULT: u32 = 50;
/// Most items of a page.
const PAGE_MAX: u32 = 200;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// Which page is asked for.
#[derive(Debug)]
pub(crate) struct Window {
    /// The key of the last item of the page before.
    pub(crate) after: Option<String>,
    /// Most items.
    pub(crate) limit: u32,
}

impl Window {
    /// From the parameters `limit` and `cursor`.
    pub(crate) fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::invalid("limit", "use 1 to 200"));
        }
        let after = cursor.map(read_cursor).transpose()?;
        Ok(Self { after, limit })
    }

    /// How many to ask a source for: one more than is shown, to know whether there is another page.
    pub(crate) fn wanted(&self) -> u32 {
        self.limit + 1
    }

    /// A page of what a source gave for [`wanted`](Self::wanted), with the key of each item.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| more)
            .map(|last| write_cursor(&key(last)));
        List { items, next_cursor }
    }

    /// A page of a whole list that is ordered by key.
    pub(crate) fn page_of<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> List<T> {
        let wanted = usize::try_from(self.wanted()).unwrap_or(usize::MAX);
        let items = all
            .into_iter()
            .filter(|item| self.after.as_ref().is_none_or(|after| key(item) > *after))
            .take(wanted)
            .collect();
        self.page(items, key)
    }
}

/// The cursor of a key, which means nothing to clients.
pub(crate) fn write_cursor(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn read_cursor(cursor: &str) -> Result<String, Problem> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Problem::invalid("cursor", "use the next_cursor of a page, unchanged"))
}

impl<T> List<T> {
    /// The same page with its items in another form.
    pub(crate) fn map<U>(self, form: impl FnMut(T) -> U) -> List<U> {
        List {
            items: self.items.into_iter().map(form).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_without_gap_or_overlap() {
        let all: Vec<String> = ('a'..='g').map(|char| char.to_string()).collect();
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..10 {
            let window = Window::new(Some(3), cursor.as_deref()).unwrap();
            let page = window.page_of(all.clone(), Clone::clone);
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn bad_pages_are_refused() {
        for limit in [0, 201] {
            assert_eq!(Window::new(Some(limit), None).unwrap_err().status, 422);
        }
        assert_eq!(Window::new(None, Some("!")).unwrap_err().status, 422);
    }
}
