//! What the detectors report: one list, without overlaps, in code points of the original.

use serde::{Deserialize, Serialize};

/// A kind of sensitive data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// 住所.
    Address,
    /// 口座番号, with bank and branch where they are part of the number.
    BankAccount,
    /// 社外秘 and other markings of documents.
    Classification,
    /// A term of the company, from a dictionary.
    CompanyTerm,
    /// 法人番号.
    CorporateNumber,
    /// Payment cards.
    CreditCard,
    /// A customer, from a dictionary.
    Customer,
    /// 生年月日.
    Dob,
    /// 運転免許証番号.
    DriversLicense,
    /// Mail addresses.
    Email,
    /// 社員番号.
    EmployeeNumber,
    /// 雇用保険被保険者番号.
    EmploymentInsurance,
    /// 健康保険: 保険者番号, 記号・番号.
    HealthInsurance,
    /// インボイス登録番号.
    InvoiceNumber,
    /// IPv4 and IPv6 addresses.
    IpAddress,
    /// マイナンバー.
    MyNumber,
    /// 旅券番号.
    Passport,
    /// 基礎年金番号.
    PensionNumber,
    /// 氏名.
    Person,
    /// 電話番号.
    Phone,
    /// 郵便番号.
    PostalCode,
    /// The name of a project, from a dictionary.
    ProjectName,
    /// 在留カード番号.
    ResidenceCard,
    /// Keys, tokens, passwords.
    Secret,
    /// Words of sensitive categories: pay, appraisal, health.
    Sensitive,
    /// 自動車登録番号.
    VehicleNumber,
}

impl Kind {
    /// The name in results: `MY_NUMBER`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS",
            Self::BankAccount => "BANK_ACCOUNT",
            Self::Classification => "CLASSIFICATION",
            Self::CompanyTerm => "COMPANY_TERM",
            Self::CorporateNumber => "CORPORATE_NUMBER",
            Self::CreditCard => "CREDIT_CARD",
            Self::Customer => "CUSTOMER",
            Self::Dob => "DOB",
            Self::DriversLicense => "DRIVERS_LICENSE",
            Self::Email => "EMAIL",
            Self::EmployeeNumber => "EMPLOYEE_NUMBER",
            Self::EmploymentInsurance => "EMPLOYMENT_INSURANCE",
            Self::HealthInsurance => "HEALTH_INSURANCE",
            Self::InvoiceNumber => "INVOICE_NUMBER",
            Self::IpAddress => "IP_ADDRESS",
            Self::MyNumber => "MY_NUMBER",
            Self::Passport => "PASSPORT",
            Self::PensionNumber => "PENSION_NUMBER",
            Self::Person => "PERSON",
            Self::Phone => "PHONE",
            Self::PostalCode => "POSTAL_CODE",
            Self::ProjectName => "PROJECT_NAME",
            Self::ResidenceCard => "RESIDENCE_CARD",
            Self::Secret => "SECRET",
            Self::Sensitive => "SENSITIVE",
            Self::VehicleNumber => "VEHICLE_NUMBER",
        }
    }

    /// The class that the law and the shipped defaults give it.
    pub fn class(self) -> Class {
        match self {
            Self::CorporateNumber | Self::InvoiceNumber => Class::Public,
            Self::MyNumber => Class::MyNumber,
            Self::Secret => Class::Credential,
            Self::CreditCard | Self::Classification | Self::ProjectName | Self::Sensitive => {
                Class::Confidential
            }
            Self::CompanyTerm | Self::IpAddress => Class::Internal,
            Self::Address
            | Self::BankAccount
            | Self::Customer
            | Self::Dob
            | Self::DriversLicense
            | Self::Email
            | Self::EmployeeNumber
            | Self::EmploymentInsurance
            | Self::HealthInsurance
            | Self::Passport
            | Self::PensionNumber
            | Self::Person
            | Self::Phone
            | Self::PostalCode
            | Self::ResidenceCard
            | Self::VehicleNumber => Class::Personal,
        }
    }
}

/// How sensitive a finding is, from low to high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 公開.
    Public,
    /// 社外秘.
    Internal,
    /// 個人情報.
    Personal,
    /// 機密.
    Confidential,
    /// 特定個人情報.
    MyNumber,
    /// 認証情報.
    Credential,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Public,
        Self::Internal,
        Self::Personal,
        Self::Confidential,
        Self::MyNumber,
        Self::Credential,
    ];

    /// The slug, as in the domain's data classes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Personal => "personal",
            Self::Confidential => "confidential",
            Self::MyNumber => "my-number",
            Self::Credential => "credential",
        }
    }
}

/// A class of the company's own, as a finding holds it; the rule set has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnClass {
    /// What it counts as where no rule names it.
    pub(crate) like: Class,
    /// Which one of the rule set's.
    pub(crate) at: u8,
}

/// The name of a class in rules, records and results: one of ours or the company's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassName {
    /// One of ours.
    Known(Class),
    /// The company's own.
    Own(String),
}

impl ClassName {
    /// The slug.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(class) => class.as_str(),
            Self::Own(name) => name,
        }
    }
}

/// One piece of sensitive data. Holds where it is, never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// First code point of the original.
    pub start: u32,
    /// Behind the last code point of the original.
    pub end: u32,
    /// From 0 to 100.
    pub confidence: u8,
    /// The version of the rule that found it.
    pub rule: u16,
    /// The class of the company's own that its dictionary or code has.
    pub own: Option<OwnClass>,
}

impl Finding {
    /// What it counts as: its type's class, or what the company's own class counts as.
    pub fn class(&self) -> Class {
        class(self.kind, self.own)
    }
}

fn class(kind: Kind, own: Option<OwnClass>) -> Class {
    own.map_or(kind.class(), |own| own.like)
}

/// A candidate in folded places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) confidence: u8,
    pub(crate) rule: u16,
    pub(crate) own: Option<OwnClass>,
}

/// The most certain of overlapping candidates, in order; the longer one when equally certain.
pub(crate) fn resolve(mut candidates: Vec<Match>) -> Vec<Match> {
    candidates.sort_by_key(|c| {
        (
            // Of two for the same place that are as certain, the graver class wins.
            std::cmp::Reverse((c.confidence, c.end - c.start)),
            c.start,
            std::cmp::Reverse((class(c.kind, c.own), c.own)),
            c.kind,
        )
    });
    let mut kept: std::collections::BTreeMap<usize, Match> = std::collections::BTreeMap::new();
    for candidate in candidates {
        // Kept spans do not overlap, so only the neighbour on the left can reach in.
        let left = kept.range(..candidate.end).next_back();
        if left.is_none_or(|(_, other)| other.end <= candidate.start)
            && candidate.start < candidate.end
        {
            kept.insert(candidate.start, candidate);
        }
    }
    kept.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(start: usize, end: usize, confidence: u8) -> Match {
        Match {
            kind: Kind::Phone,
            start,
            end,
            confidence,
            rule: 1,
            own: None,
        }
    }

    #[test]
    fn the_most_certain_wins_then_the_longest() {
        let all = vec![
            candidate(0, 10, 50),
            candidate(5, 8, 90),
            candidate(10, 12, 40),
            candidate(10, 14, 40),
        ];
        assert_eq!(resolve(all), [candidate(5, 8, 90), candidate(10, 14, 40)]);
    }
}
