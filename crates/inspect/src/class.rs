//! Classes of the company's own, beside ours: which dictionaries and codes have them, and what they count as.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dictionary::{Terms, TermsError};
use crate::finding::{Class, ClassName, Finding, OwnClass};

/// Most classes of a rule set.
const CLASSES_MAX: usize = 32;
const ID_MAX: usize = 64;

/// A class of the company's own, as rules tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// Its name.
    pub id: String,
    /// The class of ours that it counts as where rules do not name it. Of several for the same words the graver wins,
    /// and among those alike the one that is told last.
    pub like: Class,
}

/// One class with the words that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    own: OwnClass,
    terms: Arc<Terms>,
}

/// Every class of the company's own of a rule set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnClasses(Vec<Entry>);

impl OwnClasses {
    /// Checks them; says which is wrong, and what with it.
    pub(crate) fn new(classes: &[ClassRule]) -> Result<Self, (String, &'static str)> {
        let mut known = Self::default();
        for class in classes {
            let wrong = |problem| Err((class.id.clone(), problem));
            let slug = class
                .id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if class.id.is_empty() || class.id.len() > ID_MAX || !slug {
                return wrong("use 1 to 64 of a-z, 0-9 and '-' as id");
            }
            if Class::ALL.iter().any(|ours| ours.as_str() == class.id) {
                return wrong("a class of ours has this id");
            }
            if known.find(&class.id).is_some() {
                return wrong("another class has the same id");
            }
            // What the law says about those depends on what they are, not on what they are called.
            if matches!(class.like, Class::MyNumber | Class::Credential) {
                return wrong("a class is like public, internal, personal or confidential");
            }
            let at = u8::try_from(known.0.len())
                .ok()
                .filter(|at| usize::from(*at) < CLASSES_MAX);
            let Some(at) = at else {
                return wrong("there are more than 32 classes");
            };
            known.0.push(Entry {
                name: class.id.clone(),
                own: OwnClass {
                    like: class.like,
                    at,
                },
                terms: Arc::default(),
            });
        }
        Ok(known)
    }

    fn find(&self, id: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.name == id)
    }

    /// The class of that name, if one is named.
    pub(crate) fn of(&self, id: Option<&str>) -> Result<Option<OwnClass>, &'static str> {
        id.map(|id| {
            let entry = self.find(id);
            entry
                .map(|entry| entry.own)
                .ok_or("say [[class]] with this id first")
        })
        .transpose()
    }

    /// Whether a rule may name it.
    pub(crate) fn knows(&self, name: &ClassName) -> bool {
        match name {
            ClassName::Known(_) => true,
            ClassName::Own(id) => self.find(id).is_some(),
        }
    }

    /// Gives the class of these words to them.
    pub(crate) fn give(&mut self, own: OwnClass, terms: &Terms) -> Result<(), TermsError> {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.own == own) {
            entry.terms = Arc::new(Terms::merged([&*entry.terms, terms])?);
        }
        Ok(())
    }

    /// The words of each class.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (OwnClass, Arc<Terms>)> + '_ {
        let full = self.0.iter().filter(|entry| !entry.terms.is_empty());
        full.map(|entry| (entry.own, Arc::clone(&entry.terms)))
    }

    /// The name of the class of a finding.
    pub(crate) fn name(&self, finding: &Finding) -> ClassName {
        let own = finding.own.and_then(|own| self.0.get(usize::from(own.at)));
        own.map_or(ClassName::Known(finding.class()), |entry| {
            ClassName::Own(entry.name.clone())
        })
    }

    /// What the class of that name counts as; of a name that is known no more, that of the type.
    pub(crate) fn like(&self, name: &ClassName) -> Option<Class> {
        match name {
            ClassName::Known(class) => Some(*class),
            ClassName::Own(id) => self.find(id).map(|entry| entry.own.like),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(id: &str, like: Class) -> ClassRule {
        ClassRule {
            id: id.to_owned(),
            like,
        }
    }

    #[test]
    fn classes_have_names_of_their_own_and_a_rank_of_ours() {
        for (classes, about) in [
            (vec![class("Board", Class::Confidential)], "a-z"),
            (vec![class("personal", Class::Confidential)], "of ours"),
            (vec![class("board", Class::Credential)], "like"),
            (
                vec![
                    class("board", Class::Internal),
                    class("board", Class::Personal),
                ],
                "same id",
            ),
        ] {
            let (_, problem) = OwnClasses::new(&classes).unwrap_err();
            assert!(problem.contains(about), "{problem}");
        }
        let many: Vec<_> = (0..33)
            .map(|at| class(&format!("c{at}"), Class::Internal))
            .collect();
        assert!(OwnClasses::new(&many).unwrap_err().1.contains("32"));
    }
}
